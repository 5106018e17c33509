//! Thousands of policies over one object: one has it, the others say who, and what changes costs what it
//! concerns. Counts, not times.

use std::collections::BTreeMap;

use roadstead_plan::Limits;

use super::nonsense::{ledgers, words};
use super::reach::woken;
use super::*;
use crate::claims::Claims;
use crate::wake::Wake;
use crate::work::Work;
use crate::worlds::Worlds;

/// How many there are.
const POLICIES: u32 = 10_000;

/// Writes policies `p00001` and so on, as many as make this many with the first.
async fn write(hub: &Hub, policies: u32) {
    let all: Vec<u32> = (1..policies).collect();
    for some in all.chunks(500) {
        let mut txn = Txn::new();
        for i in some {
            let name = format!("p{i:05}");
            let mut policy = weighted(&name, &[("a", 1), ("b", 1)]);
            policy["metadata"]["uid"] = json!(format!("distributionpolicy-{name}"));
            policy["metadata"]["creationTimestamp"] = json!("2026-11-21T12:00:01Z");
            policy["metadata"]["generation"] = json!(1);
            txn = txn.put(Hub::key(&policy), encode(&policy).unwrap());
        }
        hub.store.commit(txn).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_policies_over_one_object() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(deployment(10, "web:1")).await;
    hub.apply(weighted("p00000", &[("a", 1), ("b", 1)])).await;
    hub.settle().await;
    write(&hub, POLICIES).await;
    hub.settle().await;
    hub.settle().await;
    assert_eq!(ledgers(&hub), ["5 web:1", "5 web:1"]);
    assert_eq!(condition(&hub.policy("p00000"), "Placed"), "True Placed");
    for name in ["p00001", "p09999"] {
        let policy = hub.policy(name);
        let (is, text) = (condition(&policy, "Placed"), words(&policy, "Placed"));
        assert_eq!(is, "False ClaimedByAnother", "{text}");
        assert!(text.contains("p00000"), "{text}");
    }
    let decision = hub.decision().unwrap();
    let contenders = decision["spec"]["contenders"].as_array().unwrap();
    assert!(contenders.len() <= 20, "{}", contenders.len());
    assert!(
        decision.to_string().len() < 16_384,
        "{}",
        decision.to_string().len()
    );
    // A change of the object, and of a policy that has nothing to say, writes a few records.
    let writes = async |act: Value| {
        let before = hub.store.revision();
        hub.apply(act).await;
        hub.settle().await;
        hub.store.revision().0 - before.0
    };
    let changed = writes(deployment(10, "web:2")).await;
    assert_eq!(ledgers(&hub), ["5 web:2", "5 web:2"]);
    assert!(changed <= 20, "{changed} writes for a new image");
    let changed = writes(weighted("p09999", &[("b", 1)])).await;
    assert_eq!(ledgers(&hub), ["5 web:2", "5 web:2"]);
    assert!(
        changed <= 20,
        "{changed} writes for an edit of one that gives way"
    );
}

/// How often the world was read whole, and how many policies were exchanged in it.
fn read(worlds: &mut Worlds, hub: &Hub) -> ((usize, usize), Arc<roadstead_plan::World>) {
    let world = worlds.of(&hub.store.snapshot(), Limits::default(), Duration::ZERO);
    (worlds.policies, world.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_changes_is_read_again_alone_and_its_status_is_no_news() {
    let mut hub = Hub::new(&["a", "b"]).await;
    hub.handle.take().unwrap().stop().await;
    hub.apply(weighted("p00000", &[("a", 1)])).await;
    write(&hub, 20).await;
    let mut worlds = Worlds::default();
    let (counts, before) = read(&mut worlds, &hub);
    assert_eq!((counts, before.policies.len()), ((1, 0), 20));
    // What is said about it makes no other world.
    let mut said = hub.policy("p00003");
    said["status"] = json!({"claimed": 1});
    said["metadata"]["managedFields"] = json!([{"manager": "roadstead"}]);
    let key = Hub::key(&said);
    hub.store
        .commit(Txn::new().put(key, encode(&said).unwrap()))
        .await
        .unwrap();
    let (counts, same) = read(&mut worlds, &hub);
    assert_eq!(counts, (1, 0));
    assert!(Arc::ptr_eq(&before, &same));
    // What it says does, and so does that it comes, goes, or cannot be read.
    hub.apply(weighted("p00003", &[("b", 1)])).await;
    assert_eq!(read(&mut worlds, &hub).0, (1, 1));
    hub.apply(weighted("q", &[("b", 1)])).await;
    hub.delete(&weighted("p00004", &[])).await;
    let mut broken = weighted("p00005", &[]);
    broken["spec"]["placement"] = json!("everywhere");
    hub.apply(broken).await;
    let (counts, now) = read(&mut worlds, &hub);
    assert_eq!(counts, (1, 4));
    let fresh = crate::world(&hub.store.snapshot(), Limits::default()).unwrap();
    assert_eq!(now.policies, fresh.policies);
    assert_eq!(now.unreadable, fresh.unreadable);
    assert_eq!(now.deleted, fresh.deleted);
    assert_eq!(now.unreadable.len(), 1);
    assert!(now.deleted.contains("distributionpolicy-p00004"));
}

#[tokio::test(start_paused = true)]
async fn who_has_an_object_is_found_once_for_all_who_ask() {
    let mut hub = Hub::new(&["a", "b"]).await;
    hub.handle.take().unwrap().stop().await;
    hub.apply(weighted("p00000", &[("a", 1)])).await;
    write(&hub, 20).await;
    let mut worlds = Worlds::default();
    let (claims, labels) = (
        Claims::default(),
        BTreeMap::from([("app".to_owned(), "web".to_owned())]),
    );
    let ask = |worlds: &mut Worlds, labels: &BTreeMap<String, String>, holder: Option<&str>| {
        let world = read(worlds, &hub).1;
        let found = claims.winner(&world, &web(), labels, holder);
        (
            found.map(|policy| policy.identity.name.clone()),
            claims.looked(),
        )
    };
    let first = |name: &str, looked| (Some(name.to_owned()), looked);
    for _ in 0..20 {
        assert_eq!(ask(&mut worlds, &labels, None), first("p00000", 1));
    }
    // Another holder, other labels and another world are other questions.
    let holder = Some("distributionpolicy-p00007");
    assert_eq!(ask(&mut worlds, &labels, holder), first("p00007", 2));
    assert_eq!(ask(&mut worlds, &BTreeMap::new(), None), (None, 3));
    assert_eq!(ask(&mut worlds, &labels, None), first("p00000", 4));
    hub.delete(&weighted("p00000", &[])).await;
    assert_eq!(ask(&mut worlds, &labels, None), first("p00001", 5));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_gives_way_wakes_itself_and_a_new_holder_all_who_do() {
    let mut hub = Hub::new(&["a", "b"]).await;
    hub.apply(weighted("p00000", &[("a", 1)])).await;
    write(&hub, 20).await;
    hub.apply(deployment(2, "web:1")).await;
    hub.settle().await;
    hub.handle.take().unwrap().stop().await;
    let mut wake = Wake::new(&hub.parts());
    woken(&mut wake).await;
    let policies = |seen: BTreeMap<Work, usize>| {
        let policy = |work: &&Work| matches!(work, Work::Policy { .. });
        seen.keys().filter(policy).count()
    };
    hub.apply(weighted("p00007", &[("b", 1)])).await;
    assert_eq!(policies(woken(&mut wake).await), 1);
    let mut decision = hub.decision().unwrap();
    decision["spec"]["policy"]["uid"] = json!("distributionpolicy-p00007");
    hub.apply(decision).await;
    assert_eq!(policies(woken(&mut wake).await), 20);
}

/// An override policy for `app: web` on one cluster, of what is there or not.
fn overriding(name: &str, cluster: &str, path: &str) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "overrideRules": [{
                "targetClusters": {"clusterNames": [cluster]},
                "overrides": [{"path": path, "op": "replace", "value": 3}],
            }],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn a_policy_beside_one_that_cannot_be_made_hears_when_it_can() {
    let hub = Hub::new(&["a", "b", "elsewhere"]).await;
    hub.apply(weighted("p", &[("a", 1), ("b", 1)])).await;
    hub.apply(overriding("bad", "b", "/spec/nowhere/at/all"))
        .await;
    hub.apply(deployment(2, "web:1")).await;
    hub.settle().await;
    // It concerns no cluster that has the object.
    hub.apply(overriding("beside", "elsewhere", "/spec/replicas"))
        .await;
    hub.settle().await;
    let applied = |name: &str| {
        let key = format!("/objects/policy.kurator.dev/overridepolicies/default/{name}");
        condition(&hub.get(&key).unwrap(), "Applied")
    };
    assert_eq!(applied("bad"), "False OverrideFailed");
    hub.apply(overriding("bad", "b", "/spec/replicas")).await;
    hub.settle().await;
    assert_eq!(applied("bad"), "True Applied");
    assert_eq!(applied("beside"), "True Applied");
}
