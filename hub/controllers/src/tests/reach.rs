//! How far a change reaches: what is read again, and what is woken, where there is much that it does
//! not concern. Counts, not times.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_plan::Limits;
use roadstead_protocol::api::decision::Decision;
use roadstead_store::{Revision, Snapshot};

use super::*;
use crate::driver::Source;
use crate::given::Given;
use crate::ledger::Ledger;
use crate::pledges::Pledges;
use crate::reconciler::Reconciler;
use crate::wake::Wake;
use crate::work::Work;
use crate::world;
use crate::worlds::Worlds;

/// Clusters that nothing happens to.
const CLUSTERS: usize = 30;
/// Templates of each team.
const TEMPLATES: usize = 10;

fn names() -> Vec<String> {
    (0..CLUSTERS).map(|i| format!("c{i:02}")).collect()
}

fn cluster(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {},
    })
}

fn template(name: &str, team: &str) -> Value {
    let mut object = deployment(3, "web:1");
    object["metadata"]["name"] = json!(name);
    object["metadata"]["labels"] = json!({"app": team});
    object
}

/// Sends what is of a team to the clusters with a label of this key.
fn policy(team: &str, key: &str) -> Value {
    let mut policy = weighted(team, &[]);
    policy["spec"]["resourceSelectors"][0]["labelSelector"]["matchLabels"]["app"] = json!(team);
    let expression = json!({"key": key, "operator": "Exists"});
    policy["spec"]["placement"] =
        json!({"clusterAffinity": {"labelSelector": {"matchExpressions": [expression]}}});
    policy
}

