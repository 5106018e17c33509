//! Changes of an object's own labels and annotations.

use roadstead_protocol::api::policy::OverrideOp;
use serde_json::{Map, Value};

use super::rule::{Keys, KeysEdit};

/// Why labels or annotations cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object has something else in their place.
    #[error("{0} of the object is not a map")]
    NotAMap(&'static str),
}

/// Changes them; `filled` are the edit's keys with their values filled in.
///
/// # Errors
/// When the object has something else in their place.
pub(super) fn change(
    object: &mut Value,
    edit: &KeysEdit,
    filled: &[(&str, String)],
) -> Result<(), Error> {
    let field = match edit.of {
        Keys::Labels => "labels",
        Keys::Annotations => "annotations",
    };
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let metadata = metadata.ok_or(Error::NotAMap("metadata"))?;
    let map = metadata.entry(field).or_insert(Value::Null);
    if map.is_null() {
        *map = Value::Object(Map::new());
    }
    let map = map.as_object_mut().ok_or(Error::NotAMap(field))?;
    for (key, value) in filled {
        match edit.op {
            OverrideOp::Add => {
                map.insert((*key).to_owned(), value.as_str().into());
            }
            OverrideOp::Replace => {
                if let Some(there) = map.get_mut(*key) {
                    *there = value.as_str().into();
                }
            }
            OverrideOp::Remove => {
                map.remove(*key);
            }
        }
    }
    if map.is_empty() {
        metadata.remove(field);
    }
    Ok(())
}
