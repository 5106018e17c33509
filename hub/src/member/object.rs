//! Reading and writing Kubernetes objects as JSON values.
//!
//! Total: what is missing or of another type reads as empty.

use jiff::Timestamp;
use roadstead_protocol::wire::Digest;
use serde_json::{Map, Value, json};

/// A string; empty where there is none.
pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A number.
pub(super) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// A truth value; false where there is none.
pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object
        .pointer(pointer)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

/// A list; empty where there is none.
pub(super) fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(super) fn generation(object: &Value) -> i64 {
    number(object, "/metadata/generation").unwrap_or_default()
}

pub(super) fn is_deleting(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}

pub(super) fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(object, "/metadata/finalizers")
        .iter()
        .any(|f| f == finalizer)
}

/// Takes a finalizer away.
pub(super) fn remove_finalizer(object: &mut Value, finalizer: &str) {
    if let Some(Value::Array(finalizers)) = object.pointer_mut("/metadata/finalizers") {
        finalizers.retain(|f| f != finalizer);
    }
}

/// The uids of the object's owners.
pub(super) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "/metadata/ownerReferences")
        .iter()
        .map(|owner| text(owner, "/uid"))
}

/// The owner that controls the object: its kind, name and uid.
pub(super) fn controller(object: &Value) -> Option<(&str, &str, &str)> {
    let owner = list(object, "/metadata/ownerReferences")
        .iter()
        .find(|o| flag(o, "/controller"))?;
    Some((
        text(owner, "/kind"),
        text(owner, "/name"),
        text(owner, "/uid"),
    ))
}

/// The reference of a controlling owner.
pub(super) fn controlled_by(api_version: &str, kind: &str, owner: &Value) -> Value {
    json!([{
        "apiVersion": api_version, "kind": kind, "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// A time as Kubernetes writes it: UTC, whole seconds.
pub(super) fn timestamp(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}

/// The map at `path` of `object`, made where it is missing.
pub(super) fn map<'v>(object: &'v mut Value, path: &[&str]) -> &'v mut Map<String, Value> {
    let mut at = as_map(object);
    for field in path {
        at = as_map(
            at.entry(*field)
                .or_insert_with(|| Value::Object(Map::new())),
        );
    }
    at
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("it was made a map just above")
        }
    }
}

/// Puts a string at `path`.
pub(super) fn set(object: &mut Value, path: &[&str], field: &str, value: impl Into<Value>) {
    map(object, path).insert(field.to_owned(), value.into());
}

/// Characters that make no words.
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// `bytes` as text for a name.
pub(super) fn safe(bytes: &[u8]) -> String {
    let of = |byte: &u8| {
        SAFE.get(usize::from(*byte) % SAFE.len())
            .copied()
            .map_or('x', char::from)
    };
    bytes.iter().map(of).collect()
}

/// A short name for a content: equal for equal contents.
pub(super) fn short_hash(content: &Value) -> String {
    let Digest(hash) = Digest::of(content.to_string().as_bytes());
    safe(
        hash.first_chunk::<10>()
            .map_or(&[], |chunk| chunk.as_slice()),
    )
}

/// One condition of a status.
pub(super) struct Condition<'c> {
    pub(super) kind: &'c str,
    pub(super) status: bool,
    pub(super) reason: &'c str,
    pub(super) message: String,
}

/// `old`'s conditions with these put in, each with its time of transition; the times of what is as
/// it was stay. Kinds whose conditions have a `lastUpdateTime` say so.
pub(super) fn conditions(
    old: &Value,
    new: &[Condition<'_>],
    now: Timestamp,
    updated: bool,
) -> Value {
    let mut all = list(old, "/status/conditions").to_vec();
    for Condition {
        kind,
        status,
        reason,
        message,
    } in new
    {
        let status = if *status { "True" } else { "False" };
        let at = all.iter().position(|c| text(c, "/type") == *kind);
        let former = at.and_then(|at| all.get(at));
        let same_status = former.filter(|f| text(f, "/status") == status);
        let same = same_status
            .is_some_and(|f| text(f, "/reason") == *reason && text(f, "/message") == message);
        if same {
            continue;
        }
        let now = timestamp(now);
        let since = same_status
            .map_or(now.as_str(), |f| text(f, "/lastTransitionTime"))
            .to_owned();
        let mut condition = json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": since,
        });
        if updated {
            set(&mut condition, &[], "lastUpdateTime", now);
        }
        match at.and_then(|at| all.get_mut(at)) {
            Some(slot) => *slot = condition,
            None => all.push(condition),
        }
    }
    Value::Array(all)
}