/// The state of the hub's world, as it is kept and as it is read anew.
fn compare(hub: &Hub, worlds: &mut Worlds) {
    let snapshot = hub.store.snapshot();
    let limits = Limits::default();
    let kept = worlds.of(&snapshot, limits, Duration::ZERO).unwrap();
    let fresh = world(&snapshot, limits).unwrap();
    assert_eq!(kept.clusters, fresh.clusters);
    assert_eq!(kept.policies, fresh.policies);
    assert_eq!(kept.namespaces, fresh.namespaces);
    assert_eq!(kept.deleted, fresh.deleted);
    for cluster in &fresh.clusters {
        let uid = |found: Option<&roadstead_plan::cluster::Cluster>| found.map(|c| c.uid.clone());
        assert_eq!(uid(kept.cluster(&cluster.uid)), Some(cluster.uid.clone()));
        let named: Vec<&str> = kept.named(&cluster.name).map(|c| &*c.uid).collect();
        assert_eq!(named, [&*cluster.uid]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_world_is_brought_up_to_date_by_what_changed() {
    let names = names();
    let hub = Hub::new(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut worlds = Worlds::default();
    compare(&hub, &mut worlds);
    assert_eq!(worlds.read, CLUSTERS);
    let before = hub.store.snapshot();
    let same = |worlds: &mut Worlds| {
        let world = worlds.of(&hub.store.snapshot(), Limits::default(), Duration::ZERO);
        world.unwrap()
    };
    assert!(Arc::ptr_eq(&same(&mut worlds), &same(&mut worlds)));
    hub.apply(deployment(3, "web:1")).await;
    hub.apply(weighted("p", &[("c00", 1)])).await;
    compare(&hub, &mut worlds);
    assert_eq!(worlds.read, CLUSTERS, "no cluster changed");
    hub.apply(cluster("c07", &json!({"tier": "a"}))).await;
    compare(&hub, &mut worlds);
    assert_eq!(worlds.read, CLUSTERS + 1);
    hub.delete(&cluster("c07", &json!({}))).await;
    compare(&hub, &mut worlds);
    hub.apply(cluster("zz", &json!({}))).await;
    hub.delete(&weighted("p", &[])).await;
    compare(&hub, &mut worlds);
    assert_eq!(worlds.read, CLUSTERS + 2);
    // Whoever is late gets what was so then, and nobody is the worse for it.
    let late = worlds
        .of(&before, Limits::default(), Duration::ZERO)
        .unwrap();
    assert_eq!(late.clusters.len(), CLUSTERS);
    assert!(late.policies.is_empty());
    compare(&hub, &mut worlds);
}

/// Takes in what changed, and counts what it wakes.
pub(super) async fn woken(wake: &mut Wake) -> BTreeMap<Work, usize> {
    let mut counts = BTreeMap::new();
    while let Ok(woken) = tokio::time::timeout(Duration::from_millis(1), wake.next()).await {
        for woken in woken {
            *counts.entry(woken.key).or_default() += 1;
        }
    }
    counts
}

fn placements(woken: &BTreeMap<Work, usize>) -> BTreeSet<String> {
    let mut items = BTreeSet::new();
    for work in woken.keys() {
        if let Work::Placement(item) = work
            && item.kind == "Deployment"
        {
            items.insert(item.name.clone());
        }
    }
    items
}

fn policies(woken: &BTreeMap<Work, usize>) -> usize {
    let policy = |work: &&Work| matches!(work, Work::Policy { .. });
    woken.keys().filter(policy).count()
}

/// A hub with two teams, and what wakes there, at rest.
async fn teams() -> (Hub, Wake) {
    let names = names();
    let mut hub = Hub::new(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (team, key) in [("red", "tier"), ("blue", "shape")] {
        hub.apply(policy(team, key)).await;
        for i in 0..TEMPLATES {
            hub.apply(template(&format!("{team}-{i}"), team)).await;
        }
    }
    hub.settle().await;
    hub.handle.take().unwrap().stop().await;
    let mut wake = Wake::new(&hub.parts());
    woken(&mut wake).await;
    (hub, wake)
}

#[tokio::test(start_paused = true)]
async fn a_label_wakes_what_goes_by_it() {
    let (hub, mut wake) = teams().await;
    hub.apply(cluster("c03", &json!({"colour": "green"}))).await;
    let seen = woken(&mut wake).await;
    assert_eq!(placements(&seen), BTreeSet::new(), "nobody reads it");
    assert_eq!(policies(&seen), 0);
    let labels = json!({"colour": "green", "tier": "a"});
    hub.apply(cluster("c03", &labels)).await;
    let seen = woken(&mut wake).await;
    let red: BTreeSet<String> = (0..TEMPLATES).map(|i| format!("red-{i}")).collect();
    assert_eq!(placements(&seen), red);
    assert_eq!(policies(&seen), 1);
    hub.apply(cluster("c03", &json!({"shape": "round"}))).await;
    let seen = woken(&mut wake).await;
    assert_eq!(placements(&seen).len(), 2 * TEMPLATES, "one left, one came");
    // One that nobody looked at all decisions with wakes more, and never less.
    let mut fresh = Wake::new(&hub.parts());
    let mut out = Vec::new();
    let before = hub.store.revision();
    let mut watch = hub.store.watch("/", before).unwrap();
    hub.apply(cluster("c03", &json!({}))).await;
    fresh.durable(&watch.next().await.unwrap(), &mut out);
    fresh.gathered(&mut out);
    let out = out.into_iter().map(|woken| (woken.key, 1)).collect();
    assert_eq!(placements(&out).len(), 2 * TEMPLATES);
}

#[tokio::test(start_paused = true)]
async fn a_label_wakes_whom_its_value_concerns_and_at_once() {
    let (mut hub, _) = teams().await;
    for (team, site) in [("red", "a"), ("blue", "b")] {
        let mut by_site = policy(team, "site");
        let selector = json!({"matchLabels": {"site": site}});
        by_site["spec"]["placement"]["clusterAffinity"]["labelSelector"] = selector;
        hub.apply(by_site).await;
    }
    hub.start();
    hub.settle().await;
    hub.handle.take().unwrap().stop().await;
    let mut wake = Wake::new(&hub.parts());
    woken(&mut wake).await;
    let mut delays = Vec::new();
    for (site, teams) in [
        ("a", ["red"].as_slice()),
        ("b", &["red", "blue"]),
        ("c", &["blue"]),
    ] {
        hub.apply(cluster("c03", &json!({"site": site}))).await;
        let placed: Vec<_> = (wake.next().await.into_iter())
            .filter(|woken| matches!(woken.key, Work::Placement(_)))
            .collect();
        delays.extend(placed.first().map(|woken| woken.delay.is_zero()));
        let placed = placed.into_iter().map(|woken| (woken.key, 1)).collect();
        let all = teams
            .iter()
            .flat_map(|team| (0..TEMPLATES).map(move |i| format!("{team}-{i}")));
        assert_eq!(placements(&placed), all.collect(), "{site}");
        woken(&mut wake).await;
        if site == "b" {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
    assert_eq!(
        delays,
        [true, false, true],
        "what comes close behind is gathered"
    );
}

#[tokio::test(start_paused = true)]
async fn clusters_that_come_together_wake_each_template_once() {
    let (hub, mut wake) = teams().await;
    for i in 0..CLUSTERS {
        hub.apply(cluster(&format!("new-{i}"), &json!({"tier": "a"})))
            .await;
    }
    let seen = woken(&mut wake).await;
    assert_eq!(placements(&seen).len(), 2 * TEMPLATES);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_image_wakes_no_policy_and_a_label_those_of_its_kind() {
    let (hub, mut wake) = teams().await;
    let mut other = policy("secrets", "tier");
    other["spec"]["resourceSelectors"] = json!([{"apiVersion": "v1", "kind": "Secret"}]);
    hub.apply(other).await;
    woken(&mut wake).await;
    let mut object = template("red-0", "red");
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
    hub.apply(object).await;
    assert_eq!(policies(&woken(&mut wake).await), 0);
    hub.apply(template("red-0", "blue")).await;
    assert_eq!(policies(&woken(&mut wake).await), 2);
}

#[tokio::test(start_paused = true)]
async fn what_many_clusters_say_is_gathered_for_longer() {
    let many: Vec<String> = (0..100).map(|i| format!("m{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut hub = Hub::new(&many).await;
    let weights: Vec<(&str, u32)> = many.iter().map(|name| (*name, 1)).collect();
    hub.apply(weighted("p", &weights)).await;
    hub.apply(deployment(100, "web:1")).await;
    hub.settle().await;
    hub.handle.take().unwrap().stop().await;
    let mut wake = Wake::new(&hub.parts());
    woken(&mut wake).await;
    hub.report("m7", ItemState::Applied, Health::Healthy, json!({}))
        .await;
    let seen = wake.next().await;
    let status = seen.iter().find(|woken| woken.key == Work::Status(web()));
    let delay = status.unwrap().delay;
    assert_eq!(delay, hub.options.settle + Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn of_what_is_promised_only_what_changed_is_read_again() {
    let (hub, _) = teams().await;
    let mut by_room = policy("red", "tier");
    by_room["spec"]["placement"]["replicaScheduling"] = json!({
        "replicaDivisionPreference": "Weighted",
        "weightPreference": {"dynamicWeight": "AvailableReplicas"},
    });
    hub.apply(by_room).await;
    let (kept, registry) = (Pledges::default(), Registry::hub(CRDS).unwrap());
    let compare = || {
        let snapshot = hub.store.snapshot();
        let world = world(&snapshot, Limits::default()).unwrap();
        let of = |pledges: &Pledges| pledges.of(&snapshot, &registry, &world, &web()).unwrap();
        assert_eq!(of(&kept), of(&Pledges::default()));
        kept.reads()
    };
    let all = compare();
    assert!(all >= 2 * TEMPLATES, "{all}");
    assert_eq!(compare(), all, "nothing changed");
    hub.apply(template("blue-3", "other")).await;
    assert_eq!(compare(), all + 1);
    hub.apply(cluster("c03", &json!({"tier": "a"}))).await;
    assert_eq!(compare(), all + 1, "no decision changed");
    hub.delete(&template("blue-3", "other")).await;
    assert_eq!(compare(), all + 2);
    hub.apply(template("blue-3", "other")).await;
    compare();
}

#[tokio::test(start_paused = true)]
async fn the_conditions_of_a_policy_are_gathered_for_what_it_holds() {
    let (hub, mut wake) = teams().await;
    let mut labels = template("red-0", "red");
    labels["spec"]["replicas"] = json!(4);
    hub.apply(labels).await;
    let reconciler = Reconciler::new(hub.parts());
    let item = ItemKey {
        name: "red-0".to_owned(),
        ..web()
    };
    woken(&mut wake).await;
    crate::placement::reconcile(&reconciler, &item)
        .await
        .unwrap();
    let mut delays = Vec::new();
    while let Ok(woken) = tokio::time::timeout(Duration::from_millis(1), wake.next()).await {
        for woken in woken {
            if let Work::Policy { .. } = woken.key {
                delays.push(woken.delay);
            }
        }
    }
    let all = u32::try_from(TEMPLATES).unwrap();
    let expected = hub.options.settle * 4 + Duration::from_micros(200) * all;
    assert_eq!(delays.first(), Some(&expected), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn what_stands_for_a_group_goes_with_its_last_member() {
    let hub = Hub::new(&["a", "b"]).await;
    let mut apart = weighted("p", &[("a", 1), ("b", 1)]);
    apart["spec"]["placement"] = json!({
        "clusterAffinity": {"clusterNames": ["a", "b"]},
        "workloadAffinity": {"antiAffinity": {"groupByLabelKey": "group"}},
    });
    hub.apply(apart).await;
    let member = |group: &str| {
        let mut object = deployment(1, "web:1");
        object["metadata"]["labels"] = json!({"app": "web", "group": group});
        object
    };
    let groups = || hub.store.snapshot().range("/groups/").count();
    hub.apply(member("one")).await;
    hub.settle().await;
    assert_eq!(groups(), 1);
    hub.apply(member("two")).await;
    hub.settle().await;
    assert_eq!(groups(), 2);
    tokio::time::sleep(crate::gc::INTERVAL).await;
    assert_eq!(groups(), 1, "one is empty");
    hub.apply(deployment(1, "web:1")).await;
    hub.settle().await;
    tokio::time::sleep(crate::gc::INTERVAL).await;
    assert_eq!(groups(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_was_given_an_item_is_known_without_asking_every_ledger() {
    let (mut hub, _) = teams().await;
    let given = Given::default();
    let compare = |snapshot: &Snapshot| {
        let world = world(snapshot, Limits::default()).unwrap();
        let mut entries = 0;
        for entry in snapshot.range("/objects/roadstead.dev/decisions/") {
            let decision: Decision = decode(entry).unwrap();
            let item = crate::reconciler::item(&decision);
            let read = given.read(snapshot, &world, &item, &decision).unwrap();
            let clusters = world::clusters(&world, &decision);
            let asked = crate::ledger::read(snapshot, &item, clusters).unwrap();
            let revisions = |ledger: &Ledger| -> Vec<(String, Revision)> {
                let all = ledger.iter();
                all.map(|(uid, held)| (uid.clone(), held.entry.revision))
                    .collect()
            };
            assert_eq!(revisions(&read), revisions(&asked), "{item}");
            entries += read.len();
        }
        entries
    };
    let empty = hub.store.snapshot();
    assert_eq!(compare(&empty), 0);
    hub.start();
    for name in ["c01", "c02", "c03"] {
        hub.apply(cluster(name, &json!({"tier": "a", "shape": "round"})))
            .await;
    }
    hub.settle().await;
    let full = hub.store.snapshot();
    assert_eq!(compare(&full), 2 * TEMPLATES * 3);
    hub.delete(&template("red-3", "red")).await;
    hub.delete(&cluster("c02", &json!({}))).await;
    hub.settle().await;
    compare(&hub.store.snapshot());
    assert_eq!(compare(&full), 2 * TEMPLATES * 3, "as it was then");
    assert_eq!(compare(&empty), 0);
    compare(&hub.store.snapshot());
}

#[tokio::test(start_paused = true)]
async fn a_drained_cluster_is_woken_by_what_is_held_there() {
    let mut hub = Hub::new(&["a", "b"]).await;
    hub.apply(weighted("p", &[("a", 1), ("b", 1)])).await;
    hub.apply(deployment(4, "web:1")).await;
    hub.settle().await;
    hub.handle.take().unwrap().stop().await;
    let mut wake = Wake::new(&hub.parts());
    let mut drained = cluster("a", &json!({}));
    drained["spec"] = json!({"drain": true});
    hub.apply(drained).await;
    woken(&mut wake).await;
    let mut decision = hub.decision().unwrap();
    for n in 0..2 {
        decision["spec"]["clusters"][n]["held"] = json!(true);
    }
    hub.apply(decision).await;
    let work = woken(&mut wake).await;
    let mut clusters = Vec::new();
    for work in work.keys() {
        if let Work::Cluster(at) = work {
            clusters.push(at.name.as_str());
        }
    }
    assert_eq!(clusters, ["a"], "b is not drained");
}
