//! Kubernetes objects in the store: reading them, and writing a status beside what people wrote.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use roadstead_protocol::api::condition::{self, Condition, ConditionStatus};
use roadstead_store::records::{Unreadable, decode, encode};
use roadstead_store::{Check, Entry, Txn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

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

/// The fields of an object as they stand in the store: who exchanges one leaves the others unread, which
/// is most of the work where there are many.
pub(crate) struct Fields<'e>(BTreeMap<String, Cow<'e, RawValue>>);

impl<'e> Fields<'e> {
    /// Those of an entry.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub(crate) fn of(entry: &'e Entry) -> Result<Self, Unreadable> {
        let fields = serde_json::from_slice::<BTreeMap<String, &RawValue>>(&entry.value);
        let fields = fields.map_err(|source| Unreadable {
            key: entry.key.clone(),
            source,
        })?;
        let fields = fields.into_iter();
        Ok(Self(
            fields
                .map(|(name, raw)| (name, Cow::Borrowed(raw)))
                .collect(),
        ))
    }

    /// A field, read; null where there is none.
    pub(crate) fn get(&self, name: &str) -> Value {
        // It was read as JSON before.
        let read = |raw: &Cow<'_, RawValue>| serde_json::from_str(raw.get()).ok();
        self.0.get(name).and_then(read).unwrap_or_default()
    }

    /// Puts a field in the place of what there was. Whether that said something else.
    ///
    /// # Errors
    /// When `field` cannot be JSON.
    pub(crate) fn set<T: Serialize>(&mut self, name: &str, field: &T) -> Result<bool, Error> {
        let new = to_raw_value(field)?;
        if let Some(old) = self.0.get(name)
            && (old.get() == new.get()
                || self.get(name) == serde_json::from_str::<Value>(new.get())?)
        {
            return Ok(false);
        }
        self.0.insert(name.to_owned(), Cow::Owned(new));
        Ok(true)
    }

    /// Puts a field in the place of what there was, whatever that said.
    ///
    /// # Errors
    /// When `field` cannot be JSON.
    pub(crate) fn put<T: Serialize>(&mut self, name: &str, field: &T) -> Result<(), Error> {
        let new = to_raw_value(field)?;
        self.0.insert(name.to_owned(), Cow::Owned(new));
        Ok(())
    }

    /// The object, for the store.
    pub(crate) fn bytes(&self) -> Result<Bytes, Error> {
        let fields: BTreeMap<&str, &RawValue> = (self.0.iter())
            .map(|(name, raw)| (name.as_str(), &**raw))
            .collect();
        bytes(&fields)
    }
}

/// A transaction that gives the object of `entry` this status; `None` where it has it already.
/// Fields of the status that `status` does not know are left out.
pub(crate) fn status_txn<T: Serialize>(entry: &Entry, status: &T) -> Result<Option<Txn>, Error> {
    let mut fields = Fields::of(entry)?;
    if !fields.set("status", status)? {
        return Ok(None);
    }
    let txn = Txn::new()
        .check(Check::At(entry.key.clone(), entry.revision))
        .put(entry.key.clone(), fields.bytes()?);
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

#[cfg(test)]
mod tests {
    use roadstead_store::{Key, Op, Revision};
    use serde_json::json;

    use super::*;

    fn entry(text: &str) -> Entry {
        Entry {
            key: Key::parse("/k").unwrap(),
            created: Revision(1),
            revision: Revision(1),
            value: text.to_owned().into(),
        }
    }

    /// What a status makes of an object; `None` where it has it already.
    fn with(text: &str, status: &Value) -> Option<String> {
        let txn = status_txn(&entry(text), status).unwrap()?;
        let values = txn.ops.into_iter().filter_map(|op| match op {
            Op::Put { value, .. } => Some(String::from_utf8(value.to_vec()).unwrap()),
            Op::Delete { .. } => None,
        });
        values.last()
    }

    #[test]
    fn a_status_is_exchanged_and_all_else_stays_as_it_was_written() {
        let text = r#"{"spec": {"n": 1.0, "b": 2, "a": "\u00fc"}, "kind":"X"}"#;
        let now = with(text, &json!({"ready": true})).unwrap();
        let expected =
            r#"{"kind":"X","spec":{"n": 1.0, "b": 2, "a": "\u00fc"},"status":{"ready":true}}"#;
        assert_eq!(now, expected);
    }

    #[test]
    fn the_same_status_in_another_order_is_the_same() {
        let status = json!({"a": 1, "b": {"c": [1, 2], "d": null}});
        for same in [
            r#"{"status":{"a":1,"b":{"c":[1,2],"d":null}}}"#,
            r#"{"status": {"b": {"d": null, "c": [1, 2]}, "a": 1}, "kind": "X"}"#,
        ] {
            assert_eq!(with(same, &status), None, "{same}");
        }
        for other in [
            r#"{"status":{"a":1}}"#,
            r#"{"kind":"X"}"#,
            r#"{"status":null}"#,
        ] {
            let now: Value = serde_json::from_str(&with(other, &status).unwrap()).unwrap();
            assert_eq!(now["status"], status, "{other}");
        }
        assert!(status_txn(&entry("[]"), &status).is_err());
    }
}
