//! What merging is for, on small objects, and what holds for any.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::schema::{Schema, TypeId, smd};

use super::list::{Left, Order};
use super::{Comparison, Datum, Duplicates, Element, Path, Set, Typed, equal};

/// A recursive type with a set, a map-like list, atomic ones and free-form content.
fn schema() -> (Schema, TypeId) {
    let schema = smd::load(&json!({"types": [
        {"name": "node", "map": {"fields": [
            {"name": "text", "type": {"scalar": "string"}},
            {"name": "number", "type": {"scalar": "numeric"}},
            {"name": "set", "type": {"list": {
                "elementType": {"scalar": "numeric"}, "elementRelationship": "associative",
            }}},
            {"name": "items", "type": {"list": {
                "elementType": {"namedType": "item"},
                "elementRelationship": "associative",
                "keys": ["id", "zone"],
            }}},
            {"name": "map", "type": {"map": {"elementType": {"scalar": "string"}}}},
            {"name": "whole", "type": {"map": {
                "elementType": {"scalar": "string"}, "elementRelationship": "atomic",
            }}},
            {"name": "free", "type": {"namedType": "__untyped_deduced_"}},
            {"name": "child", "type": {"namedType": "node"}},
        ]}},
        {"name": "item", "map": {"fields": [
            {"name": "id", "type": {"scalar": "numeric"}},
            {"name": "zone", "type": {"scalar": "string"}, "default": "z"},
            {"name": "value", "type": {"scalar": "string"}},
        ]}},
    ]}));
    let ty = schema.named("node").unwrap();
    (schema, ty)
}

fn set(fields: Value) -> Set {
    Set::from_json(&fields).unwrap()
}

fn check_merge(lhs: Value, rhs: Value, expected: Value) {
    let (schema, ty) = schema();
    let merged = Typed::new(&schema, ty, &lhs)
        .merge(&Typed::new(&schema, ty, &rhs))
        .unwrap();
    assert_eq!(merged.value(), &expected);
}

#[test]
fn the_second_object_wins_and_nothing_goes() {
    check_merge(
        json!({"text": "a", "number": 1, "whole": {"a": "1"}, "map": {"a": "1"}}),
        json!({"text": "b", "whole": {"b": "2"}, "map": {"b": "2"}}),
        json!({"text": "b", "number": 1, "whole": {"b": "2"}, "map": {"a": "1", "b": "2"}}),
    );
}

#[test]
fn null_is_a_value() {
    check_merge(
        json!({"text": "a"}),
        json!({"text": null}),
        json!({"text": null}),
    );
    check_merge(
        json!({"map": {}}),
        json!({"map": null}),
        json!({"map": null}),
    );
}

#[test]
fn keys_that_are_left_out_have_their_default() {
    check_merge(
        json!({"items": [{"id": 1, "zone": "z", "value": "a"}]}),
        json!({"items": [{"id": 1, "value": "b"}]}),
        json!({"items": [{"id": 1, "zone": "z", "value": "b"}]}),
    );
}

#[test]
fn types_may_be_recursive() {
    check_merge(
        json!({"child": {"child": {"text": "a", "set": [1]}}}),
        json!({"child": {"child": {"set": [2]}}}),
        json!({"child": {"child": {"text": "a", "set": [1, 2]}}}),
    );
}

#[test]
fn free_content_merges_maps_and_replaces_lists() {
    check_merge(
        json!({"free": {"a": {"b": 1}, "l": [1, 2]}}),
        json!({"free": {"a": {"c": "x"}, "l": [{"n": 3}]}}),
        json!({"free": {"a": {"b": 1, "c": "x"}, "l": [{"n": 3}]}}),
    );
}

/// Merges lists of numbers as sets; `-` in the result is what both have.
fn check_order(left: &[u8], right: &[u8], expected: &[u8]) {
    let elements = |items: &[u8]| items.iter().map(|n| Element::value(json!(n))).collect();
    let (left, right): (Vec<_>, Vec<_>) = (elements(left), elements(right));
    let merged: Vec<_> = Order::new(&left, &right)
        .map(|step| step.element.clone())
        .collect();
    let expected: Vec<Element> = elements(expected);
    assert_eq!(merged, expected);
}

#[test]
fn items_of_the_first_list_stay_near_their_neighbours() {
    check_order(&[1, 2, 3], &[], &[1, 2, 3]);
    check_order(&[], &[1, 2, 3], &[1, 2, 3]);
    check_order(&[1, 3], &[2], &[1, 3, 2]);
    check_order(&[1, 2, 3], &[3, 1], &[2, 3, 1]);
    check_order(&[1, 9, 2], &[1, 5, 2], &[1, 9, 5, 2]);
    check_order(&[8, 1, 9], &[1, 2], &[8, 1, 9, 2]);
}

