//! A ConfigMap of what runs is changed as its budget allows, and goes on as agents report.

use roadstead_protocol::wire::Revision;

use super::super::around::{
    config_map, decision, files, policy as named_policy, record, report, with_volume,
};
use super::*;
use crate::objects;

/// What the ConfigMap says by which each cluster was given it last.
fn newest(hub: &Hub) -> String {
    let text = |name: &&str| {
        let LedgerState::Put { digest, .. } = record(hub, name, &files())?.state else {
            return None;
        };
        let content = hub.get(content_key(&digest).ok()?.as_str())?;
        Some(content["data"]["a"].as_str()?.to_owned())
    };
    NAMES.iter().filter_map(text).collect::<Vec<_>>().join(" ")
}

async fn edit(hub: &Hub, to: &str) {
    let mut map = config_map();
    map["data"]["a"] = to.into();
    hub.apply(map).await;
    hub.settle().await;
}

async fn arrived(hub: &Hub, cluster: &str) {
    report(hub, cluster, &files(), Health::Healthy).await;
    hub.settle().await;
}

/// Three clusters that run an app with its ConfigMap.
async fn hub() -> Hub {
    let hub = Hub::new(&NAMES).await;
    let mut policy = policy(json!(1));
    policy["spec"]["propagateDeps"] = json!(true);
    hub.apply(policy).await;
    hub.apply(config_map()).await;
    hub.apply(with_volume("files")).await;
    hub.settle().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_what_goes_along_goes_from_cluster_to_cluster_while_all_is_well() {
    let hub = hub().await;
    hub.all_well().await;
    for cluster in NAMES {
        arrived(&hub, cluster).await;
    }
    edit(&hub, "2").await;
    assert_eq!(newest(&hub), "2 b b");
    let said = decision(&hub, "configmap.files");
    assert_eq!(condition(&said, "Placed"), "False DisruptionBudget");
    let before = hub.store.revision();
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(hub.store.revision(), before, "waiting writes nothing");
    // What needs it does not bear it.
    hub.says("a", "web", Health::Degraded).await;
    arrived(&hub, "a").await;
    assert_eq!(newest(&hub), "2 b b");
    hub.says("a", "web", Health::Healthy).await;
    hub.settle().await;
    assert_eq!(newest(&hub), "2 2 b");
    let before = budget_turns(&hub);
    arrived(&hub, "b").await;
    assert_eq!(newest(&hub), "2 2 2");
    assert!(budget_turns(&hub) > before, "it takes its turn");
    arrived(&hub, "c").await;
    let said = decision(&hub, "configmap.files");
    assert_eq!(condition(&said, "Placed"), "True Placed");
}

/// The revision of the policy's budget.
fn budget_turns(hub: &Hub) -> Revision {
    let uid = objects::text(&hub.policy("p"), "/metadata/uid").to_owned();
    let snapshot = hub.store.snapshot();
    let entry = snapshot.get(budget_key(&uid).unwrap().as_str());
    entry.map(|entry| entry.revision).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn what_never_ran_is_mended_everywhere_at_once() {
    let hub = hub().await;
    for cluster in NAMES {
        hub.says(cluster, "web", Health::Degraded).await;
        arrived(&hub, cluster).await;
    }
    edit(&hub, "2").await;
    assert_eq!(newest(&hub), "2 2 2");
}

#[tokio::test(start_paused = true)]
async fn what_another_policy_holds_goes_on_as_well_as_what_needs_it_is_well() {
    let hub = Hub::new(&NAMES).await;
    let own = named_policy("own", ("v1", "ConfigMap"), &["a"], json!({}));
    let mut needing = policy(json!(1));
    needing["spec"]["placement"]["clusterAffinity"]["clusterNames"] = json!(["b", "c"]);
    needing["spec"]["propagateDeps"] = json!(true);
    for object in [own, needing, config_map(), with_volume("files")] {
        hub.apply(object).await;
    }
    hub.settle().await;
    for cluster in ["b", "c"] {
        hub.says(cluster, "web", Health::Healthy).await;
    }
    for cluster in NAMES {
        arrived(&hub, cluster).await;
    }
    edit(&hub, "2").await;
    assert_eq!(newest(&hub), "2 2 b");
    // What needs it does not bear it.
    hub.says("b", "web", Health::Degraded).await;
    for cluster in ["a", "b"] {
        arrived(&hub, cluster).await;
    }
    assert_eq!(newest(&hub), "2 2 b");
    hub.says("b", "web", Health::Healthy).await;
    hub.settle().await;
    assert_eq!(newest(&hub), "2 2 2");
}
