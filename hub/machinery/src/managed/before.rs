//! The first apply to an object that nobody tracked before.

use serde_json::Value;

use crate::merge::Typed;

use super::entries::Managed;
use super::{Error, Write};

/// Who owns what was there before anybody applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

impl Write<'_> {
    /// With an owner for everything that `live` has, unless there are owners already.
    pub(super) fn before_first_apply(
        &self,
        live: &Typed<'_>,
        managed: Managed,
    ) -> Result<Managed, Error> {
        if !managed.is_empty() || live.value().is_null() {
            return Ok(managed);
        }
        let empty: Option<&Value> = None;
        self.update(empty, live.value(), managed, BEFORE_FIRST_APPLY)
            .map_err(|e| {
                Error::Schema(format!("failed to create manager for existing fields: {e}"))
            })
    }
}