#[test]
fn duplicates_of_the_first_list_are_replaced_together() {
    let left = [1, 2, 1].map(|n| Element::value(json!(n)));
    let right = [Element::value(json!(1))];
    let steps: Vec<_> = Order::new(&left, &right).collect();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].left, Some(Left::Repeated));
    assert_eq!(steps[1].element, &left[1]);
}

#[test]
fn paths_read_like_kubernetes_writes_them() {
    let path: Path = [
        Element::field("spec"),
        Element::key(vec![
            ("b".into(), Datum::new(json!(80.0))),
            ("a".into(), Datum::new(json!("x"))),
        ]),
        Element::value(json!(true)),
        Element::Index(3),
    ]
    .into_iter()
    .collect();
    assert_eq!(path.to_string(), r#".spec[a="x",b=80][=true][3]"#);
}

#[test]
fn fields_of_kinds_that_do_not_exist_yet_are_left_out() {
    let fields = json!({"f:a": {"x:new": {}}, "y:z": {}});
    assert_eq!(set(fields).to_json(), json!({"f:a": {}}));
}

#[test]
fn malformed_fields_are_an_error() {
    for fields in [
        json!({"f": {}}),
        json!({"fa": {}}),
        json!({"f:a": 1}),
        json!({"v:{": {}}),
        json!({"k:[]": {}}),
        json!({"i:x": {}}),
        json!({"": {}}),
        json!("f:a"),
    ] {
        assert!(Set::from_json(&fields).is_err(), "{fields}");
    }
}

#[test]
fn sets_compute_like_sets() {
    let a = set(json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}}));
    let b = set(json!({"f:a": {"f:b": {}, "f:d": {}}}));
    let expected = json!({"f:a": {".": {}, "f:b": {}, "f:d": {}}, "f:c": {}});
    assert_eq!(a.union(&b).to_json(), expected);
    assert_eq!(a.intersection(&b).to_json(), json!({"f:a": {"f:b": {}}}));
    assert_eq!(a.difference(&b).to_json(), json!({"f:a": {}, "f:c": {}}));
    assert_eq!(
        a.without(&set(json!({"f:a": {}}))).to_json(),
        json!({"f:c": {}})
    );
    assert_eq!(b.without(&set(json!({"f:a": {}}))), Set::new());
    assert_eq!(a.leaves().to_json(), json!({"f:a": {"f:b": {}}, "f:c": {}}));
    assert_eq!(
        a.within(&set(json!({"f:c": {}}))).to_json(),
        json!({"f:c": {}})
    );
    assert_eq!(a.len(), 3);
    assert!(a.has(&[Element::field("a"), Element::field("b")]));
    assert!(!a.has(&[Element::field("b")]));
    assert!(!a.has(&[]));
    assert!(Set::of(&[]).is_empty());
}

#[test]
fn numbers_are_the_same_in_every_form() {
    assert!(equal(&json!({"a": [1]}), &json!({"a": [1.0]})));
    assert_eq!(Element::value(json!(1.0)), Element::value(json!(1)));
    assert_eq!(Element::value(json!(2.0)).to_text(), "v:2");
    assert!(!equal(&json!(1), &json!("1")));
    assert!(Datum::new(json!(2)) < Datum::new(json!("a")));
}

fn node() -> impl Strategy<Value = Value> {
    let text = prop::option::of("[a-c]{1,2}".prop_map(Value::from));
    let numbers = prop::option::of(prop::collection::btree_set(0_u8..6, 0..4));
    let items = prop::collection::btree_map((0_u8..4, "[yz]"), "[a-c]", 0..4);
    let strings = || prop::option::of(prop::collection::btree_map("[a-c]", "[a-c]", 0..3));
    let leaf = (text, numbers, items, strings(), strings());
    let leaf = leaf.prop_map(|(text, numbers, items, map, whole)| {
        let mut node = json!({});
        if let Some(text) = text {
            node["text"] = text;
        }
        if let Some(numbers) = numbers {
            node["set"] = numbers.into_iter().rev().collect();
        }
        let item = |((id, zone), value): ((u8, String), String)| {
            json!({"id": id, "zone": zone, "value": value})
        };
        if !items.is_empty() {
            node["items"] = items.into_iter().map(item).collect();
        }
        for (name, strings) in [("map", map), ("whole", whole)] {
            if let Some(strings) = strings {
                node[name] = json!(strings);
            }
        }
        node
    });
    leaf.prop_recursive(3, 8, 1, |inner| {
        (inner.clone(), inner).prop_map(|(mut node, child)| {
            node["child"] = child.clone();
            node["free"] = json!({"x": child});
            node
        })
    })
}

