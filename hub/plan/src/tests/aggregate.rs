//! Statuses of members in, one status out.

use roadstead_protocol::wire::ItemKey;
use serde_json::{Value, json};

use crate::aggregate::{Subject, aggregate};
use crate::observed::Observed;

use super::web;

const NOW: &str = "2026-11-21T12:00:00Z";

fn member(ready: u32, available: &str) -> Observed {
    Observed {
        status: json!({
            "observedGeneration": 3, "replicas": 9, "updatedReplicas": 9, "readyReplicas": ready,
            "conditions": [{
                "type": "Available", "status": available, "reason": "R", "message": "M",
                "lastTransitionTime": "2020-01-01T00:00:00Z",
            }],
        }),
        generation: 3,
        applied: true,
        ..Observed::default()
    }
}

fn object(former: &Value) -> Value {
    json!({"metadata": {"generation": 7}, "status": former})
}

fn of(key: &ItemKey, former: &Value, members: &[Observed], now: &str) -> Option<Value> {
    let object = object(former);
    let subject = Subject {
        key,
        object: &object,
        interpreter: None,
        pinned: None,
    };
    aggregate(subject, members, now)
}

fn status(members: &[Observed], former: &Value) -> Value {
    of(&web(), former, members, NOW).unwrap()
}

fn available(status: &Value) -> (Value, Value) {
    let condition = status["conditions"][0].clone();
    assert_eq!(condition["type"], "Available");
    (
        condition["status"].clone(),
        condition["lastTransitionTime"].clone(),
    )
}

#[test]
fn numbers_are_sums_and_conditions_hold_everywhere_or_not() {
    let all = status(&[member(9, "True"), member(8, "True")], &Value::Null);
    assert_eq!(
        (&all["replicas"], &all["readyReplicas"]),
        (&json!(18), &json!(17))
    );
    assert_eq!(all["observedGeneration"], 7);
    assert_eq!(available(&all), (json!("True"), json!(NOW)));
    let one = status(&[member(9, "True"), member(0, "False")], &all);
    assert_eq!(available(&one).0, "False");
}

#[test]
fn the_same_again_is_the_same() {
    let members = [member(9, "True")];
    let first = status(&members, &Value::Null);
    let later = of(&web(), &first, &members, "2027-01-01T00:00:00Z").unwrap();
    assert_eq!(later, first);
}

#[test]
fn what_is_not_settled_or_not_heard_of_is_not_observed() {
    let former = json!({"observedGeneration": 6});
    let stale = Observed {
        applied: false,
        ..member(9, "True")
    };
    assert_eq!(status(&[stale], &former)["observedGeneration"], 6);
    let unseen = Observed {
        generation: 4,
        ..member(9, "True")
    };
    assert_eq!(status(&[unseen], &former)["observedGeneration"], 6);
    let silent = status(&[member(9, "True"), Observed::default()], &former);
    assert_eq!(silent["observedGeneration"], 6);
    assert_eq!(available(&silent).0, "Unknown");
}

#[test]
fn without_clusters_there_is_nothing_of_it() {
    let none = status(&[], &json!({"replicas": 18}));
    assert_eq!(none, json!({"replicas": 0, "observedGeneration": 7}));
    let mut other = web();
    other.kind = "Other".to_owned();
    assert_eq!(of(&other, &Value::Null, &[], NOW), None);
}

fn widget() -> ItemKey {
    let mut key = web();
    key.group = "example.com".to_owned();
    key.kind = "Widget".to_owned();
    key
}

#[test]
fn what_one_cluster_says_of_an_unknown_kind_is_mirrored() {
    let says = |generation: i64| Observed {
        applied: true,
        generation,
        status: json!({
            "observedGeneration": 3, "phase": "Bound",
            "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 3}],
        }),
        ..Observed::default()
    };
    let seen = of(&widget(), &Value::Null, &[says(3)], NOW).unwrap();
    assert_eq!(
        (&seen["phase"], &seen["observedGeneration"]),
        (&json!("Bound"), &json!(7))
    );
    assert_eq!(seen["conditions"][0]["observedGeneration"], 7);
    // Its controller has not seen what was decided last.
    let late = of(
        &widget(),
        &json!({"observedGeneration": 6}),
        &[says(4)],
        NOW,
    )
    .unwrap();
    assert_eq!(late["observedGeneration"], 6);
    // Without news what was said last stays; what several say is not summed up.
    assert_eq!(of(&widget(), &seen, &[Observed::default()], NOW), None);
    assert_eq!(
        of(&widget(), &seen, &[says(3), says(3)], NOW),
        Some(json!({}))
    );
    assert_eq!(of(&widget(), &json!({}), &[says(3), says(3)], NOW), None);
    let balanced = json!({"loadBalancer": {}});
    assert_eq!(of(&widget(), &balanced, &[says(3), says(3)], NOW), None);
}

#[test]
fn what_the_hub_says_of_its_own_objects_stays() {
    let mut namespace = widget();
    namespace.group = String::new();
    namespace.kind = "Namespace".to_owned();
    let gone = Observed {
        status: json!({"phase": "Terminating"}),
        ..Observed::default()
    };
    assert_eq!(
        of(&namespace, &json!({"phase": "Active"}), &[gone], NOW),
        None
    );
}

#[test]
fn what_pins_leave_out_is_waited_for_by_nobody() {
    let object = json!({"metadata": {"generation": 7}, "spec": {"replicas": 20}});
    let with = |updated: u32, available: u32, pinned: Option<u64>| {
        let member = Observed {
            status: json!({
                "replicas": 19, "updatedReplicas": updated, "availableReplicas": available,
                "readyReplicas": available,
            }),
            ..Observed::default()
        };
        let key = web();
        let subject = Subject {
            key: &key,
            object: &object,
            interpreter: None,
            pinned,
        };
        let status = aggregate(subject, &[member], NOW).unwrap();
        let count = |name: &str| status[name].as_u64().unwrap_or(0);
        let shown = ["updatedReplicas", "availableReplicas", "readyReplicas"];
        shown.map(count)
    };
    assert_eq!(
        with(19, 19, Some(19)),
        [20, 20, 19],
        "all that is to run is there"
    );
    assert_eq!(with(19, 18, Some(19)), [19, 18, 18], "one is missing");
    assert_eq!(with(12, 19, Some(19)), [12, 19, 19], "not all is new");
    assert_eq!(with(19, 19, None), [19, 19, 19], "nothing is pinned");
    assert_eq!(with(19, 19, Some(23)), [19, 19, 19], "a pin asks for more");
}
