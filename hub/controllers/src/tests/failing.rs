//! Failing over on its way through the hub: what agents say does not run, and clusters that fall silent.

use std::collections::BTreeMap;

use roadstead_protocol::api::failover::Failure;

mod limits;
mod places;

use super::displacing::{ledgers, of_cluster, pair, say, well};
use super::*;
use crate::failovers::Failovers;

#[test]
fn objects_that_stop_all_at_once_are_failed_over_one_after_another() {
    let failovers = Failovers::default();
    let asked = BTreeMap::from([("uid-a".to_owned(), Failure::Stopped)]);
    let grant = |i: u32, at: u64| {
        let item = ItemKey {
            name: format!("web-{i}"),
            ..web()
        };
        failovers.grant(&item, &asked, Duration::from_secs(at))
    };
    for i in 0..20 {
        assert_eq!(grant(i, 100 + u64::from(i)).0.len(), 1);
    }
    let (granted, wait) = grant(20, 120);
    assert_eq!((granted.len(), wait), (0, Some(Duration::from_secs(40))));
    assert_eq!(grant(0, 121).0.len(), 1, "what has begun goes on");
    // Time that nobody counted is none.
    assert_eq!(grant(20, 600).0.len(), 0);
    for at in 601..=634 {
        failovers.count(Duration::from_secs(at));
    }
    assert_eq!(grant(20, 634).0.len(), 1);
    assert_eq!(grant(21, 634).0.len(), 0);
}

/// The policy that divides by these weights, and fails over like this.
fn failing(weights: &[(&str, u32)], failover: Value) -> Value {
    let mut policy = weighted("p", weights);
    policy["spec"]["failover"] = failover;
    policy
}

fn stops() -> Value {
    json!({"application": {"decisionConditions": {"tolerationSeconds": 60}}})
}

