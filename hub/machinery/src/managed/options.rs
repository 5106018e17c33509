//! What a write says about itself, and what can be wrong with it.

use jiff::Timestamp;
use serde_json::Value;

/// Who writes, how, and when.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Name of the manager; an empty one is recorded as `unknown`.
    pub manager: &'a str,
    /// The group and version that the request speaks, as in `apps/v1`.
    pub api_version: &'a str,
    /// The subresource written to, as in `status`; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the request; entries keep whole seconds.
    pub now: Timestamp,
    /// Whether an apply takes fields that others own.
    pub force: bool,
    /// The fields that this endpoint ignores: nobody comes to own them through it, and an apply
    /// leaves them as they are.
    pub reset: Reset,
}

/// The fields that an endpoint ignores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// None.
    #[default]
    Nothing,
    /// `status`: the object itself, of a kind with a status subresource.
    Status,
    /// All but `status`: the status subresource.
    AllButStatus,
}

/// The outcome of an apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The merged object, with `metadata.managedFields` up to date.
    pub object: Value,
    /// Whether it differs from the live object, so that it has to be written. Times of entries do
    /// not count.
    pub changed: bool,
}

/// A field that an apply would change although another manager owns it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Text about the owner, as clients show it: `conflict with "m" using v1`.
    pub message: String,
    /// Path of the field, as in `.spec.replicas`.
    pub field: String,
}

/// Why a write cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Others own fields that the apply would change. The text is what Kubernetes says.
    #[error("{message}")]
    Conflicts {
        /// The whole message, as in `Apply failed with 1 conflict: …`.
        message: String,
        /// One per field and manager, for the causes of the status.
        conflicts: Vec<Conflict>,
    },
    /// The request itself is wrong (status 400).
    #[error("{0}")]
    BadRequest(String),
    /// An object does not fit the schema (Kubernetes answers 500).
    #[error("{0}")]
    Schema(String),
}
