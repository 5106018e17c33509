//! The parts of an object that matter here, and objects without them.

use std::fmt;

use serde_json::{Map, Value};

use crate::merge::equal;

use super::{Error, entries, same_value};

/// `object` with the managed fields of `live` if it differs from it in nothing but their times.
///
/// The resource version does not count: it says which object was read, not what is in it.
#[must_use]
pub fn settle(live: &Value, object: Value) -> Value {
    let stored = managed_fields(Some(live));
    if stored.is_empty() || !entries::same_but_for_times(stored, managed_fields(Some(&object))) {
        return object;
    }
    if !same(
        Some(&without_managed_fields(live)),
        &without_managed_fields(&object),
    ) {
        return object;
    }
    with_managed_fields(object, stored.to_vec())
}

/// Refuses what an applied configuration must not have.
pub(super) fn check_config(config: &Value, expected: &str) -> Result<(), Error> {
    let found = config
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if found != expected {
        return Err(Error::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {found}, \
             expected: {expected}"
        )));
    }
    let fields = config
        .get("metadata")
        .and_then(|metadata| metadata.get("managedFields"));
    if fields.is_some_and(|fields| !fields.is_null()) {
        return Err(Error::BadRequest(
            "metadata.managedFields must be nil".to_owned(),
        ));
    }
    Ok(())
}

/// The entries of an object; none where there is no object.
pub(super) fn managed_fields(object: Option<&Value>) -> &[Value] {
    object.and_then(managed_fields_given).unwrap_or_default()
}

/// As [`managed_fields`], but `None` where the object says nothing about them.
pub(super) fn managed_fields_given(object: &Value) -> Option<&[Value]> {
    let entries = object.get("metadata")?.get("managedFields")?;
    entries.as_array().map(Vec::as_slice)
}

pub(super) fn without_managed_fields(object: &Value) -> Value {
    let Value::Object(fields) = object else {
        return object.clone();
    };
    let mut out = Map::new();
    for (name, value) in fields {
        let metadata = value.as_object().filter(|_| name == "metadata");
        let Some(metadata) = metadata else {
            out.insert(name.clone(), value.clone());
            continue;
        };
        let kept = metadata.iter().filter(|(name, _)| *name != "managedFields");
        let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
        out.insert(name.clone(), Value::Object(kept.collect()));
    }
    Value::Object(out)
}

/// No entries means no field.
pub(super) fn with_managed_fields(mut object: Value, entries: Vec<Value>) -> Value {
    let Value::Object(fields) = &mut object else {
        return object;
    };
    let metadata = fields
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    if let Value::Object(metadata) = metadata {
        if entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }
    object
}

/// `object` with `field` as it is in `source`.
pub(super) fn take_field(mut object: Value, source: Option<&Value>, field: &str) -> Value {
    if let Value::Object(fields) = &mut object {
        match source.and_then(|source| source.get(field)) {
            Some(value) => {
                fields.insert(field.to_owned(), value.clone());
            }
            None => {
                fields.remove(field);
            }
        }
    }
    object
}

/// Whether two objects without managed fields are the same but for the resource version.
pub(super) fn same(live: Option<&Value>, object: &Value) -> bool {
    let (Some(Value::Object(a)), Value::Object(b)) = (live, object) else {
        return same_value(live, Some(object));
    };
    a.len() == b.len()
        && a.iter().zip(b).all(|((name_a, a), (name_b, b))| {
            let metadata = name_a == "metadata";
            name_a == name_b
                && if metadata {
                    same_metadata(a, b)
                } else {
                    equal(a, b)
                }
        })
}

fn same_metadata(a: &Value, b: &Value) -> bool {
    let (Value::Object(a), Value::Object(b)) = (a, b) else {
        return equal(a, b);
    };
    let counts = |(name, _): &(&String, &Value)| *name != "resourceVersion";
    let (mut a, mut b) = (a.iter().filter(counts), b.iter().filter(counts));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some((name_a, a)), Some((name_b, b))) if name_a == name_b && equal(a, b) => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

/// How messages name an object: namespace, name, version and kind.
pub(super) struct Reference<'a>(pub(super) &'a Value);

impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |path: &str| {
            self.0
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let version = match text("/apiVersion") {
            core if !core.contains('/') => format!("/{core}"),
            grouped => grouped.to_owned(),
        };
        write!(f, "{namespace}/{name}; {version}, Kind={}", text("/kind"))
    }
}
