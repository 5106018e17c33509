//! The status of a template on the hub: which generation of it all clusters have.

use super::displacing::say;
use super::policies::seed;
use super::*;
use crate::reconciler::Reconciler;
use crate::status;

/// Which generation of the template is said to be on all clusters, and how many replicas are updated.
fn observed(hub: &Hub) -> (Option<i64>, Option<u64>) {
    let object = hub.get("/objects/apps/deployments/default/web").unwrap();
    let status = &object["status"];
    (
        status["observedGeneration"].as_i64(),
        status["updatedReplicas"].as_u64(),
    )
}

impl Hub {
    /// The agent of a cluster reports that what it was given last runs, all of it.
    async fn runs(&self, cluster: &str, replicas: u32) {
        let status = json!({
            "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas,
            "conditions": [{"type": "Available", "status": "True", "reason": "R", "message": "M"}],
        });
        self.report(cluster, ItemState::Applied, Health::Healthy, status)
            .await;
        self.settle().await;
    }

    /// The seed's app, which runs on both clusters.
    async fn seeded() -> Self {
        let hub = seed().await;
        hub.runs("prod", 18).await;
        hub.runs("dr", 2).await;
        assert_eq!(observed(&hub), (Some(1), Some(20)));
        hub
    }
}

/// Whoever waits for a change with `kubectl rollout status` waits until the last cluster has it, whatever
/// keeps it from that.
#[tokio::test(start_paused = true)]
async fn a_generation_is_observed_once_the_last_cluster_has_it() {
    let fine = || weighted("p", &[("prod", 90), ("dr", 10)]);
    let with = |field: &str, value: Value| {
        let mut policy = fine();
        policy["spec"][field] = value;
        policy
    };
    let suspended = json!({"dispatchingOnClusters": {"clusterNames": ["dr"]}});
    let awaits = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "migrate"}]);
    let override_policy = json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": "o", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "overrideRules": [{
                "targetClusters": {"clusterNames": ["dr"]},
                "overrides": [{"path": "/spec/nowhere/at/all", "op": "replace", "value": 1}],
            }],
        },
    });
    let canary = json!({"stages": [{"name": "canary", "share": 1}]});
    for (why, before, waits) in [
        ("Suspended", with("suspension", suspended), "dr"),
        ("Awaiting", with("dependsOn", awaits), "dr prod"),
        (
            "Unreadable",
            with("resourceSelectors", json!("all")),
            "dr prod",
        ),
        ("OverrideFailed", override_policy.clone(), "dr"),
        (
            "DisruptionBudget",
            with("disruptionBudget", json!({"maxUnavailable": 1})),
            "prod",
        ),
        ("RollingOut", with("rollout", canary), "prod"),
    ] {
        let hub = Hub::seeded().await;
        hub.apply(before).await;
        hub.settle().await;
        hub.apply(deployment(20, "web:2")).await;
        hub.settle().await;
        let waiting: Vec<&str> = ["dr", "prod"]
            .into_iter()
            .filter(|name| hub.ledger(name).ends_with("web:1"))
            .collect();
        assert_eq!(waiting.join(" "), waits, "{why}");
        let left = |name: &&str| !waiting.contains(name);
        for (name, replicas) in [("prod", 18), ("dr", 2)] {
            if left(&name) && why != "DisruptionBudget" && why != "RollingOut" {
                hub.runs(name, replicas).await;
            }
        }
        assert_eq!(observed(&hub).0, Some(1), "{why}");
        // What holds it back goes away.
        if why == "OverrideFailed" {
            hub.delete(&override_policy).await;
        } else {
            hub.apply(fine()).await;
        }
        hub.settle().await;
        for _ in 0..2 {
            hub.runs("prod", 18).await;
            hub.runs("dr", 2).await;
        }
        assert_eq!(hub.ledger("dr"), "2 web:2", "{why}");
        assert_eq!(observed(&hub), (Some(2), Some(20)), "{why}");
    }
}

/// A report that comes between an edit and what is decided about it says nothing about the edit.
#[tokio::test(start_paused = true)]
async fn what_was_not_decided_about_yet_is_not_observed() {
    let mut hub = Hub::seeded().await;
    hub.handle.take().unwrap().stop().await;
    hub.apply(deployment(20, "web:2")).await;
    let reconciler = Reconciler::new(hub.parts());
    status::reconcile(&reconciler, &web()).await.unwrap();
    assert_eq!(observed(&hub).0, Some(1));
    hub.start();
    hub.settle().await;
    hub.runs("prod", 18).await;
    assert_eq!(observed(&hub).0, Some(1));
    hub.runs("dr", 2).await;
    assert_eq!(observed(&hub), (Some(2), Some(20)));
}

/// A copy on a silent cluster that counts no more keeps nobody waiting: what replaces it is what runs.
#[tokio::test(start_paused = true)]
async fn who_is_fenced_and_silent_keeps_nobody_waiting() {
    let hub = Hub::seeded().await;
    hub.liveness("dr", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let available = || {
        let object = hub.get("/objects/apps/deployments/default/web").unwrap();
        condition(&object, "Available")
    };
    assert_eq!(available(), "Unknown NoNews");
    say(&hub, "dr", json!({"fenced": true})).await;
    hub.apply(deployment(20, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.ledger("prod"), "20 web:2");
    hub.runs("prod", 20).await;
    assert_eq!(observed(&hub), (Some(2), Some(20)));
    assert_eq!(available(), "True R");
}
