//! Conversion between the versions of a kind.

use crate::merge::{Convert, ConvertError, Typed};

/// The versions of one group have the same fields; those of other groups do not exist.
pub(super) struct SameGroup<'a>(
    /// A version of the group, as in `apps/v1`.
    pub(super) &'a str,
);

impl<'s> Convert<'s> for SameGroup<'_> {
    fn convert(&self, object: &Typed<'s>, version: &str) -> Result<Typed<'s>, ConvertError> {
        if group(version) == group(self.0) {
            return Ok(object.clone());
        }
        Err(ConvertError::NoSuchVersion)
    }
}

fn group(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}
