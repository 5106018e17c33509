//! What moves from cluster to cluster under a disruption budget: what comes up waits for nothing, what
//! comes down goes one cluster after the other, whether a user asked for it or a failover is over.

use super::super::displacing::say;
use super::*;

/// A policy that shares all Deployments equally, with a budget of one cluster.
fn equally(failover: Value) -> Value {
    let mut equal = weighted("p", &[("a", 1), ("b", 1), ("c", 1)]);
    equal["spec"]["resourceSelectors"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment"}]);
    equal["spec"]["disruptionBudget"] = json!({"maxUnavailable": 1});
    equal["spec"]["failover"] = failover;
    equal
}

impl Hub {
    /// `2 2 2`: how many replicas of `web` the clusters are given.
    fn shares(&self) -> String {
        let share = |name: &&str| {
            let said = self.ledger(name);
            said.split(' ').next().unwrap().to_owned()
        };
        NAMES.iter().map(share).collect::<Vec<_>>().join(" ")
    }

    async fn web_well(&self, clusters: &[&str]) {
        for name in clusters {
            self.says(name, "web", Health::Healthy).await;
        }
        self.settle().await;
    }

    async fn asks(&self, object: Value, rebalance: &str) {
        let mut object = object;
        object["metadata"]["annotations"] = json!({"roadstead.dev/rebalance": rebalance});
        self.apply(object).await;
        self.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_takes_from_one_cluster_after_the_other() {
    let hub = Hub::new(&NAMES).await;
    say(&hub, "c", json!({"unschedulable": true})).await;
    hub.apply(equally(json!({}))).await;
    let web = || deployment(6, "web:1");
    hub.apply(web()).await;
    hub.settle().await;
    hub.web_well(&["a", "b"]).await;
    say(&hub, "c", json!({})).await;
    assert_eq!(hub.shares(), "3 3 0", "nobody asked");
    hub.asks(web(), "1").await;
    assert_eq!(hub.shares(), "3 3 2", "what comes up waits for nothing");
    hub.web_well(&["c"]).await;
    assert_eq!(hub.shares(), "2 3 2", "what comes down is one cluster's");
    assert_eq!(hub.placed().0, "False DisruptionBudget");
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hub.shares(), "2 3 2");
    hub.web_well(&["a"]).await;
    assert_eq!(hub.shares(), "2 2 2");
    hub.web_well(&["b"]).await;
    assert_eq!(hub.placed().0, "True Placed");
}

#[tokio::test(start_paused = true)]
async fn a_failover_waits_for_no_budget_and_the_way_back_does() {
    let stops = json!({"application": {"decisionConditions": {"tolerationSeconds": 60}}});
    let hub = Hub::new(&NAMES).await;
    hub.apply(equally(stops)).await;
    hub.apply(deployment(6, "web:1")).await;
    hub.apply(named("api", "api:1")).await;
    hub.settle().await;
    let api = |cluster, health| hub.says(cluster, "api", health);
    for name in NAMES {
        if hub.store.snapshot().get(ledger_of(name).as_str()).is_some() {
            api(name, Health::Healthy).await;
        }
    }
    hub.web_well(&NAMES).await;
    assert_eq!(hub.shares(), "2 2 2");
    // Another app of the policy is unwell: the budget is used up.
    api("b", Health::Degraded).await;
    let status = json!({"replicas": 2, "unavailableReplicas": 2});
    let (applied, health) = (ItemState::Applied, Health::Progressing);
    hub.report("a", applied, health, status).await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(hub.shares(), "2 3 3", "what does not run takes nothing");
    hub.web_well(&["b", "c"]).await;
    assert_eq!(hub.shares(), "gone 3 3");
    hub.acknowledge("a").await;
    // It goes back ten times as long afterwards: what comes up does, and the rest waits for the other app.
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(hub.shares(), "2 3 3");
    hub.web_well(&["a"]).await;
    assert_eq!(hub.shares(), "2 2 3", "b is unwell as it is");
    hub.web_well(&["b"]).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hub.shares(), "2 2 3");
    api("b", Health::Healthy).await;
    hub.settle().await;
    assert_eq!(hub.shares(), "2 2 2");
}

/// Where it stands what a cluster is given of `api`.
fn ledger_of(cluster: &str) -> Key {
    ledger_key(&format!("attachedcluster-{cluster}"), &item("api")).unwrap()
}
