//! What is written, what is read, and what is told about it.

use bytes::Bytes;
use roadstead_protocol::wire::Revision;

use crate::{CommitError, Key, MAX_TXN_BYTES, MAX_TXN_OPS, MAX_VALUE_BYTES};

/// A key's current value. Cheap to clone, and cheap to compare where both are of one store.
#[derive(Clone, Debug, Eq)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// The revision that created it, after its last deletion if there was one.
    pub created: Revision,
    /// The revision that wrote it last.
    pub revision: Revision,
    /// The bytes.
    pub value: Bytes,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        let shared = self.value.as_ptr() == other.value.as_ptr();
        (self.revision, self.created) == (other.revision, other.created)
            && self.key == other.key
            && self.value.len() == other.value.len()
            && (shared || self.value == other.value)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Creates or overwrites.
    Put {
        /// Where.
        key: Key,
        /// What.
        value: Bytes,
    },
    /// Removes. The key must be there.
    Delete {
        /// Where.
        key: Key,
    },
}

/// What must be so for a transaction to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing has this key.
    Absent(Key),
    /// The key's entry was written last by exactly this revision.
    At(Key, Revision),
    /// Something has this key.
    Exists(Key),
}

impl Check {
    /// That `key` has what was read there, or still nothing.
    pub fn as_read(key: &Key, read: Option<&Entry>) -> Self {
        match read {
            Some(entry) => Self::At(key.clone(), entry.revision),
            None => Self::Absent(key.clone()),
        }
    }
}

/// Changes that happen all or not at all, if all the checks hold.
///
/// Bounds: [`MAX_TXN_OPS`] changes, as many checks, [`MAX_TXN_BYTES`] of keys and values, and
/// [`MAX_VALUE_BYTES`] per value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// Checked first, against what is there before the changes.
    pub checks: Vec<Check>,
    /// Done in this order.
    pub ops: Vec<Op>,
}

impl Txn {
    /// An empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds a put.
    #[must_use]
    pub fn put(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.ops.push(Op::Put {
            key,
            value: value.into(),
        });
        self
    }

    /// Adds a deletion.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.ops.push(Op::Delete { key });
        self
    }

    /// Bytes of keys and values, what the bound counts.
    pub fn bytes(&self) -> usize {
        self.ops.iter().map(Op::bytes).sum()
    }

    /// Refuses what is beyond the bounds.
    pub(crate) fn bounded(&self) -> Result<(), CommitError> {
        let refuse = |what, size, limit| Err(CommitError::TooLarge { what, size, limit });
        let count = self.ops.len().max(self.checks.len());
        if count > MAX_TXN_OPS {
            return refuse("operations", count, MAX_TXN_OPS);
        }
        let largest = self
            .ops
            .iter()
            .map(|op| op.value().len())
            .max()
            .unwrap_or(0);
        if largest > MAX_VALUE_BYTES {
            return refuse("bytes of one value", largest, MAX_VALUE_BYTES);
        }
        match self.bytes() {
            bytes if bytes > MAX_TXN_BYTES => refuse("bytes", bytes, MAX_TXN_BYTES),
            _ => Ok(()),
        }
    }
}

impl Op {
    /// The key that it changes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    fn value(&self) -> &[u8] {
        match self {
            Self::Put { value, .. } => value,
            Self::Delete { .. } => &[],
        }
    }

    fn bytes(&self) -> usize {
        self.key().as_str().len() + self.value().len()
    }
}

/// Where a transaction stands in the history: operation `i` has revision `first + i`.
///
/// For a transaction without changes both are the newest revision it was checked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Of the first change.
    pub first: Revision,
    /// Of the last change.
    pub last: Revision,
}

/// One change, as watchers see it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in the history.
    pub revision: Revision,
    /// Where.
    pub key: Key,
    /// What is there now; `None` after a deletion.
    pub new: Option<Entry>,
    /// What was there before; `None` for a creation.
    pub previous: Option<Entry>,
}

impl Event {
    /// What it costs to keep, in bytes, roughly.
    pub(crate) fn weight(&self) -> usize {
        let of = |entry: &Option<Entry>| entry.as_ref().map_or(0, |e| e.value.len());
        EVENT_BYTES + self.key.as_str().len() + of(&self.new) + of(&self.previous)
    }
}

/// What an event costs beside its key and values, in bytes.
const EVENT_BYTES: usize = 256;
