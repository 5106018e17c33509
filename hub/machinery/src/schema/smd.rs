//! Test schemas, in the form that the structured-merge-diff tests write them.

use serde_json::Value;

use super::{Atom, Builder, Field, List, ListRel, Map, MapRel, Scalar, Schema, TypeId};

/// Reads a schema. Whatever is not understood becomes a type that accepts nothing.
pub(crate) fn load(schema: &Value) -> Schema {
    let mut builder = Builder::new();
    for ty in list(schema, "types") {
        let name = text(ty, "name").unwrap();
        if let Some(id) = prelude(name) {
            let named = builder.declare(name);
            builder.set_alias(named, id);
            continue;
        }
        let atom = atom(&mut builder, ty);
        builder.define(name, atom);
    }
    builder.build().unwrap()
}

fn prelude(name: &str) -> Option<TypeId> {
    match name {
        "__untyped_atomic_" => Some(TypeId::UNTYPED_ATOMIC),
        "__untyped_deduced_" => Some(TypeId::UNTYPED_DEDUCED),
        _ => None,
    }
}

fn reference(builder: &mut Builder, ty: &Value) -> TypeId {
    let inline = atom(builder, ty);
    let is_scalar = inline.scalar.is_some();
    let target = match text(ty, "namedType") {
        Some(name) => prelude(name).unwrap_or_else(|| builder.declare(name)),
        None => builder.add(inline),
    };
    match text(ty, "elementRelationship") {
        None => target,
        // Only lists and maps have a relationship to override.
        Some(_) if is_scalar => builder.add(Atom::default()),
        Some(relation) => builder.with_atomicity(target, relation == "atomic"),
    }
}

fn atom(builder: &mut Builder, ty: &Value) -> Atom {
    let list = ty.get("list").map(|l| {
        let keys: Vec<_> = list(l, "keys")
            .iter()
            .map(|k| k.as_str().unwrap().into())
            .collect();
        let relation = match text(l, "elementRelationship") {
            Some("associative") if keys.is_empty() => ListRel::Set,
            Some("associative") => ListRel::Map { keys },
            _ => ListRel::Atomic,
        };
        let element = reference(builder, &l["elementType"]);
        List { element, relation }
    });
    let map = ty.get("map").map(|m| {
        let fields = self::list(m, "fields").iter().map(|f| {
            let field = Field::new(text(f, "name").unwrap(), reference(builder, &f["type"]));
            match f.get("default") {
                Some(default) => field.with_default(default.clone()),
                None => field,
            }
        });
        let fields = fields.collect();
        let element = m.get("elementType").map(|e| reference(builder, e));
        let relation = match text(m, "elementRelationship") {
            Some("atomic") => MapRel::Atomic,
            _ => MapRel::Separable,
        };
        Map::new(fields, element, relation)
    });
    let scalar = match text(ty, "scalar") {
        Some("numeric") => Some(Scalar::Number),
        Some("string") => Some(Scalar::String),
        Some("boolean") => Some(Scalar::Boolean),
        Some("untyped") => Some(Scalar::Untyped),
        _ => None,
    };
    Atom { scalar, list, map }
}

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field)?.as_str()
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
