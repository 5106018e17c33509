//! Fields that are left to others.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

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

/// What this agent owns, and what another manager does.
fn owners(ours: &Value, others: &Value) -> Value {
    json!([
        {"manager": "roadstead", "operation": "Apply", "fieldsV1": ours},
        {"manager": "kubectl", "operation": "Update", "fieldsV1": others},
    ])
}

#[test]
fn what_only_this_agent_owns_is_not_left_out_with_what_another_took() {
    let config = json!({"data": {"a": "1", "b": "2", "gone": "3"}});
    let managed = owners(
        &json!({"f:data": {"f:b": {}}}),
        &json!({"f:data": {".": {}, "f:a": {}, "f:theirs": {}}}),
    );
    let live = json!({
        "metadata": {"managedFields": managed}, "data": {"a": "9", "b": "2", "theirs": "7"},
    });
    check(
        &config,
        Some(&live),
        &["/data"],
        &json!({"data": {"b": "2"}}),
    );

    // A controller annotates what it looks after.
    let config = json!({"metadata": {"annotations": {"team": "web"}}});
    let managed = owners(
        &json!({"f:metadata": {"f:annotations": {"f:team": {}}}}),
        &json!({"f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}}}),
    );
    let annotations = json!({"team": "web", "deployment.kubernetes.io/revision": "4"});
    let live = json!({"metadata": {"annotations": annotations, "managedFields": managed}});
    check(&config, Some(&live), &["/metadata/annotations"], &config);
}

fn containers(containers: &Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

#[test]
fn a_variable_that_was_set_by_hand_takes_none_of_the_others_away() {
    let of = |env: &Value| containers(&json!([{"name": "web", "image": "web:1", "env": env}]));
    let config = of(
        &json!([{"name": "LOG", "value": "info"}, {"name": "SET", "value": "0"}, {"name": "HIS", "value": "0"}]),
    );
    let env = |env: &Value| {
        json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"web\"}": {".": {}, "f:env": env},
        }}}}})
    };
    let ours = env(&json!({
        "k:{\"name\":\"LOG\"}": {".": {}, "f:name": {}, "f:value": {}},
        "k:{\"name\":\"SET\"}": {".": {}, "f:name": {}},
    }));
    let theirs = env(&json!({
        "k:{\"name\":\"SET\"}": {"f:value": {}},
        "k:{\"name\":\"HIS\"}": {".": {}, "f:name": {}, "f:value": {}},
        "k:{\"name\":\"NEW\"}": {".": {}, "f:name": {}, "f:value": {}},
    }));
    let mut live = of(
        &json!([{"name": "NEW", "value": "5"}, {"name": "LOG", "value": "info"}, {"name": "SET", "value": "1"}, {"name": "HIS", "value": "1"}]),
    );
    live["metadata"]["managedFields"] = owners(&ours, &theirs);
    let expected = of(&json!([{"name": "LOG", "value": "info"}, {"name": "SET"}]));
    let env = "/spec/template/spec/containers/0/env";
    check(&config, Some(&live), &[env], &expected);
    // Each by its place in what is given, whatever of it is left out.
    let places: Vec<String> = (0..3).map(|i| format!("{env}/{i}")).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).rev().collect();
    check(&config, Some(&live), &places, &expected);
    let first = [places[0], places[1]];
    check(&config, Some(&live), &first, &expected);
}

#[test]
fn leaving_out_an_element_moves_no_other_pointer() {
    let given = |value: i32| {
        json!({"spec": {"ports": [
            {"port": 80, "nodePort": value}, {"port": 81, "nodePort": value}, {"port": 82, "nodePort": value},
        ]}})
    };
    let theirs = |port: u32| {
        json!({"f:spec": {"f:ports": {(format!("k:{{\"port\":{port},\"protocol\":\"TCP\"}}")): {
            ".": {}, "f:port": {}, "f:nodePort": {},
        }}}})
    };
    let mut live = given(9);
    for i in 0..3 {
        live["spec"]["ports"][i]["protocol"] = json!("TCP");
    }
    live["metadata"]["managedFields"] = owners(&json!({}), &theirs(80));
    let expected =
        json!({"spec": {"ports": [{"port": 81, "nodePort": 9}, {"port": 82, "nodePort": 1}]}});
    check(
        &given(1),
        Some(&live),
        &["/spec/ports/0", "/spec/ports/1"],
        &expected,
    );
}

