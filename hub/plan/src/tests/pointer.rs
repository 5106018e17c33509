//! JSON pointers: setting where nothing is, adding, replacing, removing.

use serde_json::{Value, json};

use crate::pointer::{Error, Pointer};

fn at(path: &str) -> Pointer {
    Pointer::parse(path).unwrap()
}

fn check_set(mut before: Value, path: &str, value: Value, after: &Value) {
    at(path).set(&mut before, value).unwrap();
    assert_eq!(before, *after);
}

#[test]
fn set_adds_what_leads_there() {
    check_set(
        json!({}),
        "/a/b/c",
        json!(1),
        &json!({"a": {"b": {"c": 1}}}),
    );
    check_set(
        json!({"a": null}),
        "/a/b",
        json!(1),
        &json!({"a": {"b": 1}}),
    );
    check_set(
        json!({"a": {"b": 1}}),
        "/a/b",
        json!(2),
        &json!({"a": {"b": 2}}),
    );
    check_set(
        json!({"l": [1, 2]}),
        "/l/0",
        json!(9),
        &json!({"l": [9, 2]}),
    );
    check_set(
        json!({"l": [1, 2]}),
        "/l/-",
        json!(9),
        &json!({"l": [1, 2, 9]}),
    );
    check_set(json!({}), "/a~1b", json!(1), &json!({"a/b": 1}));
}

#[test]
fn set_does_not_lead_through_scalars_or_off_lists() {
    let mut value = json!({"a": 1, "l": []});
    assert!(matches!(
        at("/a/b").set(&mut value, json!(1)),
        Err(Error::NotAContainer(_))
    ));
    assert!(matches!(
        at("/l/3").set(&mut value, json!(1)),
        Err(Error::Index(_))
    ));
    assert!(matches!(
        at("/l/0/x").set(&mut value, json!(1)),
        Err(Error::Index(_))
    ));
}

#[test]
fn add_inserts_and_wants_a_parent() {
    let mut value = json!({"l": [1, 2]});
    at("/l/1").add(&mut value, json!(9)).unwrap();
    assert_eq!(value, json!({"l": [1, 9, 2]}));
    assert!(matches!(
        at("/no/x").add(&mut value, json!(1)),
        Err(Error::Missing(_))
    ));
}

#[test]
fn replace_wants_something_there_and_remove_does_not() {
    let mut value = json!({"a": 1});
    assert!(matches!(
        at("/b").replace(&mut value, json!(1)),
        Err(Error::Missing(_))
    ));
    at("/a").replace(&mut value, json!(2)).unwrap();
    at("/b/c").remove(&mut value);
    assert_eq!(value, json!({"a": 2}));
    at("/a").remove(&mut value);
    assert_eq!(value, json!({}));
}

#[test]
fn what_is_no_pointer_is_refused() {
    for text in ["", "spec", "/a~2", "/a~"] {
        assert!(Pointer::parse(text).is_err(), "{text}");
    }
    assert_eq!(at("/a~1b/c~0d").to_string(), "/a~1b/c~0d");
}
