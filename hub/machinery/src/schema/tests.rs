//! What can be read back from a built schema.

use serde_json::json;

use super::{Atom, Builder, Error, Field, ListRel, MapRel, Scalar, Schema, TypeId};

#[test]
fn fields_are_found_by_name_and_the_last_of_a_name_counts() {
    let mut b = Builder::new();
    let string = b.add(Atom::scalar(Scalar::String));
    let number = b.add(Atom::scalar(Scalar::Integer));
    let fields = vec![
        Field::new("b", string),
        Field::new("a", string),
        Field::new("b", number).with_default(json!(7)),
    ];
    let ty = b.define("t", Atom::fields(fields));
    let schema = b.build().unwrap();
    assert_eq!(schema.named("t"), Some(ty));
    assert_eq!(schema.field(ty, "a"), Some(string));
    assert_eq!(schema.field(ty, "b"), Some(number));
    assert_eq!(schema.field(ty, "c"), None);
    let map = schema.get(ty).map.as_ref().unwrap();
    assert_eq!(map.fields().len(), 2);
    assert_eq!(map.field("b").unwrap().default, Some(json!(7)));
}

#[test]
fn a_type_may_contain_itself() {
    let mut b = Builder::new();
    let node = b.declare("node");
    b.define("node", Atom::fields(vec![Field::new("next", node)]));
    let schema = b.build().unwrap();
    assert_eq!(schema.field(node, "next"), Some(node));
}

#[test]
fn an_undefined_name_is_an_error() {
    let mut b = Builder::new();
    let missing = b.declare("missing");
    b.define("t", Atom::fields(vec![Field::new("x", missing)]));
    assert_eq!(b.build().unwrap_err(), Error::Undefined("missing".into()));
}

#[test]
fn an_alias_of_itself_is_an_error() {
    let mut b = Builder::new();
    let a = b.reserve();
    b.set_alias(a, a);
    assert_eq!(b.build().unwrap_err(), Error::Circular(2));
}

#[test]
fn atomicity_can_be_overridden_where_a_type_is_used() {
    let mut b = Builder::new();
    let s = b.add(Atom::scalar(Scalar::String));
    let list = b.add(Atom::list(s, ListRel::Set));
    let whole = b.with_atomicity(list, true);
    let map = b.declare("m");
    let whole_map = b.with_atomicity(map, true);
    b.define("m", Atom::fields(vec![Field::new("l", list)]));
    let schema = b.build().unwrap();
    let relation = |id| schema.get(id).list.as_ref().unwrap().relation.clone();
    assert_eq!(relation(list), ListRel::Set);
    assert_eq!(relation(whole), ListRel::Atomic);
    let map_relation = |id| schema.get(id).map.as_ref().unwrap().relation;
    assert_eq!(map_relation(map), MapRel::Separable);
    assert_eq!(map_relation(whole_map), MapRel::Atomic);
}

#[test]
fn a_foreign_id_accepts_nothing() {
    let schema = Schema::untyped();
    assert!(schema.is_empty());
    assert!(schema.get(TypeId::UNTYPED_DEDUCED).map.is_some());
    let mut b = Builder::new();
    let foreign = b.add(Atom::scalar(Scalar::String));
    assert!(schema.get(foreign).scalar.is_none());
}