fn silence() -> Value {
    json!({"cluster": {"tolerationSeconds": 60, "allowDuplicates": true}})
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Ten replicas, half of them on each of two clusters, all well.
async fn halves(failover: Value) -> Hub {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(deployment(10, "web:1")).await;
    hub.apply(failing(&[("a", 1), ("b", 1)], failover)).await;
    hub.settle().await;
    well(&hub, "a", 5).await;
    well(&hub, "b", 5).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    hub
}

/// The agent of a cluster says that nothing of it runs there.
async fn stuck(hub: &Hub, cluster: &str) {
    let status = json!({"replicas": 5, "unavailableReplicas": 5});
    let (applied, health) = (ItemState::Applied, Health::Progressing);
    hub.report(cluster, applied, health, status).await;
    hub.settle().await;
}

fn failed_over(hub: &Hub) -> Vec<(String, String)> {
    let marks = hub.decision().unwrap()["spec"]["failedOver"].clone();
    let marks = marks.as_array().cloned().unwrap_or_default();
    let text = |mark: &Value, of: &str| mark[of].as_str().unwrap().to_owned();
    let marks = marks.iter();
    marks
        .map(|mark| (text(mark, "name"), text(mark, "reason")))
        .collect()
}

fn placed(hub: &Hub) -> String {
    condition(&hub.decision().unwrap(), "Placed")
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_says_does_not_run_comes_up_elsewhere() {
    let hub = halves(stops()).await;
    stuck(&hub, "a").await;
    let before = hub.store.revision();
    wait(50).await;
    assert_eq!(hub.store.revision(), before, "waiting writes nothing");
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    wait(10).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"), "new before old");
    assert_eq!(failed_over(&hub), [pair("a", "Stopped")]);
    assert_eq!(hub.decision().unwrap()["spec"]["replicas"], 10);
    assert_eq!(placed(&hub), "False Replacing");
    assert!(
        hub.events("Deployment", "web")
            .contains(&"FailedOver".to_owned())
    );
    well(&hub, "b", 10).await;
    assert_eq!(ledgers(&hub), pair("gone", "10 web:1"));
    hub.acknowledge("a").await;
    // What nothing needs any more is swept.
    wait(310).await;
    let before = hub.store.revision();
    wait(200).await;
    assert_eq!(hub.store.revision(), before, "and nothing is written again");
    // It goes back some time later, or once it is another.
    hub.apply(deployment(10, "web:2")).await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("5 web:2", "10 web:2"));
    assert!(failed_over(&hub).is_empty());
    assert!(
        hub.events("Deployment", "web")
            .contains(&"FailoverOver".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn what_stopped_there_goes_back_after_some_time() {
    let hub = halves(stops()).await;
    stuck(&hub, "a").await;
    wait(60).await;
    well(&hub, "b", 10).await;
    hub.acknowledge("a").await;
    wait(580).await;
    assert_eq!(hub.ledger("b"), "10 web:1");
    assert_eq!(failed_over(&hub), [pair("a", "Stopped")]);
    wait(20).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    assert!(failed_over(&hub).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_mended_moves_nothing_more() {
    let hub = halves(stops()).await;
    stuck(&hub, "a").await;
    stuck(&hub, "b").await;
    wait(70).await;
    assert_eq!(failed_over(&hub), [pair("a", "Stopped")]);
    stuck(&hub, "b").await;
    wait(60).await;
    let message = hub.decision().unwrap()["status"]["conditions"].to_string();
    assert!(
        message.contains("not failed over from 1 cluster (default/b)"),
        "{message}"
    );
    // What was said of the old content is nothing about the new one.
    hub.apply(deployment(10, "web:2")).await;
    hub.settle().await;
    assert!(failed_over(&hub).is_empty());
    assert_eq!(hub.ledger("a"), "5 web:2");
    well(&hub, "a", 5).await;
    well(&hub, "b", 10).await;
    assert_eq!(ledgers(&hub), pair("5 web:2", "5 web:2"));
}

#[tokio::test(start_paused = true)]
async fn what_runs_again_in_time_stays() {
    let hub = halves(stops()).await;
    for _ in 0..5 {
        stuck(&hub, "a").await;
        wait(40).await;
        well(&hub, "a", 5).await;
        wait(70).await;
    }
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    assert!(failed_over(&hub).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_silent_cluster_is_replaced_and_its_share_returns_when_it_stays() {
    let hub = halves(silence()).await;
    hub.liveness("a", false).await;
    wait(37 + 55).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    wait(10).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    assert_eq!(failed_over(&hub), [pair("a", "Silent")]);
    well(&hub, "b", 10).await;
    wait(60).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"), "it is not back");
    hub.connect("a").await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), pair("gone", "10 web:1"));
    hub.acknowledge("a").await;
    // It comes and goes.
    wait(5).await;
    hub.liveness("a", false).await;
    wait(40).await;
    hub.connect("a").await;
    wait(50).await;
    assert_eq!(hub.ledger("b"), "10 web:1");
    assert_eq!(failed_over(&hub), [pair("a", "Silent")]);
    wait(12).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    assert!(failed_over(&hub).is_empty());
    well(&hub, "a", 5).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_starts_anew_counts_anew_and_forgets_nothing() {
    let mut hub = halves(silence()).await;
    hub.liveness("a", false).await;
    wait(37 + 50).await;
    hub.handle.take().unwrap().stop().await;
    hub.start();
    wait(50).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    wait(20).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    hub.handle.take().unwrap().stop().await;
    hub.start();
    well(&hub, "b", 10).await;
    wait(100).await;
    assert_eq!(failed_over(&hub), [pair("a", "Silent")]);
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_cut_off_moves_nothing_and_says_so() {
    let hub = halves(silence()).await;
    hub.liveness("a", false).await;
    wait(20).await;
    hub.liveness("b", false).await;
    wait(1000).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    assert_eq!(placed(&hub), "False FailoverHeld");
    assert_eq!(condition(&hub.policy("p"), "Placed"), "False FailoverHeld");
    let (said, message) = of_cluster(&hub, "a", "FailedOver");
    assert_eq!(said, "False HubSuspectsItself");
    assert!(message.contains("rather this hub is cut off"), "{message}");
    let before = hub.store.revision();
    wait(250).await;
    assert_eq!(hub.store.revision(), before, "and goes on writing nothing");
    // One comes back: the other's time begins anew.
    hub.connect("b").await;
    well(&hub, "b", 5).await;
    wait(50).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
    assert_eq!(placed(&hub), "True Placed");
    wait(10).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
}

#[tokio::test(start_paused = true)]
async fn silence_moves_nothing_where_it_may_not_run_twice() {
    let off = json!({"cluster": {"tolerationSeconds": 60, "allowDuplicates": false}});
    for failover in [json!({}), stops(), off] {
        let hub = halves(failover).await;
        hub.liveness("a", false).await;
        wait(2000).await;
        assert_eq!(ledgers(&hub), pair("5 web:1", "5 web:1"));
        assert_eq!(placed(&hub), "True Placed");
    }
}

#[tokio::test(start_paused = true)]
async fn why_knows_for_how_long_it_has_been_so() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    hub.apply(deployment(10, "web:1")).await;
    hub.apply(failing(&[("a", 1)], silence())).await;
    hub.settle().await;
    well(&hub, "a", 10).await;
    hub.liveness("a", false).await;
    let why = || {
        let (explained, _) = crate::why(&hub.parts(), &web()).unwrap().unwrap();
        let of = explained.clusters.iter().find(|v| v.name == "a");
        of.unwrap().why.clone()
    };
    wait(50).await;
    assert!(!why().contains("no other place"), "{}", why());
    wait(60).await;
    let before = hub.store.revision();
    assert!(
        why().contains("there is no other place for it"),
        "{}",
        why()
    );
    assert_eq!(hub.store.revision(), before);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_says_what_was_failed_over_from_it() {
    let hub = halves(silence()).await;
    hub.liveness("a", false).await;
    wait(110).await;
    let (said, message) = of_cluster(&hub, "a", "FailedOver");
    assert_eq!(said, "True FailedOver");
    assert_eq!(
        message,
        "1 object is failed over from it: Deployment.apps default/web"
    );
    hub.connect("a").await;
    well(&hub, "b", 10).await;
    hub.acknowledge("a").await;
    wait(70).await;
    assert_eq!(of_cluster(&hub, "a", "FailedOver").0, "- -");
}

#[tokio::test(start_paused = true)]
async fn a_fence_goes_before_a_failover() {
    let hub = halves(silence()).await;
    hub.liveness("a", false).await;
    wait(50).await;
    say(&hub, "a", json!({"fenced": true})).await;
    assert_eq!(ledgers(&hub), pair("5 web:1", "10 web:1"));
    wait(500).await;
    assert!(failed_over(&hub).is_empty());
}
