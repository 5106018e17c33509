//! Policies that are exchanged one by one make the world that is read anew.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What may be written under a name: nothing, or one of these policies.
fn policy_of(name: usize, what: usize) -> Option<Value> {
    (what > 0).then(|| written(name, what))
}

/// One of these policies; the fourth cannot be read.
fn written(name: usize, what: usize) -> Value {
    let kinds = [
        "DistributionPolicy",
        "OverridePolicy",
        "ClusterDistributionPolicy",
    ];
    let kind = kinds[name % 3];
    let group = ["policy.kurator.dev", "apps.kurator.dev"][usize::from(name % 6 == 3)];
    let selected = ["Deployment", "Secret"][what % 2];
    let version = ["apps/v1", "v1"][what % 2];
    let mut object = json!({
        "apiVersion": format!("{group}/v1alpha1"), "kind": kind,
        "metadata": {
            "name": format!("p{name}"), "namespace": "default", "uid": format!("uid-p{name}"),
            "generation": what, "creationTimestamp": "2026-11-21T12:00:00Z",
        },
        "spec": {
            "resourceSelectors": [{"apiVersion": version, "kind": selected}],
            "priority": what,
        },
        "status": {"selected": what},
    });
    let spec = object["spec"].as_object_mut().unwrap();
    if kind == "OverridePolicy" {
        spec.remove("priority");
        spec.insert("overrideRules".to_owned(), json!([]));
    }
    if what == 4 {
        spec.insert("resourceSelectors".to_owned(), json!("everything"));
    }
    if kind == "ClusterDistributionPolicy" {
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.remove("namespace");
    }
    object
}

proptest! {
    #[test]
    fn a_world_of_exchanged_policies_is_the_one_that_is_read(
        edits in proptest::collection::vec((0..9_usize, 0..6_usize), 0..30),
        size in 1..6_usize,
    ) {
        let mut there: BTreeMap<usize, Value> = BTreeMap::new();
        let others = clusters(&["a", "b"]);
        let read = |there: &BTreeMap<usize, Value>| {
            let objects = others.iter().chain(there.values());
            World::read(objects, BTreeSet::new(), Limits::default())
        };
        let mut kept = read(&there);
        for edits in edits.chunks(size) {
            let mut turned: BTreeMap<usize, (Option<Value>, Option<Value>)> = BTreeMap::new();
            for (name, what) in edits {
                let new = policy_of(*name, *what);
                let old = match &new {
                    Some(new) => there.insert(*name, new.clone()),
                    None => there.remove(name),
                };
                turned.entry(*name).or_insert((old, None)).1 = new;
            }
            let turned: Vec<_> = turned.into_values().collect();
            kept.exchange_policies(&turned);
            let fresh = read(&there);
            prop_assert_eq!(&kept.policies, &fresh.policies);
            prop_assert_eq!(&kept.overrides, &fresh.overrides);
            prop_assert_eq!(&kept.unreadable, &fresh.unreadable);
            for name in 0..9 {
                let uid = format!("uid-p{name}");
                prop_assert_eq!(kept.policy(&uid), fresh.policy(&uid));
                prop_assert_eq!(kept.unreadable(&uid), fresh.unreadable(&uid));
            }
            for (group, kind) in [("apps", "Deployment"), ("", "Secret")] {
                let key = ItemKey { group: group.to_owned(), kind: kind.to_owned(), ..web() };
                let of = |world: &World| world.policies_of(&key).cloned().collect::<Vec<_>>();
                prop_assert_eq!(of(&kept), of(&fresh));
            }
            for object in there.values() {
                prop_assert!(kept.has_policy(object));
            }
        }
    }
}

#[test]
fn what_is_said_about_a_policy_makes_no_other_and_what_it_says_does() {
    let object = policy_of(0, 1).unwrap();
    let world = World::read([&object], BTreeSet::new(), Limits::default());
    let mut said = object.clone();
    said["status"] = json!({"selected": 9});
    said["metadata"]["managedFields"] = json!([{"manager": "roadstead"}]);
    assert!(world.has_policy(&said));
    for (pointer, value) in [
        ("/spec/priority", json!(7)),
        ("/metadata/generation", json!(2)),
        ("/metadata/uid", json!("another")),
        ("/kind", json!("Namespace")),
    ] {
        let mut other = object.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        assert!(!world.has_policy(&other), "{pointer}");
    }
    let mut annotated = object;
    annotated["metadata"]["annotations"] = json!({"roadstead.dev/confirm-removal": "1-a"});
    assert!(!world.has_policy(&annotated));
}
