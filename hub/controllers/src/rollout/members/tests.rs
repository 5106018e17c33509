//! What goes along is looked at as the release says it.

use roadstead_plan::deps::requirers::Requirer;
use roadstead_plan::observed::State;
use roadstead_plan::{Around, Limits};
use roadstead_protocol::api::decision::{Decision, PolicyRef, Target};
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::report::Health;
use serde_json::json;

use super::*;

fn item(kind: &str) -> ItemKey {
    ItemKey {
        group: String::new(),
        kind: kind.to_owned(),
        namespace: "default".to_owned(),
        name: "settings".to_owned(),
    }
}

/// A ConfigMap of which the clusters `a` and `b` were given what a release says.
fn given(release: &str) -> Read {
    let mut decision = Decision::default();
    for uid in ["a", "b"] {
        decision.spec.clusters.push(Target {
            uid: uid.to_owned(),
            release: release.to_owned(),
            ..Target::default()
        });
    }
    Read {
        item: item("ConfigMap"),
        key: None,
        object: None,
        replicas_path: None,
        decision_entry: None,
        decision,
        ledger: BTreeMap::new(),
        answers: BTreeMap::new(),
        around: Around::default(),
    }
}

#[test]
fn what_goes_along_is_there_only_once_it_is_as_the_release_says() {
    let there = |release: &str, wanted: &[&str]| {
        let applied = Observed {
            applied: true,
            away: false,
            state: State::Applied,
            health: Health::Healthy,
            ..Observed::default()
        };
        let seen = Seen {
            read: given(release),
            own: false,
            same: false,
            wanted: wanted.iter().map(|uid| (*uid).to_owned()).collect(),
            observed: BTreeMap::from([("a".to_owned(), applied)]),
        };
        (
            seen.there("a", Some(["new", "new"])),
            seen.there("a", Some(["new", "good"])),
        )
    };
    assert!(there("old", &["a"]).0.is_err(), "it has the former one");
    assert_eq!(there("new", &["a"]), (Ok(()), Ok(())));
    assert_eq!(there("other", &[]).0, Ok(()), "another policy says which");
    // Where the good one says the same it is there with that too.
    let (one, either) = there("good", &["a"]);
    assert!(one.is_err() && either.is_ok());
}

#[test]
fn what_goes_along_is_of_the_rollout_that_comes_first() {
    let policy = |name: &str, rollout: &str| {
        let mut policy = json!({
            "apiVersion": "policy.kurator.dev/v1alpha1",
            "kind": "DistributionPolicy",
            "metadata": {"name": name, "namespace": "default", "uid": name},
            "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}]},
        });
        if rollout == "rollout" {
            policy["spec"]["rollout"] = json!({});
        }
        policy
    };
    let all = [
        policy("p", "rollout"),
        policy("q", "rollout"),
        policy("plain", ""),
    ];
    let world = World::read(&all, BTreeSet::new(), Limits::default());
    let requirer = |policy: &str, needs: &[&str]| Requirer {
        key: item("Deployment"),
        template: String::new(),
        decided: true,
        policy: Some(policy.to_owned()),
        clusters: BTreeSet::new(),
        needs: needs.iter().map(|uid| (*uid).to_owned()).collect(),
        released: BTreeSet::new(),
    };
    let mut read = given("old");
    let requirers = &mut read.around.requirers;
    requirers.push(requirer("plain", &["a", "b", "c"]));
    requirers.push(requirer("q", &["b"]));
    requirers.push(requirer("p", &["a", "b"]));
    let of = |name: &str, read: &Read| -> String {
        let found = along(&world, world.policy(name).unwrap(), read);
        found.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("p", &read), "a");
    assert_eq!(of("q", &read), "b");
    read.decision.spec.policy = Some(PolicyRef::default());
    assert_eq!(of("p", &read), "", "a policy of its own holds it");
}
