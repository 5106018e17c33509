//! Facts about the built-in kinds.

/// Why the embedded tables cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line does not have the form that the generator writes.
    #[error("failed to parse line {0}")]
    Line(usize),
}
