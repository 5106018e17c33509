//! What moves from cluster to cluster, on its way through the hub: new before old, draining, fencing.

use super::*;

/// The agent of a cluster reports that all it was given is well.
pub(super) async fn well(hub: &Hub, cluster: &str, replicas: u32) {
    let status = json!({"replicas": replicas, "readyReplicas": replicas});
    hub.report(cluster, ItemState::Applied, Health::Healthy, status)
        .await;
    hub.settle().await;
}

/// A user writes a field of a cluster's spec.
pub(super) async fn say(hub: &Hub, name: &str, spec: Value) {
    hub.apply(json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1",
        "kind": "AttachedCluster",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }))
    .await;
    hub.settle().await;
}

pub(super) fn of_cluster(hub: &Hub, name: &str, kind: &str) -> (String, String) {
    let key = format!("/objects/cluster.kurator.dev/attachedclusters/default/{name}");
    let cluster = hub.get(&key).unwrap();
    let all = cluster["status"]["conditions"].as_array().cloned();
    let mut all = all.unwrap_or_default().into_iter();
    let found = all.find(|c| c["type"] == kind).unwrap_or_default();
    let message = found["message"].as_str().unwrap_or_default().to_owned();
    (condition(&cluster, kind), message)
}

pub(super) fn ledgers(hub: &Hub) -> (String, String) {
    (hub.ledger("a"), hub.ledger("b"))
}

pub(super) fn pair(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

/// Ten replicas, half of them on each of two clusters, all well.
async fn halves() -> Hub {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(deployment(10, "web:1")).await;
    hub.apply(weighted("p", &[("a", 1), ("b", 1)])).await;
    hub.settle().await;
    well(&hub, "a", 5).await;
    well(&hub, "b", 5).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    hub
}

#[tokio::test(start_paused = true)]
async fn a_share_leaves_once_it_was_seen_healthy_elsewhere() {
    let hub = halves().await;
    hub.apply(weighted("p", &[("a", 1), ("b", 4)])).await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "8 web:1"));
    let decision = hub.decision().unwrap();
    assert_eq!(condition(&decision, "Placed"), "False Replacing");
    assert_eq!(decision["spec"]["replicas"], 10);
    // The old revision's word is none about the new one.
    let before = hub.store.revision();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(hub.store.revision(), before, "waiting writes nothing");
    well(&hub, "b", 8).await;
    assert_eq!(ledgers(&hub), pair("2 web:1", "8 web:1"));
    let decision = hub.decision().unwrap();
    assert_eq!(condition(&decision, "Placed"), "True Placed");
    assert!(decision["spec"]["clusters"][0]["extra"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_starts_anew_goes_on_waiting() {
    let mut hub = halves().await;
    hub.apply(weighted("p", &[("b", 1)])).await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    hub.handle.take().unwrap().stop().await;
    hub.start();
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    well(&hub, "b", 10).await;
    assert_eq!(ledgers(&hub), pair("gone", "10 web:1"));
}

#[tokio::test(start_paused = true)]
async fn a_drained_cluster_says_how_far_it_got() {
    let hub = halves().await;
    say(&hub, "a", json!({"unschedulable": true, "drain": true})).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    let (said, message) = of_cluster(&hub, "a", "Drained");
    assert_eq!(said, "False Draining");
    assert_eq!(message, "1 object is to leave: Deployment.apps default/web");
    well(&hub, "b", 10).await;
    assert_eq!(ledgers(&hub), pair("gone", "10 web:1"));
    assert_eq!(of_cluster(&hub, "a", "Drained").0, "False Draining");
    hub.acknowledge("a").await;
    hub.settle().await;
    let (said, message) = of_cluster(&hub, "a", "Drained");
    assert_eq!(
        (said.as_str(), message.as_str()),
        ("True Drained", "nothing is left on it")
    );
    // It comes back as it left.
    say(&hub, "a", json!({})).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    assert_eq!(of_cluster(&hub, "a", "Drained").0, "- -");
    well(&hub, "a", 5).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_other_place_stays_and_is_said() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(deployment(2, "web:1")).await;
    let mut copies = weighted("p", &[]);
    copies["spec"]["placement"] = json!({});
    hub.apply(copies).await;
    hub.settle().await;
    say(&hub, "a", json!({"unschedulable": true, "drain": true})).await;
    assert_eq!(ledgers(&hub), pair("2 web:1", "2 web:1"));
    let (said, message) = of_cluster(&hub, "a", "Drained");
    assert_eq!(said, "True Drained");
    assert_eq!(
        message,
        "1 object stays on it, since there is no other place for them: Deployment.apps default/web"
    );
    // It is kept up to date there.
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("2 web:2", "2 web:2"));
}

#[tokio::test(start_paused = true)]
async fn a_fenced_cluster_loses_it_once_it_is_replaced_and_back() {
    let hub = halves().await;
    hub.liveness("a", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        ledgers(&hub),
        pair("5 web:1", "5 web:1"),
        "silence moves nothing"
    );
    say(&hub, "a", json!({"fenced": true})).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    well(&hub, "b", 10).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"), "it is not back");
    let (said, message) = of_cluster(&hub, "a", "Fenced");
    assert_eq!(said, "True Fenced");
    assert!(message.contains("1 object is to leave once"), "{message}");
    hub.connect("a").await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("gone", "10 web:1"));
}

