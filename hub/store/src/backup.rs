//! A backup: all of a store at one revision, as one stream that proves itself whole.
//!
//! [`MAGIC`], the format's version, then pieces, each a length (4 bytes, big endian) and postcard: a
//! head, entries in the order of their keys, an end that counts them and has the blake3 digest of
//! everything before it. What is released never changes; pieces are only appended. This module reads
//! and writes bytes: where they go, and how they are sealed on the way, is others' business.

mod read;
mod write;

use imbl::OrdMap;
use roadstead_protocol::wire::{Lineage, Revision};
use serde::{Deserialize, Serialize};

use crate::{Entry, InvalidKey, Key, MAX_KEY_BYTES, MAX_VALUE_BYTES};

pub use read::Reader;
pub use write::Backup;

/// What a backup begins with.
pub const MAGIC: &[u8; 16] = b"roadstead-backup";
/// The present version of the format.
const VERSION: u8 = 1;
/// Longest piece, in bytes.
const PIECE_BYTES_MAX: usize = MAX_VALUE_BYTES + MAX_KEY_BYTES + 256 * 1024;
/// A piece of entries that is so long takes no more, in bytes.
const PIECE_BYTES: usize = 256 * 1024;
/// Longest name of a release, in bytes.
const RELEASE_BYTES_MAX: usize = 128;

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The release of the hub that made it.
    pub release: String,
    /// When, in microseconds since 1970, by that hub's clock.
    pub taken_micros: i64,
    /// The last revision that is in it.
    pub revision: Revision,
    /// The history that leads there; its last epoch lived when the backup was made.
    pub lineage: Lineage,
}

/// Everything that is in a backup.
#[derive(Clone, Debug)]
pub struct Contents {
    /// What it is of.
    pub head: Head,
    /// The entries.
    pub entries: OrdMap<Key, Entry>,
}

/// What a stream consists of. Variants are only appended.
#[derive(Serialize, Deserialize)]
enum Piece {
    Head(Head),
    Entries(Vec<Record>),
    End(End),
}

#[derive(Serialize, Deserialize)]
struct Record {
    key: String,
    created: Revision,
    revision: Revision,
    value: bytes::Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    entries: u64,
    bytes: u64,
    digest: [u8; 32],
}

/// Why something is no backup, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It does not begin as a backup does.
    #[error("it is no backup of a Roadstead hub")]
    Magic,
    /// A later release made it.
    #[error("it has version {0}, which this release does not know; use the release that made it")]
    Version(u8),
    /// A piece is longer than any of ours.
    #[error("a piece is said to have {bytes} bytes; at most {PIECE_BYTES_MAX} are allowed")]
    Long {
        /// How long.
        bytes: usize,
    },
    /// A piece makes no sense.
    #[error("a piece makes no sense")]
    Piece,
    /// Something is where it must not be.
    #[error("{0}")]
    Order(&'static str),
    /// A key that no store has.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// It is larger than any store.
    #[error("it holds more than {limit} bytes, which no store does")]
    Large {
        /// How many are allowed.
        limit: usize,
    },
    /// It ends before its end.
    #[error("it is cut short: its end is missing")]
    Cut,
    /// It was changed.
    #[error("its digest is wrong: it was changed or damaged")]
    Digest,
}

#[cfg(test)]
mod tests;
