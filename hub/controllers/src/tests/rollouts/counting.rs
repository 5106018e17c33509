//! How much is written while a change goes out. Counts, not times.

use std::collections::BTreeMap;

use roadstead_store::records::rollout_key;

use super::super::around::report;
use super::*;
use crate::wake::Wake;
use crate::work::Work;

const CLUSTERS: usize = 12;

fn named(name: &str, image: &str) -> Value {
    let mut object = deployment(2, image);
    object["metadata"]["name"] = name.into();
    object
}

/// Of what a release says the same of as the one before, no decision is written with each step.
#[tokio::test(start_paused = true)]
async fn only_what_changes_is_written_with_each_step() {
    let names: Vec<String> = (0..CLUSTERS).map(|i| format!("c{i:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hub = Hub::new(&names).await;
    let mut policy = policy(json!({"stages": [{"name": "rest", "maxConcurrent": 1}]}));
    policy["spec"]["placement"] = json!({});
    hub.apply(policy).await;
    hub.settle().await;
    for name in ["web", "api", "db"] {
        hub.apply(named(name, "app:1")).await;
    }
    let item = |name: &str| roadstead_protocol::wire::ItemKey {
        name: name.to_owned(),
        ..super::super::web()
    };
    // The first goes one by one as well.
    for cluster in &names {
        hub.settle().await;
        for name in ["web", "api", "db"] {
            report(&hub, cluster, &item(name), Health::Healthy).await;
        }
    }
    hub.settle().await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
    let prefix = "/objects/roadstead.dev/decisions/";
    let mut watch = hub.store.watch(prefix, hub.store.revision()).unwrap();
    hub.apply(named("web", "app:2")).await;
    let mut written: BTreeMap<String, u32> = BTreeMap::new();
    for cluster in &names {
        hub.settle().await;
        assert!(hub.ledger(cluster).ends_with("app:2"), "{cluster}");
        report(&hub, cluster, &item("web"), Health::Healthy).await;
    }
    hub.settle().await;
    assert_eq!(hub.phase("p-2"), "Succeeded -");
    while let Some(event) = watch.try_next() {
        let key = event.unwrap().key;
        let name = key.as_str().rsplit('.').next().unwrap().to_owned();
        *written.entry(name).or_default() += 1;
    }
    // Of which release it is is said once, when that is good, and then its status is of that.
    assert_eq!((written["api"], written["db"]), (2, 2), "{written:?}");
    let steps = u32::try_from(CLUSTERS).unwrap();
    assert!(written["web"] >= 2 * steps, "{written:?}");
    assert!(written["web"] <= 3 * steps + 2, "{written:?}");
}

/// The more clusters a decision is about, the longer is gathered what may be a step: each writes the whole
/// of it.
#[tokio::test(start_paused = true)]
async fn steps_over_many_clusters_are_gathered() {
    for (clusters, least, most) in [(3, 0, 300), (10_000, 2_000, 3_000)] {
        let mut hub = Hub::new(&[]).await;
        hub.handle.take().unwrap().stop().await;
        let mut watch = hub.store.watch("/", hub.store.revision()).unwrap();
        hub.apply(policy(canary())).await;
        let state = |turns: u32| {
            let key = rollout_key("distributionpolicy-p").unwrap();
            let state = json!({"good": "a", "run": {"number": 1, "target": "b"}, "turns": turns});
            Txn::new().put(key, encode(&state).unwrap())
        };
        hub.store.commit(state(1)).await.unwrap();
        let target = |i: u32| json!({"namespace": "default", "name": format!("c{i}"), "uid": format!("u{i}")});
        let targets: Vec<Value> = (0..clusters).map(target).collect();
        hub.apply(json!({
            "apiVersion": "roadstead.dev/v1alpha1", "kind": "Decision",
            "metadata": {"name": "deployment.apps.web", "namespace": "default"},
            "spec": {
                "template": {
                    "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web",
                },
                "policy": {
                    "kind": "DistributionPolicy", "namespace": "default", "name": "p",
                    "uid": "distributionpolicy-p",
                },
                "clusters": targets,
            },
        }))
        .await;
        hub.store.commit(state(2)).await.unwrap();
        let mut wake = Wake::new(&hub.parts());
        let mut out = Vec::new();
        while let Some(event) = watch.try_next() {
            out.clear();
            wake.durable(&event.unwrap(), &mut out);
        }
        let steps = out
            .iter()
            .filter(|woken| matches!(woken.key, Work::Rollout { .. }));
        let delays: Vec<u128> = steps.map(|woken| woken.delay.as_millis()).collect();
        assert!(!delays.is_empty());
        let fits = |delay: &u128| (least..most).contains(delay);
        assert!(delays.iter().all(fits), "{clusters}: {delays:?}");
    }
}
