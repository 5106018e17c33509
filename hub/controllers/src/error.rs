//! Why a reconcile did not come to its end.

use roadstead_store::records::Unreadable;
use roadstead_store::{CommitError, InvalidKey};

/// Why a reconcile did not come to its end. It is tried again, later and later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not take it.
    #[error("failed to commit")]
    Commit(#[from] CommitError),
    /// A record in the store is damaged.
    #[error("failed to read a record")]
    Record(#[from] Unreadable),
    /// A value cannot be written as JSON.
    #[error("failed to encode a record")]
    Encode(#[from] serde_json::Error),
    /// A name is none that a key can have.
    #[error("failed to make a key")]
    Key(#[from] InvalidKey),
    /// What happens in the store cannot be followed.
    #[error("more changed at once than can be followed")]
    Unwatched,
    /// Too many templates would have to be looked at.
    #[error("{0} templates would have to be looked at, and {1} may be at a time")]
    TooMany(usize, usize),
    /// What was decided woke other decisions again and again.
    #[error("after {0} rounds decisions still woke other decisions")]
    Restless(usize),
    /// Others wrote the same objects again and again meanwhile.
    #[error("gave up after {0} attempts, each of which was overtaken by another write")]
    Overtaken(u32),
}

impl Error {
    /// Whether the disk did not take it: there is no use in trying again before it takes something.
    pub(crate) fn refused(&self) -> bool {
        matches!(self, Self::Commit(CommitError::Unavailable(_)))
    }

    /// Whether another write got in between, so that reading anew may help at once.
    pub(crate) fn overtaken(&self) -> bool {
        matches!(self, Self::Commit(CommitError::Conflict { .. }))
    }
}
