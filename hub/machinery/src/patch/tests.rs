//! What the three patches make of small objects.

use serde_json::{Value, json};

use crate::schema::{Atom, Builder, Field, ListRel, Map, MapRel, Patch, Scalar, Schema, TypeId};

use super::{Error, MAX_OPERATIONS, json, merge, strategic};

fn check_json(object: Value, patch: Value, expected: Value) {
    assert_eq!(json(&object, &patch), Ok(expected));
}

#[test]
fn json_patches_change_what_they_point_at() {
    let object = json!({"a": {"b": [1, 2]}});
    check_json(
        object.clone(),
        json!([
            {"op": "test", "path": "/a/b/0", "value": 1},
            {"op": "add", "path": "/a/b/-", "value": 3},
            {"op": "copy", "from": "/a/b", "path": "/c"},
            {"op": "remove", "path": "/a/b/0"},
            {"op": "replace", "path": "/a/b/0", "value": 9},
            {"op": "move", "from": "/c", "path": "/d~1e"},
        ]),
        json!({"a": {"b": [9, 3]}, "d/e": [1, 2, 3]}),
    );
    check_json(object.clone(), json!([]), object);
}

#[test]
fn json_patches_that_do_not_fit_fail() {
    let object = json!({"a": [1]});
    for operation in [
        json!({"op": "test", "path": "/a/0", "value": 2}),
        json!({"op": "remove", "path": "/b"}),
        json!({"op": "add", "path": "/b/c", "value": 1}),
        json!({"op": "add", "path": "/a/5", "value": 1}),
        json!({"op": "replace", "path": "/b", "value": 1}),
        json!({"op": "move", "from": "/b", "path": "/c"}),
        json!({"op": "jump", "path": "/a"}),
    ] {
        let result = json(&object, &json!([operation]));
        assert!(
            matches!(result, Err(Error::Failed(_))),
            "{operation}: {result:?}"
        );
    }
}

#[test]
fn json_patches_that_are_none_are_malformed() {
    let expected = "error decoding patch: json: cannot unmarshal object into Go value of type \
                    []handlers.jsonPatchOp";
    let found = json(&json!({}), &json!({"op": "x"}));
    assert_eq!(found, Err(Error::Malformed(expected.into())));
    let found = json(&json!({}), &json!([{"op": "add", "path": "/a"}]));
    assert!(matches!(found, Err(Error::Malformed(_))), "{found:?}");
}

#[test]
fn json_patches_are_bounded() {
    let one = json!({"op": "add", "path": "/a", "value": 1});
    let many: Value = std::iter::repeat_n(one, MAX_OPERATIONS + 1).collect();
    assert_eq!(
        json(&json!({}), &many),
        Err(Error::TooManyOperations(MAX_OPERATIONS + 1))
    );
    let double = |at: usize| {
        let path = format!("/x{at}");
        json!({"op": "copy", "from": "", "path": path})
    };
    let doubling: Value = (0..60).map(double).collect();
    assert_eq!(
        json(&json!({"a": "b"}), &doubling),
        Err(Error::TooMuchCopied)
    );
}

#[test]
fn json_patches_do_not_nest_without_end() {
    let mut patch = Vec::new();
    for _ in 0..30 {
        patch.push(json!({"op": "add", "path": "/b", "value": {"x": {"x": {"x": {}}}}}));
        patch.push(json!({"op": "move", "from": "/a", "path": "/b/x/x/x/x"}));
        patch.push(json!({"op": "move", "from": "/b", "path": "/a"}));
    }
    let result = json(&json!({"a": {}}), &patch.iter().take(60).cloned().collect());
    assert!(result.is_ok(), "{result:?}");
    let result = json(&json!({"a": {}}), &Value::Array(patch));
    assert_eq!(
        result,
        Err(Error::Failed("a value is nested deeper than 120".into()))
    );
    let deep = "/a".repeat(119);
    let result = json(
        &json!({}),
        &json!([{"op": "add", "path": deep, "value": [[[]]]}]),
    );
    assert!(matches!(result, Err(Error::Failed(_))));
}

#[test]
fn json_patches_do_not_shift_lists_without_end() {
    let many: Value = std::iter::repeat_n(json!(0), 10_000).collect();
    let first = json!({"op": "add", "path": "/0", "value": 0});
    let patch: Value = std::iter::repeat_n(first, 6_000).collect();
    let result = json(&many, &patch);
    assert_eq!(
        result,
        Err(Error::Failed("too many items are shifted".into()))
    );
}

