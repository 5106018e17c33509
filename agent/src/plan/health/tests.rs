//! One table per kind: object in, health and reason out.

use serde_json::json;

use super::*;

fn check(group: &str, kind: &str, object: Value, health: Health, why: &str) {
    assert_eq!(
        of(group, kind, &object),
        (health, why.to_owned()),
        "{kind}: {object}"
    );
}

#[test]
fn a_deployment_is_healthy_when_every_replica_is_updated_and_available() {
    let check = |spec: Value, status: Value, health, why| {
        check(
            "apps",
            "Deployment",
            json!({"metadata": {"generation": 2}, "spec": spec, "status": status}),
            health,
            why,
        );
    };
    let full = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
    check(json!({"replicas": 3}), full, Health::Healthy, "");
    check(
        json!({"replicas": 3}),
        json!({"observedGeneration": 1}),
        Health::Progressing,
        "its controller has not seen the latest change yet",
    );
    check(
        json!({"replicas": 3}),
        json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 3, "availableReplicas": 3}),
        Health::Progressing,
        "1 old replicas are still there",
    );
    check(
        json!({"replicas": 3}),
        json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 1}),
        Health::Progressing,
        "1 of 3 replicas are available",
    );
    check(
        json!({"replicas": 0}),
        json!({"observedGeneration": 2}),
        Health::Healthy,
        "",
    );
    check(
        json!({"replicas": 1, "paused": true}),
        json!({"observedGeneration": 2}),
        Health::Suspended,
        "its rollout is paused",
    );
    let stuck = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}]);
    check(
        json!({"replicas": 1}),
        json!({"observedGeneration": 2, "conditions": stuck}),
        Health::Degraded,
        "ProgressDeadlineExceeded: late",
    );
}

#[test]
fn other_workloads() {
    check(
        "apps",
        "StatefulSet",
        json!({"spec": {"replicas": 2}, "status": {"readyReplicas": 1}}),
        Health::Progressing,
        "1 of 2 replicas are ready",
    );
    check(
        "apps",
        "StatefulSet",
        json!({
            "spec": {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            "status": {"readyReplicas": 3, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"},
        }),
        Health::Healthy,
        "",
    );
    check(
        "apps",
        "DaemonSet",
        json!({"status": {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}}),
        Health::Progressing,
        "it is available on 2 of 3 nodes",
    );
    check(
        "apps",
        "ReplicaSet",
        json!({"spec": {"replicas": 0}}),
        Health::Healthy,
        "",
    );
    check(
        "batch",
        "CronJob",
        json!({"spec": {"suspend": true}}),
        Health::Suspended,
        "it is suspended",
    );
}

#[test]
fn jobs_and_pods_end() {
    let job = |status: Value| json!({"status": {"conditions": [{"type": status["t"], "status": "True", "reason": "R"}]}});
    check(
        "batch",
        "Job",
        job(json!({"t": "Complete"})),
        Health::Healthy,
        "",
    );
    check(
        "batch",
        "Job",
        job(json!({"t": "Failed"})),
        Health::Degraded,
        "R",
    );
    check(
        "batch",
        "Job",
        json!({"status": {"active": 2}}),
        Health::Progressing,
        "2 pods are active",
    );
    check(
        "batch",
        "Job",
        json!({"status": {"active": 1}}),
        Health::Progressing,
        "1 pod is active",
    );
    check(
        "",
        "Pod",
        json!({"status": {"phase": "Succeeded"}}),
        Health::Healthy,
        "",
    );
    check(
        "",
        "Pod",
        json!({"status": {"phase": "Pending"}}),
        Health::Progressing,
        "it is not ready yet",
    );
    let waiting = json!([{"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    check(
        "",
        "Pod",
        json!({"status": {"phase": "Running", "containerStatuses": waiting}}),
        Health::Degraded,
        "container web waits: CrashLoopBackOff",
    );
}

#[test]
fn services_claims_definitions_and_anything_else() {
    check(
        "",
        "Service",
        json!({"spec": {"type": "ClusterIP"}}),
        Health::Healthy,
        "",
    );
    check(
        "",
        "Service",
        json!({"spec": {"type": "LoadBalancer"}}),
        Health::Progressing,
        "its load balancer has no address yet",
    );
    check(
        "",
        "PersistentVolumeClaim",
        json!({"status": {"phase": "Lost"}}),
        Health::Degraded,
        "its volume is lost",
    );
    let crd = "CustomResourceDefinition";
    check(
        "apiextensions.k8s.io",
        crd,
        json!({}),
        Health::Progressing,
        "it is not established yet",
    );
    let ready = |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status, "message": "m"}]}});
    check("example.org", "Shop", ready("True"), Health::Healthy, "");
    check(
        "example.org",
        "Shop",
        ready("False"),
        Health::Progressing,
        "m",
    );
    check(
        "example.org",
        "Shop",
        ready("Unknown"),
        Health::Unknown,
        "m",
    );
    check("example.org", "Shop", json!({}), Health::Healthy, "");
    for hostile in [
        json!(null),
        json!([]),
        json!({"status": 3}),
        json!({"status": {"conditions": {"a": 1}}}),
    ] {
        check("example.org", "Shop", hostile, Health::Healthy, "");
    }
}
