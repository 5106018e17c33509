//! Reading and writing the metadata of an object that is a JSON value.

use roadstead_protocol::wire::Revision;
use serde_json::{Map, Value};

/// A string in `metadata`; empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    get(object, field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The object's name.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "name")
}

/// A field of `metadata`.
pub(crate) fn get<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.get("metadata")?.get(field)
}

/// `metadata` to write to; what is there and is no map is replaced.
pub(crate) fn of(object: &mut Value) -> &mut Map<String, Value> {
    map(root(object), "metadata")
}

/// The object itself to write to.
pub(crate) fn root(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    match object {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("made a map just above")
        }
    }
}

/// The map under `field`, made if it is missing.
pub(crate) fn map<'a>(
    parent: &'a mut Map<String, Value>,
    field: &str,
) -> &'a mut Map<String, Value> {
    let child = parent
        .entry(field)
        .or_insert_with(|| Value::Object(Map::new()));
    root(child)
}

/// Puts a field of `metadata`, or takes it away.
pub(crate) fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let metadata = of(object);
    match value {
        Some(value) => {
            metadata.insert(field.to_owned(), value);
        }
        None => {
            metadata.remove(field);
        }
    }
}

/// Puts the revision that an object was read at.
pub(crate) fn set_revision(object: &mut Value, revision: Revision) {
    set(object, "resourceVersion", Some(revision.to_string().into()));
}

/// The finalizers.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    let list = get(object, "finalizers").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Whether a deletion is under way.
pub(crate) fn is_deleting(object: &Value) -> bool {
    get(object, "deletionTimestamp").is_some_and(|v| !v.is_null())
}

/// How often what is wanted has changed; 0 if the kind does not count.
pub(crate) fn generation(object: &Value) -> i64 {
    get(object, "generation")
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// A time as Kubernetes writes it: UTC, whole seconds.
pub(crate) fn timestamp(now: jiff::Timestamp) -> String {
    let whole = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
    whole.to_string()
}