fn compare(schema: &Schema, ty: TypeId, a: &Value, b: &Value) -> Comparison {
    Typed::new(schema, ty, a)
        .compare(&Typed::new(schema, ty, b))
        .unwrap()
}

proptest! {
    #[test]
    fn merging_an_object_with_itself_gives_it_back(a in node()) {
        let (schema, ty) = schema();
        let typed = Typed::new(&schema, ty, &a);
        prop_assert!(typed.validate(Duplicates::Refused).is_ok());
        prop_assert_eq!(typed.merge(&typed).unwrap().into_value(), a);
    }

    #[test]
    fn merging_twice_is_merging_once(a in node(), b in node()) {
        let (schema, ty) = schema();
        let b = Typed::new(&schema, ty, &b);
        let once = Typed::new(&schema, ty, &a).merge(&b).unwrap();
        let twice = once.merge(&b).unwrap();
        prop_assert!(equal(once.value(), twice.value()));
    }

    #[test]
    fn a_merge_has_all_that_the_second_object_says(a in node(), b in node()) {
        let (schema, ty) = schema();
        let b = Typed::new(&schema, ty, &b);
        let merged = Typed::new(&schema, ty, &a).merge(&b).unwrap();
        prop_assert!(merged.validate(Duplicates::Refused).is_ok());
        let changes = b.compare(&merged).unwrap();
        prop_assert!(changes.removed.is_empty(), "{:?}", changes);
        // What is modified was empty, and is filled from the first object.
        let said = b.to_set().unwrap();
        let lost = said.difference(&merged.to_set().unwrap()).difference(&changes.modified);
        let emptied = changes.added.union(&changes.modified);
        for path in lost.paths() {
            prop_assert!(emptied.paths().iter().any(|p| p.0.starts_with(&path.0)), "{}", path);
        }
    }

    #[test]
    fn comparing_is_symmetric(a in node(), b in node()) {
        let (schema, ty) = schema();
        let (there, back) = (compare(&schema, ty, &a, &b), compare(&schema, ty, &b, &a));
        prop_assert_eq!(&there.added, &back.removed);
        prop_assert_eq!(&there.removed, &back.added);
        prop_assert_eq!(&there.modified, &back.modified);
        let same = compare(&schema, ty, &a, &a);
        prop_assert_eq!(same, Comparison::default());
    }

    #[test]
    fn sets_survive_json(a in node()) {
        let (schema, ty) = schema();
        let fields = Typed::new(&schema, ty, &a).to_set().unwrap();
        prop_assert_eq!(Set::from_json(&fields.to_json()).unwrap(), fields);
    }

    #[test]
    fn removing_all_fields_leaves_none(a in node()) {
        let (schema, ty) = schema();
        let typed = Typed::new(&schema, ty, &a);
        let all = typed.to_set().unwrap().with_named_fields(&schema, Some(ty));
        let rest = typed.remove_items(&all);
        prop_assert!(rest.to_set().unwrap().intersection(&all).is_empty(), "{:?}", rest.value());
    }

    #[test]
    fn extracting_all_fields_leaves_the_object(a in node()) {
        let (schema, ty) = schema();
        let typed = Typed::new(&schema, ty, &a);
        let all = typed.to_set().unwrap();
        let whole = typed.extract_items(&all.leaves());
        let missing = typed.compare(&whole).unwrap();
        prop_assert!(missing.added.is_empty() && missing.modified.is_empty(), "{:?}", missing);
    }

    #[test]
    fn difference_and_intersection_make_the_set_again(a in node(), b in node()) {
        let (schema, ty) = schema();
        let fields = |v: &Value| Typed::new(&schema, ty, v).to_set().unwrap();
        let (a, b) = (fields(&a), fields(&b));
        prop_assert_eq!(&a.difference(&b).union(&a.intersection(&b)), &a);
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert!(a.without(&b).difference(&a.difference(&b)).is_empty());
    }

    #[test]
    fn any_text_is_read_as_an_element_or_refused(text in ".{0,12}") {
        if let Ok(Some(element)) = Element::from_text(&text) {
            prop_assert_eq!(Element::from_text(&element.to_text()), Ok(Some(element)));
        }
    }
}