#[tokio::test(start_paused = true)]
async fn a_fence_by_mistake_is_lifted_without_harm() {
    let hub = halves().await;
    say(&hub, "a", json!({"fenced": true})).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    say(&hub, "a", json!({})).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    assert_eq!(of_cluster(&hub, "a", "Fenced").0, "- -");
    let decision = hub.decision().unwrap();
    assert_eq!(condition(&decision, "Placed"), "True Placed");
}

#[tokio::test(start_paused = true)]
async fn what_counts_no_more_is_not_counted() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(deployment(10, "web:1")).await;
    hub.apply(weighted("p", &[("a", 1)])).await;
    hub.settle().await;
    hub.apply(weighted("p", &[("b", 1)])).await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("10 web:1", "10 web:1"));
    assert_eq!(hub.decision().unwrap()["spec"]["replicas"], 10);
}

#[tokio::test(start_paused = true)]
async fn what_found_no_place_is_placed_once_a_cluster_is_ready_again() {
    let hub = Hub::new(&["a"]).await;
    hub.apply(deployment(3, "web:1")).await;
    hub.apply(weighted("p", &[("a", 1)])).await;
    hub.settle().await;
    hub.liveness("a", false).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    hub.apply(deployment(5, "web:1")).await;
    hub.settle().await;
    let decision = hub.decision().unwrap();
    assert_eq!(decision["status"]["unplaced"]["replicas"], 2, "{decision}");
    hub.connect("a").await;
    hub.settle().await;
    assert_eq!(hub.ledger("a"), "5 web:1");
}

#[tokio::test(start_paused = true)]
async fn what_stayed_on_a_drained_cluster_leaves_once_another_is_ready() {
    let hub = halves().await;
    hub.liveness("b", false).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    say(&hub, "a", json!({"unschedulable": true, "drain": true})).await;
    assert_eq!(of_cluster(&hub, "a", "Drained").0, "True Drained");
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    hub.connect("b").await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    assert_eq!(of_cluster(&hub, "a", "Drained").0, "False Draining");
}

#[tokio::test(start_paused = true)]
async fn a_drained_cluster_says_what_is_held_there() {
    let hub = halves().await;
    let mut held = weighted("p", &[("a", 1), ("b", 1)]);
    held["spec"]["suspension"] = json!({"dispatchingOnClusters": {"clusterNames": ["a"]}});
    hub.apply(held).await;
    hub.settle().await;
    say(&hub, "a", json!({"unschedulable": true, "drain": true})).await;
    let (said, message) = of_cluster(&hub, "a", "Drained");
    assert_eq!(said, "True Drained", "{message}");
    assert_eq!(
        message,
        "1 object stays on it: Deployment.apps default/web, kept as it is: its policy suspends dispatching"
    );
    // Lifted, it leaves.
    hub.apply(weighted("p", &[("a", 1), ("b", 1)])).await;
    hub.settle().await;
    well(&hub, "b", 10).await;
    assert_eq!(ledgers(&hub), pair("gone", "10 web:1"));
}
