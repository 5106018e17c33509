//! What members report free, on its way to shares: what has no place is placed when room comes, and
//! nothing else moves.

use roadstead_protocol::api::facts::NodeShape;

use super::displacing::well;
use super::*;
use crate::room::FREE_EVERY;

pub(super) fn room(all: u32, free: u32) -> Facts {
    let of = |gpus: u32| {
        let pairs = [("cpu", "64"), ("pods", "110")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let gpus = ("nvidia.com/gpu".to_owned(), gpus.to_string());
        pairs.into_iter().chain([gpus]).collect()
    };
    Facts {
        version: "v1.36.3".to_owned(),
        nodes: 1,
        ready_nodes: 1,
        shapes: vec![NodeShape {
            count: 1,
            allocatable: of(all),
            free: Some(of(free)),
            ..NodeShape::default()
        }],
        ..Facts::default()
    }
}

pub(super) fn asking(replicas: u32) -> Value {
    let mut object = deployment(replicas, "web:1");
    object["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"limits": {"nvidia.com/gpu": 1}});
    object
}

pub(super) fn aggregated(name: &str) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "DistributionPolicy",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}],
            "placement": {"replicaScheduling": {"replicaDivisionPreference": "Aggregated"}},
        },
    })
}

fn shares(hub: &Hub) -> String {
    let decision = hub.decision().unwrap();
    let clusters = decision["spec"]["clusters"].as_array().unwrap();
    let shown: Vec<String> = clusters
        .iter()
        .map(|c| format!("{} {}", c["name"].as_str().unwrap(), c["replicas"]))
        .collect();
    let left = &decision["status"]["unplaced"]["replicas"];
    format!("{} left {left}", shown.join(" "))
}

