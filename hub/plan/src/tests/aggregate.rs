//! Statuses of members in, one status out.

use serde_json::{Value, json};

use crate::aggregate::{Member, aggregate};

use super::web;

const NOW: &str = "2026-11-21T12:00:00Z";

fn member(ready: u32, available: &str) -> Member {
    Member {
        status: json!({
            "observedGeneration": 3, "replicas": 9, "updatedReplicas": 9, "readyReplicas": ready,
            "conditions": [{
                "type": "Available", "status": available, "reason": "R", "message": "M",
                "lastTransitionTime": "2020-01-01T00:00:00Z",
            }],
        }),
        generation: 3,
        current: true,
    }
}

fn status(members: &[Member], former: &Value) -> Value {
    aggregate(&web(), 7, former, members, NOW).unwrap()
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
    let later = aggregate(&web(), 7, &first, &members, "2027-01-01T00:00:00Z").unwrap();
    assert_eq!(later, first);
}

#[test]
fn what_is_not_settled_or_not_heard_of_is_not_observed() {
    let former = json!({"observedGeneration": 6});
    let stale = Member {
        current: false,
        ..member(9, "True")
    };
    assert_eq!(status(&[stale], &former)["observedGeneration"], 6);
    let unseen = Member {
        generation: 4,
        ..member(9, "True")
    };
    assert_eq!(status(&[unseen], &former)["observedGeneration"], 6);
    let silent = status(&[member(9, "True"), Member::default()], &former);
    assert_eq!(silent["observedGeneration"], 6);
    assert_eq!(available(&silent).0, "Unknown");
}

#[test]
fn without_clusters_there_is_nothing_of_it() {
    let none = status(&[], &json!({"replicas": 18}));
    assert_eq!(none, json!({"replicas": 0, "observedGeneration": 7}));
    let mut other = web();
    other.kind = "Other".to_owned();
    assert_eq!(aggregate(&other, 1, &Value::Null, &[], NOW), None);
}