#[test]
fn what_is_owned_as_one_is_left_as_one() {
    let config =
        json!({"spec": {"args": ["a", "b"], "selector": {"x": "1"}, "keep": ["one", "two"]}});
    let mut live =
        json!({"spec": {"args": ["c"], "selector": {"y": "2"}, "keep": ["two", "three", "one"]}});
    let left = ["/spec/args", "/spec/selector", "/spec/keep"];
    let whole = json!({"f:spec": {"f:args": {}, "f:selector": {}, "f:keep": {"v:\"one\"": {}}}});
    let taken = json!({"f:spec": {"f:keep": {"v:\"two\"": {}, "v:\"three\"": {}}}});
    live["metadata"]["managedFields"] = owners(&whole, &taken);
    let kept = json!({"spec": {"args": ["c"], "selector": {"y": "2"}, "keep": ["one"]}});
    check(&config, Some(&live), &left, &kept);
    live["metadata"]["managedFields"] = owners(&taken, &whole);
    check(
        &config,
        Some(&live),
        &left,
        &json!({"spec": {"keep": ["two"]}}),
    );
    // An element of what is owned as one cannot be left out.
    let config = json!({"spec": {"args": ["a"], "selector": {"y": "0", "x": "1"}}});
    let kept = json!({"spec": {"args": ["c"], "selector": {"y": "2", "x": "1"}}});
    check(
        &config,
        Some(&live),
        &["/spec/args/0", "/spec/selector/y"],
        &kept,
    );
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

    /// Whoever owns what: applying what is left takes away and changes nothing of what is there.
    #[test]
    fn nothing_that_is_left_is_deleted_by_applying_the_rest(
        given in leaves(0..3), there in leaves(3..6),
        ours in owned_leaves(), others in owned_leaves(),
        whole in any::<bool>(),
    ) {
        let mut live = object(&there);
        live["metadata"]["managedFields"] = owners(&managed_leaves(&ours), &managed_leaves(&others));
        let mut config = object(&given);
        let pointers = if whole {
            vec!["/data".to_owned(), "/env".to_owned()]
        } else {
            let env = config["env"].as_array().unwrap().len();
            let data = NAMES.iter().map(|name| format!("/data/{name}"));
            data.chain((0..env).map(|i| format!("/env/{i}/value"))).collect()
        };
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        settle(&mut config, Some(&live), &ignoring(&pointers));
        let applied = flat(&config);
        // What was ours alone and is not given any more goes.
        let after: BTreeMap<(bool, String), i64> = there
            .iter()
            .filter(|(leaf, _)| applied.contains_key(*leaf) || !ours.contains(*leaf) || others.contains(*leaf))
            .map(|(leaf, value)| (leaf.clone(), applied.get(leaf).copied().unwrap_or(*value)))
            .collect();
        for (leaf, value) in &there {
            // What is not given any more was never left.
            if given.contains_key(leaf) {
                prop_assert_eq!(after.get(leaf), Some(value), "{:?}", leaf);
                prop_assert!(!others.contains(leaf) || !applied.contains_key(leaf));
            }
        }
        prop_assert!(applied.keys().all(|leaf| given.contains_key(leaf)));
        if whole {
            prop_assert!(applied.keys().all(|leaf| there.contains_key(leaf)));
        }
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Leaves: an entry of `data`, or, where true, the value of an element of `env`.
fn leaves(values: std::ops::Range<i64>) -> impl Strategy<Value = BTreeMap<(bool, String), i64>> {
    let leaf = (any::<bool>(), "[a-d]");
    proptest::collection::btree_map(leaf, values, 0..8)
}

fn owned_leaves() -> impl Strategy<Value = BTreeSet<(bool, String)>> {
    proptest::collection::btree_set((any::<bool>(), "[a-d]"), 0..8)
}

fn object(leaves: &BTreeMap<(bool, String), i64>) -> Value {
    let mut object = json!({"data": {}, "env": []});
    for ((env, name), value) in leaves {
        if *env {
            let env = object["env"].as_array_mut().unwrap();
            env.push(json!({"name": name, "value": value}));
        } else {
            object["data"][name] = json!(value);
        }
    }
    object
}

fn managed_leaves(leaves: &BTreeSet<(bool, String)>) -> Value {
    let mut fields = json!({});
    for (env, name) in leaves {
        if *env {
            let element = json!({".": {}, "f:name": {}, "f:value": {}});
            fields["f:env"][json!({"name": name}).to_string().replace("{", "k:{")] = element;
        } else {
            fields["f:data"][format!("f:{name}")] = json!({});
        }
    }
    fields
}

fn flat(object: &Value) -> BTreeMap<(bool, String), i64> {
    let data = object.get("data").and_then(Value::as_object);
    let data = data.into_iter().flatten();
    let data = data.map(|(name, value)| ((false, name.clone()), value.as_i64().unwrap()));
    let env = object.get("env").and_then(Value::as_array);
    let env = env.into_iter().flatten().filter_map(|element| {
        let name = element["name"].as_str().unwrap().to_owned();
        Some(((true, name), element.get("value")?.as_i64()?))
    });
    data.chain(env).collect()
}