async fn hub() -> Hub {
    let hub = Hub::new(&["a", "b"]).await;
    hub.facts("a", &room(8, 2)).await;
    hub.facts("b", &room(8, 0)).await;
    hub.settle().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn what_has_no_place_is_placed_when_room_comes_and_nothing_else_moves() {
    let hub = hub().await;
    hub.apply(asking(4)).await;
    hub.apply(aggregated("web")).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a 2 left 2");
    let decision = hub.decision().unwrap();
    assert_eq!(condition(&decision, "Placed"), "False Unplaced");
    let why = decision["status"]["unplaced"]["why"].as_str().unwrap();
    assert_eq!(
        why,
        "default/a: it has room for 2; default/b: no node has 1 of nvidia.com/gpu free, the most is 0"
    );
    let pods = json!({"replicas": 2, "readyReplicas": 2});
    hub.report("a", ItemState::Applied, Health::Healthy, pods)
        .await;
    hub.facts("a", &room(8, 0)).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a 2 left 2");
    hub.facts("b", &room(8, 5)).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a 2 b 2 left null");
    assert_eq!(condition(&hub.decision().unwrap(), "Placed"), "True Placed");
    // Room that nobody waits for wakes nobody.
    let before = hub.decision();
    hub.facts("a", &room(8, 8)).await;
    hub.settle().await;
    assert_eq!(hub.decision(), before);
}

#[tokio::test(start_paused = true)]
async fn two_workloads_are_not_given_the_same_room() {
    let hub = hub().await;
    hub.apply(aggregated("web")).await;
    let mut other = aggregated("api");
    other["metadata"]["name"] = json!("q");
    hub.apply(other).await;
    let mut api = asking(2);
    api["metadata"]["name"] = json!("api");
    hub.apply(api).await;
    hub.settle().await;
    // The agent of `a` has not reported them: the two that are free are spoken for.
    hub.apply(asking(1)).await;
    hub.settle().await;
    assert_eq!(shares(&hub), " left 1");
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_at_one_moment_is_not_given_the_same_room_either() {
    let mut hub = hub().await;
    hub.handle.take().unwrap().stop().await;
    let names = ["web", "api", "job", "bot"];
    for name in names {
        let mut policy = aggregated(name);
        policy["metadata"]["name"] = json!(name);
        hub.apply(policy).await;
        let mut object = asking(1);
        object["metadata"]["name"] = json!(name);
        hub.apply(object).await;
    }
    hub.start();
    hub.settle().await;
    let placed = names.iter().filter(|name| {
        let key = format!("/objects/roadstead.dev/decisions/default/deployment.apps.{name}");
        hub.get(&key).unwrap()["status"]["unplaced"].is_null()
    });
    assert_eq!(placed.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rebalancing_follows_what_is_free_now() {
    let hub = hub().await;
    hub.apply(asking(2)).await;
    hub.apply(aggregated("web")).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a 2 left null");
    let pods = json!({"replicas": 2, "readyReplicas": 2});
    hub.report("a", ItemState::Applied, Health::Healthy, pods)
        .await;
    hub.facts("a", &room(8, 0)).await;
    hub.facts("b", &room(8, 8)).await;
    tokio::time::sleep(FREE_EVERY).await;
    hub.apply(asking(6)).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a 2 b 4 left null");
    let mut again = asking(6);
    again["metadata"]["annotations"] = json!({"roadstead.dev/rebalance": "1"});
    hub.apply(again).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a 0 b 6 left null");
}

/// What is free on a cluster as its AttachedCluster says.
fn free(hub: &Hub, name: &str) -> Value {
    let key = format!("/objects/cluster.kurator.dev/attachedclusters/default/{name}");
    hub.get(&key).unwrap()["status"]["nodeShapes"][0]["free"]["nvidia.com/gpu"].clone()
}

#[tokio::test(start_paused = true)]
async fn pods_that_come_and_go_are_written_down_once_in_a_while() {
    let hub = hub().await;
    let before = hub.store.revision();
    for minute in 0..4 {
        hub.facts("a", &room(8, 3 + minute % 2)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    hub.facts("a", &room(8, 7)).await;
    hub.settle().await;
    assert_eq!(hub.store.revision(), before, "nothing was written");
    assert_eq!(free(&hub, "a"), "2");
    // What comes with it is written at once, and so is a change of the nodes themselves.
    hub.facts("b", &room(9, 1)).await;
    hub.settle().await;
    assert_eq!((free(&hub, "a"), free(&hub, "b")), (json!("2"), json!("1")));
    // It comes in its time, without anybody saying it again.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((free(&hub, "a"), free(&hub, "b")), (json!("7"), json!("1")));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_learns_of_it_at_once() {
    let hub = hub().await;
    hub.facts("b", &room(8, 1)).await;
    hub.settle().await;
    assert_eq!(free(&hub, "b"), "0", "nobody waits");
    hub.apply(asking(3)).await;
    hub.apply(aggregated("web")).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a 2 b 1 left null");
    assert_eq!(free(&hub, "b"), "1");
    hub.facts("b", &room(8, 6)).await;
    hub.settle().await;
    assert_eq!(free(&hub, "b"), "1", "nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn hardware_that_appears_is_given_what_waits_for_it() {
    let hub = Hub::new(&["a"]).await;
    hub.facts("a", &room(0, 0)).await;
    hub.settle().await;
    hub.apply(asking(1)).await;
    let mut policy = aggregated("web");
    policy["spec"]["placement"] = json!({
        "resourceConstraints": [{"name": "nvidia.com/gpu", "minQuantity": "1"}],
    });
    hub.apply(policy).await;
    hub.settle().await;
    let decision = hub.decision().unwrap();
    assert_eq!(
        decision["status"]["refused"][0]["reason"], "HardwareMissing",
        "{decision}"
    );
    hub.facts("a", &room(8, 8)).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a null left null");
}

#[tokio::test(start_paused = true)]
async fn what_only_figures_say_is_no_new_decision() {
    let hub = hub().await;
    hub.apply(asking(4)).await;
    hub.apply(aggregated("web")).await;
    hub.settle().await;
    let before = hub.decision().unwrap();
    assert_eq!(before["status"]["unplaced"]["replicas"], 2, "{before}");
    let mut full = room(8, 1);
    for free in full.shapes.iter_mut().filter_map(|s| s.free.as_mut()) {
        free.insert("pods".to_owned(), "0".to_owned());
    }
    hub.facts("b", &full).await;
    hub.settle().await;
    let after = hub.decision().unwrap();
    let why = after["status"]["unplaced"]["why"].as_str().unwrap();
    assert!(why.contains("no node has 1 of pods free"), "{why}");
    assert_eq!(after["spec"], before["spec"]);
    let generation = "/metadata/generation";
    assert_eq!(after.pointer(generation), before.pointer(generation));
}

#[tokio::test(start_paused = true)]
async fn what_came_since_a_cluster_said_what_is_free_is_not_free() {
    let hub = Hub::new(&["a"]).await;
    hub.facts("a", &room(8, 4)).await;
    hub.settle().await;
    hub.apply(aggregated("web")).await;
    hub.apply(asking(2)).await;
    hub.settle().await;
    // Its agent reports the two at once, and what is free minutes later.
    well(&hub, "a", 2).await;
    let mut other = aggregated("api");
    other["metadata"]["name"] = json!("q");
    hub.apply(other).await;
    let mut api = asking(4);
    api["metadata"]["name"] = json!("api");
    hub.apply(api).await;
    hub.settle().await;
    let of_api = || {
        let key = "/objects/roadstead.dev/decisions/default/deployment.apps.api";
        let decision = hub.get(key).unwrap();
        let given = decision["spec"]["clusters"][0]["replicas"].clone();
        (given, decision["status"]["unplaced"]["replicas"].clone())
    };
    assert_eq!(of_api(), (json!(2), json!(2)));
    // Neither is it for itself.
    hub.apply(asking(4)).await;
    hub.settle().await;
    assert_eq!(shares(&hub), "a 2 left 2");
    // A newer word accounts for what had come: of the four, two are promised to the other.
    hub.facts("a", &room(8, 6)).await;
    hub.settle().await;
    let web = hub.decision().unwrap();
    let given = web["spec"]["clusters"][0]["replicas"].as_u64().unwrap();
    let total = given + of_api().0.as_u64().unwrap();
    assert_eq!(total, 2 + 6, "all that is free, and no more: {web}");
}
