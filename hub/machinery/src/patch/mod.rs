//! The three patches that are not apply: JSON patch, JSON merge patch, strategic merge patch.
//!
//! They change objects and know nothing of managed fields, defaults or validation.

mod bounds;
mod json;
mod order;
mod strategic;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::schema::{Schema, TypeId};

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The patch is not one (status 400).
    #[error("{0}")]
    Malformed(String),
    /// An operation does not fit the object (status 422).
    #[error("{0}")]
    Failed(String),
    /// There are more operations than [`MAX_OPERATIONS`] (status 413).
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooManyOperations(usize),
    /// More than [`MAX_COPIED_BYTES`] would be copied, or moved deeper (status 413).
    #[error("the copies of a JSON patch may have {MAX_COPIED_BYTES} bytes in all")]
    TooMuchCopied,
}

/// The most operations that a JSON patch may have.
pub const MAX_OPERATIONS: usize = 10_000;

/// The most bytes that one JSON patch may copy, or move deeper, about as JSON counts them.
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// Applies the RFC 6902 operations `patch` to `object`.
///
/// # Errors
/// When the operations cannot be read, are too many, or one of them fails.
pub fn json(object: &Value, patch: &Value) -> Result<Value, Error> {
    json::apply(object, patch)
}

/// Merges `patch` into `object` by RFC 7396.
///
/// # Errors
/// When `patch` is not an object: such a patch would replace the whole.
pub fn merge(object: &Value, patch: &Value) -> Result<Value, Error> {
    if !patch.is_object() {
        let found = json::go_kind(patch);
        return Err(Error::Malformed(format!(
            "error decoding patch: json: cannot unmarshal {found} into Go value of type \
             map[string]interface {{}}"
        )));
    }
    let mut object = object.clone();
    json_patch::merge(&mut object, patch);
    Ok(object)
}

/// Merges `patch` into `object` with lists merged as the schema says, and directives (`$patch`,
/// `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`).
///
/// # Errors
/// When a directive or an item is not what the schema allows.
pub fn strategic(
    schema: &Schema,
    ty: TypeId,
    object: &Value,
    patch: &Value,
) -> Result<Value, Error> {
    strategic::apply(schema, ty, object, patch)
}
