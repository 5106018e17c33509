//! What failing over is kept from: data that did not move along, its pace, a hub that was stopped.

use roadstead_protocol::wire::Meta;

use super::super::around::record;
use super::*;

#[tokio::test(start_paused = true)]
async fn time_in_which_the_hub_was_stopped_does_not_count() {
    let hub = halves(silence()).await;
    hub.liveness("a", false).await;
    wait(37 + 10).await;
    tokio::time::advance(Duration::from_secs(600)).await;
    wait(30).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    assert!(failed_over(&hub).is_empty());
    wait(60).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_left_where_it_is_when_what_needs_it_fails_over() {
    let hub = Hub::new(&["a", "b"]).await;
    let claim = ItemKey {
        group: String::new(),
        kind: "PersistentVolumeClaim".to_owned(),
        namespace: "default".to_owned(),
        name: "data".to_owned(),
    };
    hub.apply(json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"]},
    }))
    .await;
    let mut web = deployment(10, "web:1");
    web["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
    hub.apply(web).await;
    let mut policy = failing(&[("a", 1), ("b", 1)], silence());
    policy["spec"]["propagateDeps"] = json!(true);
    hub.apply(policy).await;
    hub.settle().await;
    well(&hub, "a", 5).await;
    well(&hub, "b", 5).await;
    let on = |cluster: &str| record(&hub, cluster, &claim).unwrap();
    assert!(matches!(on("a").state, LedgerState::Put { .. }));
    hub.liveness("a", false).await;
    wait(37 + 65).await;
    assert_eq!(failed_over(&hub), [pair("a", "Silent")]);
    well(&hub, "b", 10).await;
    hub.connect("a").await;
    hub.settle().await;
    assert_eq!(ledgers(&hub).0, "gone");
    hub.acknowledge("a").await;
    hub.settle().await;
    let left = on("a");
    assert_eq!(
        (left.state, left.meta),
        (LedgerState::Tombstone, vec![Meta::Release])
    );
    assert!(matches!(on("b").state, LedgerState::Put { .. }));
}

/// A Deployment that is on the first of two clusters, each of which is a group of its own.
async fn first_of(hub: &Hub, name: &str, clusters: [&str; 2], failover: Value) {
    let mut object = deployment(1, "web:1");
    object["metadata"]["name"] = json!(name);
    hub.apply(object).await;
    let group = |name: &str| json!({"affinityName": name, "clusterNames": [name]});
    hub.apply(json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}],
            "placement": {"clusterAffinities": clusters.map(group)},
            "failover": failover,
        },
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_goes_to_another_group_of_clusters_keeps_the_pace_too() {
    let hub = Hub::new(&["a", "b", "c", "d", "e", "f", "g", "h"]).await;
    first_of(&hub, "web", ["a", "b"], silence()).await;
    first_of(&hub, "other", ["c", "d"], silence()).await;
    hub.settle().await;
    let item = |name: &str| ItemKey {
        name: name.to_owned(),
        ..web()
    };
    let moved = |name: &str, to: &str| usize::from(record(&hub, to, &item(name)).is_some());
    let moves = || moved("web", "b") + moved("other", "d");
    hub.liveness("a", false).await;
    hub.liveness("c", false).await;
    wait(37 + 50).await;
    assert_eq!(moves(), 0);
    wait(30).await;
    assert_eq!(moves(), 1, "one in a minute");
    wait(60).await;
    assert_eq!(moves(), 2);
    assert_eq!(failed_over(&hub), [pair("a", "Silent")]);
}

#[tokio::test(start_paused = true)]
async fn what_would_be_given_nothing_elsewhere_is_not_failed_over() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    first_of(&hub, "web", ["a", "b"], silence()).await;
    hub.settle().await;
    let mut policy = hub.policy("web");
    policy["spec"]["suspension"] = json!({"dispatching": true});
    hub.apply(policy).await;
    hub.settle().await;
    hub.liveness("a", false).await;
    wait(37 + 100).await;
    assert!(failed_over(&hub).is_empty());
    let said = hub.decision().unwrap()["status"]["conditions"].to_string();
    assert!(!said.contains("annotate"), "{said}");
    let before = hub.store.revision();
    wait(1000).await;
    assert_eq!(hub.store.revision(), before);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_does_not_run_fails_its_rollout_and_is_not_failed_over() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    hub.apply(deployment(9, "web:1")).await;
    let mut policy = failing(&[("a", 1), ("b", 1), ("c", 1)], stops());
    hub.apply(policy.clone()).await;
    hub.settle().await;
    for cluster in ["a", "b", "c"] {
        well(&hub, cluster, 3).await;
    }
    policy["spec"]["rollout"] = json!({"stages": [{"name": "canary", "share": 1}]});
    hub.apply(policy).await;
    hub.settle().await;
    hub.apply(deployment(9, "web:2")).await;
    hub.settle().await;
    let all = || ["a", "b", "c"].map(|cluster| hub.ledger(cluster));
    let canary = ["3 web:2", "3 web:1", "3 web:1"].map(str::to_owned);
    assert_eq!(all(), canary);
    stuck(&hub, "a").await;
    let phase = || {
        let run = hub
            .get("/objects/roadstead.dev/rollouts/default/p-1")
            .unwrap();
        run["status"]["phase"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    wait(300).await;
    assert!(failed_over(&hub).is_empty());
    assert_eq!((phase().as_str(), all()), ("Progressing", canary.clone()));
    let said = hub.decision().unwrap()["status"]["conditions"].to_string();
    assert!(
        said.contains("not failed over from 1 cluster (default/a)"),
        "{said}"
    );
    wait(400).await;
    assert_eq!((phase().as_str(), all()), ("Halted", canary));
    assert!(failed_over(&hub).is_empty());
}
