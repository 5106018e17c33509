//! What can go wrong with the agent's disk, and what to do about it.

use std::path::PathBuf;

use redb::{DatabaseError, StorageError};

use super::record::RecordError;

/// Why the agent's database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the agent's data is in use by another process: one folder, one agent; stop the other one or give this one a folder of its own"
    )]
    InUse,
    /// Its bytes are damaged.
    #[error(
        "the agent's data is damaged ({detail}); it is left as it is. Keep a copy, then either put back a good copy, or move the folder away and join this cluster again with `roadstead join` (what runs on the member goes on running)"
    )]
    Damaged {
        /// In redb's words.
        detail: String,
    },
    /// A record in it cannot be read.
    #[error(
        "the agent's data holds a record that cannot be read (table {table}, record {record}): {source}. It is left as it is. Start the release that wrote it, or move the folder away and join this cluster again with `roadstead join` (what runs on the member goes on running)"
    )]
    Record {
        /// Of which table.
        table: &'static str,
        /// Which record.
        record: String,
        /// Why.
        source: RecordError,
    },
    /// A record in it is sealed, and the key is not here or opens nothing.
    #[error(
        "the agent's data is sealed (table {table}, record {record}: {source}). It is left as it is: give the key file that it was sealed with, with --key-file (after a rotation the former key has to stay in it)"
    )]
    Sealed {
        /// Of which table.
        table: &'static str,
        /// Which record.
        record: String,
        /// Why.
        source: RecordError,
    },
    /// There is no room to seal what is in it.
    #[error(
        "the agent's data could not be sealed anew, which needs as much room again as it takes: {0}"
    )]
    Renewal(#[source] Box<Self>),
    /// Another redb wrote it.
    #[error(
        "the agent's data was written by another release (file format {0}): start that release"
    )]
    Format(u8),
    /// The operating system does not let us.
    #[error("the agent's data cannot be opened: {0}")]
    Io(#[source] std::io::Error),
    /// The folder cannot be used.
    #[error("{path} cannot be used: {source}", path = path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else.
    #[error("the agent's data cannot be opened: {0}")]
    Other(String),
}

impl OpenError {
    /// That a record cannot be read.
    pub(super) fn record(table: &'static str, record: String, source: RecordError) -> Self {
        match source {
            RecordError::Sealed(_) | RecordError::Seal(_) => Self::Sealed {
                table,
                record,
                source,
            },
            RecordError::Short | RecordError::Version(_) | RecordError::Bytes => Self::Record {
                table,
                record,
                source,
            },
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "redb's enum grows")]
impl From<DatabaseError> for OpenError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::InUse,
            DatabaseError::UpgradeRequired(format) => Self::Format(format),
            DatabaseError::RepairAborted => Self::Damaged {
                detail: "its repair was not possible".to_owned(),
            },
            DatabaseError::Storage(error) => error.into(),
            other => Self::Other(other.to_string()),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "redb's enum grows")]
impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Corrupted(detail) => Self::Damaged { detail },
            // redb says so of a file that does not begin as its own files do.
            StorageError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Self::Damaged {
                    detail: error.to_string(),
                }
            }
            StorageError::Io(error) => Self::Io(error),
            other => Self::Other(other.to_string()),
        }
    }
}

/// Why the disk did not take or give something. Trying again later may help: the database is opened
/// anew each time after an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// The disk is full, failing or away.
    #[error("the agent's disk does not work: {0}")]
    Unavailable(String),
    /// The agent is going down.
    #[error("the agent's disk is closed")]
    Closed,
}
