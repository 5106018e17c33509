//! Fields that are left to others.

use proptest::prelude::*;

use super::*;

fn ignoring(pointers: &[&str]) -> Vec<Meta> {
    let pointers = pointers.iter().map(|p| (*p).to_owned()).collect();
    vec![Meta::Overwrite, Meta::IgnoreFields(pointers)]
}

fn check(config: &Value, live: Option<&Value>, pointers: &[&str], expected: &Value) {
    let mut config = config.clone();
    settle(&mut config, live, &ignoring(pointers));
    assert_eq!(config, *expected);
}

/// Another manager's share of the fields, beside this agent's own.
fn managed(fields: &Value) -> Value {
    json!([
        {"manager": "roadstead", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "autoscaler", "operation": "Update", "subresource": "scale", "fieldsV1": fields},
    ])
}

#[test]
fn a_field_that_is_left_is_applied_as_it_is_there_until_another_owns_it() {
    let config = json!({"spec": {"replicas": 3, "paused": false}});
    check(&config, None, &["/spec/replicas"], &config);
    let live = json!({"spec": {"replicas": 10, "paused": true}});
    let kept = json!({"spec": {"replicas": 10, "paused": false}});
    check(&config, Some(&live), &["/spec/replicas"], &kept);
    let mut theirs = live.clone();
    theirs["metadata"]["managedFields"] = managed(&json!({"f:spec": {"f:replicas": {}}}));
    let left_out = json!({"spec": {"paused": false}});
    check(&config, Some(&theirs), &["/spec/replicas"], &left_out);
    theirs["metadata"]["managedFields"] = managed(&json!({"f:status": {}}));
    check(&config, Some(&theirs), &["/spec/replicas"], &kept);
    // Taken away by somebody: so it stays.
    check(
        &config,
        Some(&json!({"spec": {}})),
        &["/spec/replicas"],
        &left_out,
    );
    // Never given: it is nobody's business here.
    check(
        &json!({"spec": {}}),
        Some(&live),
        &["/spec/replicas"],
        &json!({"spec": {}}),
    );
}

#[test]
fn an_element_with_a_name_is_found_by_it() {
    let config = json!({"spec": {"containers": [{"name": "web", "image": "web:1"}]}});
    let live = json!({"spec": {"containers": [{"name": "side", "image": "proxy"}, {"name": "web", "image": "web:9"}]}});
    let image = "/spec/containers/0/image";
    let expected = json!({"spec": {"containers": [{"name": "web", "image": "web:9"}]}});
    check(&config, Some(&live), &[image], &expected);
    let mut theirs = live;
    let place = json!({"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}}});
    theirs["metadata"]["managedFields"] = managed(&place);
    let left_out = json!({"spec": {"containers": [{"name": "web"}]}});
    check(&config, Some(&theirs), &[image], &left_out);
    // Another's container is not this one, and where it is gone it is given anew, whole.
    let other = json!({"spec": {"containers": [{"name": "side", "image": "proxy"}]}});
    check(&config, Some(&other), &[image], &config);
}

#[test]
fn the_whole_object_is_left_by_the_empty_pointer_only() {
    assert!(reports_only(&ignoring(&["/spec", ""])));
    assert!(!reports_only(&ignoring(&["/spec"])));
    let meta = ignoring(&["", "/kind", "/metadata", "/spec/replicas"]);
    assert_eq!(fields(&meta).collect::<Vec<_>>(), ["/spec/replicas"]);
}

proptest! {
    /// Whatever is there, applying what is left over it changes nothing of that, and all else is as given.
    #[test]
    fn what_is_left_is_as_it_is_there(
        given in proptest::collection::btree_map("[a-c]", 0..3_i64, 0..4),
        there in proptest::collection::btree_map("[a-c]", 0..3_i64, 0..4),
        left in "[a-c]",
    ) {
        let mut config = json!({"spec": given});
        let live = json!({"spec": there});
        settle(&mut config, Some(&live), &ignoring(&[&format!("/spec/{left}")]));
        for (key, value) in &given {
            let found = config["spec"].get(key);
            if *key == left {
                prop_assert_eq!(found, live["spec"].get(key));
            } else {
                prop_assert_eq!(found, Some(&json!(value)));
            }
        }
        prop_assert!(config["spec"].as_object().unwrap().keys().all(|k| given.contains_key(k)));
    }
}