#[test]
fn merge_patches_set_and_remove() {
    let object = json!({"a": {"b": 1, "c": [1]}, "d": 2});
    let patch = json!({"a": {"b": null, "c": [2], "e": {"f": null}}, "d": {"g": 1}});
    let expected = json!({"a": {"c": [2], "e": {}}, "d": {"g": 1}});
    assert_eq!(merge(&object, &patch), Ok(expected));
}

#[test]
fn a_merge_patch_has_to_be_an_object() {
    let expected = "error decoding patch: json: cannot unmarshal array into Go value of type \
                    map[string]interface {}";
    assert_eq!(
        merge(&json!({}), &json!([])),
        Err(Error::Malformed(expected.into()))
    );
}

/// Fields: `items` merged by `name`, with `ports` merged by `port` inside; `plain` replaced;
/// `set` merged; `labels` a map; `retained` with keys to retain.
fn schema() -> (Schema, TypeId) {
    let by = |key: Option<&str>| Patch {
        merge: true,
        retain_keys: false,
        merge_key: key.map(Into::into),
    };
    let mut b = Builder::new();
    let string = b.add(Atom::scalar(Scalar::String));
    let number = b.add(Atom::scalar(Scalar::Integer));
    let port = Atom::fields(vec![Field::new("port", number), Field::new("name", string)]);
    let port = b.add(port);
    let ports = b.add(Atom::list(port, ListRel::Atomic));
    let item = Atom::fields(vec![
        Field::new("name", string),
        Field::new("value", string),
        Field::new("ports", ports).with_patch(by(Some("port"))),
    ]);
    let item = b.add(item);
    let items = b.add(Atom::list(item, ListRel::Atomic));
    let strings = b.add(Atom::list(string, ListRel::Atomic));
    let labels = b.add(Atom::map(Map::new(vec![], Some(string), MapRel::Separable)));
    let retained = Atom::fields(vec![Field::new("type", string), Field::new("more", labels)]);
    let retained = b.add(retained);
    let object = Atom::fields(vec![
        Field::new("items", items).with_patch(by(Some("name"))),
        Field::new("plain", items),
        Field::new("set", strings).with_patch(by(None)),
        Field::new("labels", labels),
        Field::new("retained", retained),
    ]);
    let ty = b.define("object", object);
    (b.build().unwrap(), ty)
}

fn check(object: Value, patch: Value, expected: Value) {
    let (schema, ty) = schema();
    assert_eq!(
        strategic(&schema, ty, &object, &patch),
        Ok(expected),
        "{patch}"
    );
}

fn check_malformed(object: Value, patch: Value) {
    let (schema, ty) = schema();
    let result = strategic(&schema, ty, &object, &patch);
    assert!(
        matches!(result, Err(Error::Malformed(_))),
        "{patch}: {result:?}"
    );
}

#[test]
fn maps_merge_and_nulls_remove() {
    check(
        json!({"labels": {"a": "1", "b": "2"}, "plain": [{"name": "x"}]}),
        json!({"labels": {"a": null, "c": "3"}, "plain": null, "retained": {"type": null}}),
        json!({"labels": {"b": "2", "c": "3"}, "retained": {}}),
    );
}

#[test]
fn lists_merge_by_their_key_and_others_are_replaced() {
    check(
        json!({"items": [{"name": "a", "value": "1"}, {"name": "b"}], "plain": [{"name": "x"}]}),
        json!({"items": [{"name": "b", "value": "2"}, {"name": "c"}], "plain": [{"name": "y"}]}),
        json!({
            "items": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}, {"name": "c"}],
            "plain": [{"name": "y"}],
        }),
    );
}

#[test]
fn lists_merge_inside_items_of_lists() {
    check(
        json!({"items": [{"name": "a", "ports": [{"port": 1}, {"port": 2}]}]}),
        json!({"items": [{"name": "a", "ports": [{"port": 2, "name": "p"}]}]}),
        json!({"items": [{"name": "a", "ports": [{"port": 1}, {"port": 2, "name": "p"}]}]}),
    );
}

