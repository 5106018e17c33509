//! Workloads come up, roll over, scale and fail as in a real cluster.

use std::collections::BTreeSet;

use roadstead_store::{Key, Op, Txn};
use serde_json::{Value, json};

use super::super::NO_IMAGES;
use super::super::pod::is_ready;
use super::*;

#[test]
fn a_deployment_becomes_available_and_then_rests() {
    run(async {
        let member = start().await;
        deploy(&member, "web", 3).await;
        let web = get(&member, &format!("{DEPLOYMENTS}/web")).await;
        for field in [
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
        ] {
            assert_eq!(web["status"][field], 3, "{web}");
        }
        assert_eq!(
            web["status"]["observedGeneration"],
            web["metadata"]["generation"]
        );
        assert_eq!(
            condition(&web, "Available"),
            ("True", "MinimumReplicasAvailable")
        );
        assert_eq!(
            condition(&web, "Progressing"),
            ("True", "NewReplicaSetAvailable")
        );
        assert_eq!(
            web["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
            "1"
        );
        let sets = items(&member, REPLICA_SETS).await;
        assert_eq!(sets.len(), 1);
        assert!(sets[0]["metadata"]["labels"]["pod-template-hash"].is_string());
        let pods = items(&member, PODS).await;
        assert!(pods.iter().all(is_ready));
        let nodes: BTreeSet<_> = pods
            .iter()
            .map(|p| p["spec"]["nodeName"].to_string())
            .collect();
        assert_eq!(nodes.len(), 3, "pods are spread");
    });
}

/// Its replica set has the name of the former's, which has to go first. (Without end where nothing gives
/// way.)
#[test]
fn a_deployment_that_is_made_anew_at_once_comes_up() {
    run(async {
        let member = start().await;
        deploy(&member, "web", 3).await;
        let former = items(&member, REPLICA_SETS).await;
        let key = Key::parse("/objects/apps/deployments/default/web").unwrap();
        let entry = member.store.snapshot().get(key.as_str()).cloned().unwrap();
        let mut anew: Value = serde_json::from_slice(&entry.value).unwrap();
        anew["metadata"]["uid"] = "anew".into();
        let mut txn = Txn::new();
        let value = serde_json::to_vec(&anew).unwrap().into();
        txn.ops.push(Op::Put { key, value });
        member.store.commit(txn).await.unwrap();
        settle(&member).await;
        let sets = items(&member, REPLICA_SETS).await;
        assert_eq!(sets.len(), 1);
        assert_eq!(sets[0]["metadata"]["name"], former[0]["metadata"]["name"]);
        assert_eq!(sets[0]["metadata"]["ownerReferences"][0]["uid"], "anew");
        assert_eq!(sets[0]["status"]["readyReplicas"], 3);
    });
}

#[test]
fn a_rollout_keeps_its_pods_serving() {
    run(async {
        let member = start().await;
        deploy(&member, "web", 4).await;
        let mut watch = member
            .store
            .watch("/objects/core/pods/", member.store.revision())
            .unwrap();
        let patch = json!({"spec": {"template": template("web", "app:2")}});
        ok(&member, "PATCH", &format!("{DEPLOYMENTS}/web"), patch).await;
        settle(&member).await;
        let mut ready: BTreeSet<String> = BTreeSet::new();
        let mut least = usize::MAX;
        let mut most = 4;
        let mut there = 4_usize;
        // The four that were ready before.
        let mut before = 4_usize;
        while let Some(event) = watch.try_next() {
            let event = event.unwrap();
            let object =
                |e: &roadstead_store::Entry| serde_json::from_slice::<Value>(&e.value).unwrap();
            let was = event.previous.as_ref().map(object);
            match (&was, event.new.as_ref().map(object)) {
                (None, Some(_)) => there += 1,
                (Some(_), None) => there -= 1,
                (_, _) => {}
            }
            let key = event.key.to_string();
            match event.new.as_ref().map(object) {
                Some(new) if is_ready(&new) => drop(ready.insert(key)),
                Some(_) => {}
                None if ready.remove(&key) => {}
                None => before -= usize::from(was.is_some_and(|was| is_ready(&was))),
            }
            least = least.min(ready.len() + before);
            most = most.max(there);
        }
        assert!(least >= 3, "at most a quarter was away: {least}");
        assert!(most <= 5, "at most a quarter was added: {most}");
        let web = get(&member, &format!("{DEPLOYMENTS}/web")).await;
        assert_eq!(
            web["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
            "2"
        );
        assert_eq!(
            condition(&web, "Progressing"),
            ("True", "NewReplicaSetAvailable")
        );
        let images = items(&member, PODS).await;
        assert!(
            images
                .iter()
                .all(|p| p["spec"]["containers"][0]["image"] == "app:2")
        );
        assert_eq!(
            items(&member, REPLICA_SETS).await.len(),
            2,
            "the old set is kept for a way back"
        );
    });
}

#[test]
fn an_image_that_is_missing_stops_a_rollout() {
    run(async {
        let member = start().await;
        deploy(&member, "web", 4).await;
        let patch = json!({"spec": {"template": template("web", "app:missing")}});
        ok(&member, "PATCH", &format!("{DEPLOYMENTS}/web"), patch).await;
        settle(&member).await;
        let web = get(&member, &format!("{DEPLOYMENTS}/web")).await;
        assert_eq!(condition(&web, "Available").0, "True", "what serves stays");
        assert_eq!(
            condition(&web, "Progressing"),
            ("True", "ReplicaSetUpdated")
        );
        tokio::time::sleep(Duration::from_secs(700)).await;
        let web = get(&member, &format!("{DEPLOYMENTS}/web")).await;
        assert_eq!(
            condition(&web, "Progressing"),
            ("False", "ProgressDeadlineExceeded")
        );
        let back = json!({"spec": {"template": template("web", "app:1")}});
        ok(&member, "PATCH", &format!("{DEPLOYMENTS}/web"), back).await;
        settle(&member).await;
        let web = get(&member, &format!("{DEPLOYMENTS}/web")).await;
        assert_eq!(web["status"]["availableReplicas"], 4);
        assert_eq!(
            web["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
            "3"
        );
    });
}

#[test]
fn a_deployment_scales_and_recreates() {
    run(async {
        let member = start().await;
        let spec = json!({"replicas": 2, "strategy": {"type": "Recreate"}});
        ok(
            &member,
            "POST",
            DEPLOYMENTS,
            workload("Deployment", "web", spec),
        )
        .await;
        settle(&member).await;
        for replicas in [5, 0, 1] {
            let patch = json!({"spec": {"replicas": replicas}});
            ok(&member, "PATCH", &format!("{DEPLOYMENTS}/web"), patch).await;
            settle(&member).await;
            assert_eq!(items(&member, PODS).await.len(), replicas);
        }
        let patch = json!({"spec": {"template": template("web", "app:2")}});
        ok(&member, "PATCH", &format!("{DEPLOYMENTS}/web"), patch).await;
        settle(&member).await;
        let pods = items(&member, PODS).await;
        assert_eq!(
            (pods.len(), &pods[0]["spec"]["containers"][0]["image"]),
            (1, &json!("app:2"))
        );
    });
}

#[test]
fn pods_without_room_wait_and_say_so() {
    run(async {
        let member = start().await;
        let mut big = template("big", "app:1");
        big["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "5"}});
        let spec = json!({"replicas": 4, "template": big});
        ok(
            &member,
            "POST",
            DEPLOYMENTS,
            workload("Deployment", "big", spec),
        )
        .await;
        settle(&member).await;
        let big = get(&member, &format!("{DEPLOYMENTS}/big")).await;
        assert_eq!(big["status"]["availableReplicas"], 3);
        let pods = items(&member, PODS).await;
        let waiting = pods.iter().find(|p| !is_ready(p)).unwrap();
        assert_eq!(
            condition(waiting, "PodScheduled"),
            ("False", "Unschedulable")
        );
    });
}

#[test]
fn a_stateful_set_comes_up_and_rolls_in_order() {
    run(async {
        let member = start().await;
        let sets = "/apis/apps/v1/namespaces/default/statefulsets";
        let claim = json!({"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        }});
        let spec = json!({"replicas": 3, "serviceName": "db", "volumeClaimTemplates": [claim]});
        ok(&member, "POST", sets, workload("StatefulSet", "db", spec)).await;
        settle(&member).await;
        let db = get(&member, &format!("{sets}/db")).await;
        assert_eq!(db["status"]["readyReplicas"], 3, "{db}");
        assert_eq!(
            db["status"]["currentRevision"],
            db["status"]["updateRevision"]
        );
        let pods = items(&member, PODS).await;
        let names: Vec<_> = pods.iter().map(|p| text(p, "/metadata/name")).collect();
        assert_eq!(names, ["db-0", "db-1", "db-2"]);
        let claims = items(&member, "/api/v1/namespaces/default/persistentvolumeclaims").await;
        assert!(claims.len() == 3 && claims.iter().all(|c| c["status"]["phase"] == "Bound"));

        let patch = json!({"spec": {"template": template("db", "app:2")}});
        ok(&member, "PATCH", &format!("{sets}/db"), patch).await;
        settle(&member).await;
        let pods = items(&member, PODS).await;
        assert!(
            pods.iter()
                .all(|p| p["spec"]["containers"][0]["image"] == "app:2")
        );
        let db = get(&member, &format!("{sets}/db")).await;
        assert_eq!(db["status"]["updatedReplicas"], 3);
        assert_eq!(
            db["status"]["currentRevision"],
            db["status"]["updateRevision"]
        );

        ok(
            &member,
            "PATCH",
            &format!("{sets}/db"),
            json!({"spec": {"replicas": 1}}),
        )
        .await;
        settle(&member).await;
        assert_eq!(items(&member, PODS).await.len(), 1);
    });
}

#[test]
fn a_daemon_set_is_on_every_node() {
    run(async {
        let member = start().await;
        let sets = "/apis/apps/v1/namespaces/default/daemonsets";
        ok(
            &member,
            "POST",
            sets,
            workload("DaemonSet", "log", json!({})),
        )
        .await;
        settle(&member).await;
        let log = get(&member, &format!("{sets}/log")).await;
        assert_eq!(log["status"]["numberReady"], 3, "{log}");
        let node = get(&member, "/api/v1/nodes/node-1").await;
        let mut fourth = node.clone();
        fourth["metadata"] = json!({"name": "node-4", "labels": node["metadata"]["labels"]});
        ok(&member, "POST", "/api/v1/nodes", fourth).await;
        ok(&member, "DELETE", "/api/v1/nodes/node-1", Value::Null).await;
        settle(&member).await;
        let pods = items(&member, PODS).await;
        let nodes: BTreeSet<_> = pods.iter().map(|p| text(p, "/spec/nodeName")).collect();
        assert_eq!(nodes, ["node-2", "node-3", "node-4"].into());
        let patch = json!({"spec": {"template": template("log", "app:2")}});
        ok(&member, "PATCH", &format!("{sets}/log"), patch).await;
        settle(&member).await;
        let log = get(&member, &format!("{sets}/log")).await;
        assert_eq!(
            (
                &log["status"]["updatedNumberScheduled"],
                &log["status"]["numberReady"]
            ),
            (&json!(3), &json!(3))
        );
    });
}

#[test]
fn a_job_completes_once() {
    run(async {
        let member = start().await;
        let jobs = "/apis/batch/v1/namespaces/default/jobs";
        let mut pod = template("once", "app:1");
        pod["spec"]["restartPolicy"] = json!("Never");
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
            "spec": {"completions": 3, "parallelism": 2, "template": pod},
        });
        ok(&member, "POST", jobs, job).await;
        settle(&member).await;
        let job = get(&member, &format!("{jobs}/once")).await;
        assert_eq!(job["status"]["succeeded"], 3, "{job}");
        assert_eq!(condition(&job, "Complete").0, "True");
        assert!(job["status"]["completionTime"].is_string());
        assert_eq!(items(&member, PODS).await.len(), 3);
        let patch = json!({"spec": {"ttlSecondsAfterFinished": 10}});
        ok(&member, "PATCH", &format!("{jobs}/once"), patch).await;
        settle(&member).await;
        assert_eq!(status_of(&member, &format!("{jobs}/once")).await, 404);
        assert_eq!(items(&member, PODS).await.len(), 0);
    });
}

#[test]
fn nodes_that_can_pull_nothing_run_what_runs_and_nothing_new() {
    run(async {
        let member = start().await;
        let nodes = "/api/v1/nodes";
        deploy(&member, "web", 4).await;
        let pulls_nothing =
            |yes: Option<&str>| json!({"metadata": {"annotations": {NO_IMAGES: yes}}});
        for node in items(&member, nodes).await {
            let path = format!("{nodes}/{}", node["metadata"]["name"].as_str().unwrap());
            ok(&member, "PATCH", &path, pulls_nothing(Some("true"))).await;
        }
        settle(&member).await;
        let ready = |web: Value| web["status"]["readyReplicas"].clone();
        let path = format!("{DEPLOYMENTS}/web");
        assert_eq!(ready(get(&member, &path).await), 4);
        let more = json!({"spec": {"replicas": 6}});
        ok(&member, "PATCH", &path, more).await;
        settle(&member).await;
        assert_eq!(ready(get(&member, &path).await), 4);
        for node in items(&member, nodes).await {
            let path = format!("{nodes}/{}", node["metadata"]["name"].as_str().unwrap());
            ok(&member, "PATCH", &path, pulls_nothing(None)).await;
        }
        settle(&member).await;
        assert_eq!(ready(get(&member, &path).await), 6);
    });
}
