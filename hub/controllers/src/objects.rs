//! Kubernetes objects in the store: reading them, and writing a status beside what people wrote.

use bytes::Bytes;
use roadstead_protocol::api::condition::{self, Condition, ConditionStatus};
use roadstead_store::records::{Unreadable, decode, encode};
use roadstead_store::{Check, Entry, Txn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::Error;

/// The object of an entry.
pub(crate) fn object(entry: &Entry) -> Result<Value, Unreadable> {
    decode(entry)
}

/// The object of an entry as a kind's type.
pub(crate) fn typed<T: DeserializeOwned>(entry: &Entry) -> Result<T, Unreadable> {
    decode(entry)
}

/// The value of `object`, for the store.
pub(crate) fn bytes<T: Serialize>(object: &T) -> Result<Bytes, Error> {
    Ok(encode(object)?)
}

/// The text at a JSON pointer; empty where there is none.
pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A transaction that gives the object of `entry` this status; `None` where it has it already.
/// Fields of the status that `status` does not know are left as they are.
pub(crate) fn status_txn<T: Serialize>(entry: &Entry, status: &T) -> Result<Option<Txn>, Error> {
    let mut object = object(entry)?;
    let Value::Object(new) = serde_json::to_value(status)? else {
        return Ok(None);
    };
    let Some(fields) = object.as_object_mut() else {
        return Ok(None);
    };
    let there = fields
        .entry("status")
        .or_insert_with(|| Value::Object(Map::new()));
    if there.as_object() == Some(&new) {
        return Ok(None);
    }
    *there = Value::Object(new);
    let txn = Txn::new()
        .check(Check::At(entry.key.clone(), entry.revision))
        .put(entry.key.clone(), bytes(&object)?);
    Ok(Some(txn))
}

/// A condition whose status or reason changed.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// What its status was, if it was there.
    pub(crate) was: Option<ConditionStatus>,
    /// What it is now.
    pub(crate) now: Condition,
}

/// Sets each of `new` among `conditions`, and says whose status or reason changed.
pub(crate) fn set_all(
    conditions: &mut Vec<Condition>,
    new: Vec<Condition>,
    now: jiff::Timestamp,
) -> Vec<Turn> {
    let mut turned = Vec::new();
    for condition in new {
        let former = condition::find(conditions, &condition.kind);
        let was = former.map(|former| former.status);
        let turns =
            former.is_none_or(|f| f.status != condition.status || f.reason != condition.reason);
        if turns {
            turned.push(Turn {
                was,
                now: condition.clone(),
            });
        }
        condition::set(conditions, condition, now);
    }
    turned
}
