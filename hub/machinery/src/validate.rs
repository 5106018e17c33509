//! Validation.

/// A structural schema.
#[derive(Clone, Debug, Default)]
pub struct Structural {}
