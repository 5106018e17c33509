//! What can go wrong, in words for the one who has to act.

use roadstead_protocol::wire::Revision;

use crate::Key;

/// Why a transaction did not happen (or, for [`CommitError::Unavailable`], may not have happened).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A check failed, or a key to be deleted is not there.
    #[error("conflict on {key}: {}", match actual { Some(r) => format!("it is at revision {r}"), None => "it does not exist".to_owned() })]
    Conflict {
        /// Where.
        key: Key,
        /// What its revision is; `None` where there is nothing.
        actual: Option<Revision>,
    },
    /// The transaction is beyond a bound.
    #[error("transaction too large: {size} {what}, at most {limit} are allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        size: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The disk did not take it. Reads go on; the store reopens its file by itself.
    #[error("the store cannot write: {0}")]
    Unavailable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a store does not open. Nothing was changed or created over what is there.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file.
    #[error(
        "the store's file is already in use by another process; stop that hub first, or give this one a data folder of its own"
    )]
    InUse,
    /// The file is not readable as what it should be.
    #[error(
        "the store's file is damaged ({detail}); it is left as it is: put a copy from a backup in its place, or move it away to begin with an empty hub"
    )]
    Damaged {
        /// What was found.
        detail: String,
    },
    /// The file was written by a newer release.
    #[error(
        "the store's file was written by a newer release ({detail}); run that release, or put a copy from a backup in its place"
    )]
    Newer {
        /// What was found.
        detail: String,
    },
    /// Its records are sealed, and the key is not here or opens nothing.
    #[error(
        "the store's file is sealed ({detail}); it is left as it is: give the key file that it was sealed with, with --key-file (after a rotation the former key has to stay in it)"
    )]
    Sealed {
        /// What was found.
        detail: String,
    },
    /// The disk failed.
    #[error("the store's file cannot be opened or written: {0}")]
    Disk(String),
    /// The wall clock cannot be right.
    #[error("the wall clock says {0}, which cannot be right; set the clock, then start again")]
    Clock(jiff::Timestamp),
}

/// The revision asked for is no longer, or not yet, or never was in the history that is kept:
/// HTTP 410. Read anew and go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revision {asked} is not in the history that is kept ({oldest} to {newest})")]
pub struct Compacted {
    /// What was asked for.
    pub asked: Revision,
    /// The oldest revision that can be asked for.
    pub oldest: Revision,
    /// The newest revision there is.
    pub newest: Revision,
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchEnd {
    /// The reader was so slow that the history has moved past it. Read anew.
    #[error("the reader fell behind the history that is kept")]
    Expired,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