#[test]
fn items_can_be_deleted_and_lists_replaced() {
    let object = json!({"items": [{"name": "a"}, {"name": "b"}]});
    check(
        object.clone(),
        json!({"items": [{"name": "a", "$patch": "delete"}, {"name": "c"}]}),
        // What is new comes first, as in Kubernetes.
        json!({"items": [{"name": "c"}, {"name": "b"}]}),
    );
    check(
        object.clone(),
        json!({"items": [{"name": "c"}, {"$patch": "replace"}]}),
        json!({"items": [{"name": "c"}]}),
    );
    check_malformed(object.clone(), json!({"items": [{"$patch": "delete"}]}));
    check_malformed(
        object.clone(),
        json!({"items": [{"name": "a", "$patch": "jump"}]}),
    );
    check_malformed(object.clone(), json!({"items": [{"value": "no name"}]}));
    check_malformed(object, json!({"items": ["text"]}));
}

#[test]
fn maps_can_be_deleted_and_replaced() {
    let object = json!({"labels": {"a": "1"}, "retained": {"type": "t"}});
    check(
        object.clone(),
        json!({"labels": {"$patch": "replace", "b": "2"}, "retained": {"$patch": "delete"}}),
        json!({"labels": {"b": "2"}, "retained": {}}),
    );
    check_malformed(object, json!({"labels": {"$patch": "merge"}}));
}

#[test]
fn sets_merge_and_values_can_be_deleted() {
    check(
        json!({"set": ["a", "b"]}),
        json!({"set": ["b", "c"]}),
        json!({"set": ["a", "b", "c"]}),
    );
    check(
        json!({"set": ["a", "b"]}),
        json!({"$deleteFromPrimitiveList/set": ["a", "x"]}),
        json!({"set": ["b"]}),
    );
    check(
        json!({}),
        json!({"$deleteFromPrimitiveList/set": ["a"]}),
        json!({}),
    );
}

#[test]
fn the_patch_gives_the_order() {
    let object = json!({"items": [{"name": "a"}, {"name": "s"}, {"name": "b"}]});
    check(
        object.clone(),
        json!({
            "$setElementOrder/items": [{"name": "b"}, {"name": "n"}, {"name": "a"}],
            "items": [{"name": "n", "value": "1"}],
        }),
        json!({"items": [{"name": "s"}, {"name": "b"}, {"name": "n", "value": "1"}, {"name": "a"}]}),
    );
    check(
        object.clone(),
        json!({"$setElementOrder/items": [{"name": "b"}, {"name": "a"}]}),
        json!({"items": [{"name": "s"}, {"name": "b"}, {"name": "a"}]}),
    );
    check(
        json!({"set": ["a", "b"]}),
        json!({"$setElementOrder/set": ["c", "b", "a"], "set": ["c"]}),
        json!({"set": ["c", "b", "a"]}),
    );
    check_malformed(
        object,
        json!({"$setElementOrder/items": [{"name": "a"}], "items": [{"name": "z"}]}),
    );
}

#[test]
fn only_the_retained_keys_stay() {
    let object = json!({"retained": {"type": "rolling", "more": {"x": "1"}}});
    check(
        object.clone(),
        json!({"retained": {"$retainKeys": ["type"], "type": "recreate"}}),
        json!({"retained": {"type": "recreate"}}),
    );
    check_malformed(object.clone(), json!({"retained": {"$retainKeys": "type"}}));
    check_malformed(
        object,
        json!({"retained": {"$retainKeys": [], "type": "x"}}),
    );
}

#[test]
fn directives_do_not_get_into_new_content() {
    check(
        json!({}),
        json!({
            "items": [{"name": "a", "$patch": "delete"}, {
                "name": "b",
                "$setElementOrder/ports": [{"port": 1}],
                "ports": [{"port": 1, "name": null}],
            }],
            "retained": {"$retainKeys": ["type"], "type": "t"},
        }),
        json!({"items": [{"name": "b", "ports": [{"port": 1}]}], "retained": {"type": "t"}}),
    );
    check(
        json!({"items": []}),
        json!({"items": [{"name": "b", "$retainKeys": ["name"]}]}),
        json!({"items": [{"name": "b"}]}),
    );
}

#[test]
fn unknown_fields_merge_as_maps() {
    check(
        json!({"other": {"a": 1, "l": [{"name": "x"}]}}),
        json!({"other": {"b": 2, "l": [{"name": "y"}]}}),
        json!({"other": {"a": 1, "b": 2, "l": [{"name": "y"}]}}),
    );
    check_malformed(json!({}), json!([]));
}
