//! Whether an object has the form of its kind.
//!
//! The steps in the order in which a write takes them: [`fit`] (types of built-in fields, unknown
//! fields), [`defaults`], [`object`] (rules of custom kinds, metadata). Messages are worded as
//! Kubernetes words them, because clients show and sometimes parse them. Built-in kinds are checked
//! for the types of their fields only, and CEL rules of custom kinds are not evaluated: on the hub
//! they are templates, and the cluster that runs them has the last word.

mod builtin;
mod defaults;
mod fit;
mod formats;
mod metadata;
pub mod names;
mod numbers;
mod path;
#[cfg(test)]
mod recorded_tests;
mod structural;
#[cfg(test)]
mod tests;
mod values;

use serde_json::Value;

pub use metadata::{ANNOTATIONS_BYTES_MAX, metadata, metadata_update};
pub use path::Path;
pub use structural::{Error, Ints, Kind, ListType, Node, Structural};

use crate::resource::Resource;
use crate::status::{FieldError, FieldErrorKind};

/// A value of a type that its field cannot hold, in the words of Go's JSON decoder. A request with
/// such a value is a bad one (400), not an invalid object (422).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub String);

/// Checks the types of fields that Kubernetes decodes into Go structs (all of a built-in kind, the
/// metadata of a custom one), and removes fields that the kind does not have. Answers with the
/// paths of those, metadata first, as in `spec.plugin`.
///
/// Null values of struct fields mean that the field is absent, and are removed.
///
/// # Errors
/// When a value does not fit its field.
pub fn fit(resource: &Resource, object: &mut Value) -> Result<Vec<String>, Mismatch> {
    fit::object(resource, object)
}

/// Fills in the defaults of a custom kind. Built-in kinds are left as they were written.
pub fn defaults(resource: &Resource, object: &mut Value) {
    if let Some(structural) = &resource.structural {
        defaults::object(&structural.root, object);
    }
}

/// Faults of an object whose fields [`fit`]: of its metadata, and for custom kinds of everything
/// that the schema rules.
pub fn object(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = metadata(resource, object);
    let Some(structural) = &resource.structural else {
        return errors;
    };
    let before = errors.len();
    values::object(&structural.root, object, &mut errors);
    errors.extend(scale(resource, object));
    let blocks = |e: &FieldError| match e.kind {
        FieldErrorKind::Required
        | FieldErrorKind::NotSupported
        | FieldErrorKind::TypeInvalid
        | FieldErrorKind::TooLong
        | FieldErrorKind::TooMany => true,
        FieldErrorKind::Invalid | FieldErrorKind::Duplicate | FieldErrorKind::Forbidden => false,
    };
    if structural.has_rules && errors.iter().skip(before).any(blocks) {
        let why = "some validation rules were not checked because the object was invalid; \
                   correct the existing errors to complete validation";
        errors.push(FieldError::invalid("<nil>", &Value::Null, why));
    }
    errors
}

/// Replicas that the scale subresource shows cannot be negative.
fn scale(resource: &Resource, object: &Value) -> Option<FieldError> {
    let path = &resource.scale.as_ref()?.spec_replicas;
    let pointer = path.replace('.', "/");
    let value = object.pointer(&pointer)?;
    let negative = value.as_i64().is_some_and(|n| n < 0);
    negative.then(|| FieldError::invalid(path.clone(), value, "should be a non-negative integer"))
}
