//! What a hub's shell offers and an agent's shell commits.
//!
//! Holds no logic of sessions: only the two shapes and their way to and from the wire.

use bytes::Bytes;

use crate::wire::codec::{self, Exceeded};
use crate::wire::frame::{Freeze, Mode, Put, SummaryEntry, Tombstone};
use crate::wire::{Digest, HubFrame, ItemKey, Lineage, Meta, Revision, Stamp};

/// One entry of a cluster's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which item.
    pub key: ItemKey,
    /// Given when.
    pub stamp: Stamp,
    /// How to treat it.
    pub meta: Vec<Meta>,
    /// Whether the cluster is to have it.
    pub what: What,
}

/// Whether the cluster is to have an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is, with this content.
    Put {
        /// The content's digest.
        digest: Digest,
        /// The content's length in bytes.
        size: u32,
    },
    /// It is to lose it.
    Tombstone,
}

impl Change {
    /// The revision of its stamp.
    pub fn revision(&self) -> Revision {
        self.stamp.revision
    }

    /// The digest of its content; `None` for a tombstone.
    pub fn digest(&self) -> Option<Digest> {
        match self.what {
            What::Put { digest, .. } => Some(digest),
            What::Tombstone => None,
        }
    }

    /// The same without what a peer with these features does not understand: that is then treated as
    /// if nothing were said.
    #[must_use]
    pub(super) fn known_to(mut self, features: u64) -> Self {
        self.meta.retain(|meta| meta.needs() & !features == 0);
        self
    }

    /// The frame that announces it.
    pub fn into_frame(self) -> HubFrame {
        match self.into_entry() {
            SummaryEntry::Put(put) => HubFrame::Put(put),
            SummaryEntry::Tombstone(tombstone) => HubFrame::Tombstone(tombstone),
        }
    }

    /// The entry of a summary that announces it.
    pub fn into_entry(self) -> SummaryEntry {
        let Self {
            key,
            stamp,
            meta,
            what,
        } = self;
        match what {
            What::Put { digest, size } => SummaryEntry::Put(Put {
                key,
                stamp,
                digest,
                size,
                meta,
            }),
            What::Tombstone => SummaryEntry::Tombstone(Tombstone { key, stamp, meta }),
        }
    }
}

impl From<SummaryEntry> for Change {
    fn from(entry: SummaryEntry) -> Self {
        match entry {
            SummaryEntry::Put(put) => put.into(),
            SummaryEntry::Tombstone(tombstone) => tombstone.into(),
        }
    }
}

impl From<Put> for Change {
    fn from(put: Put) -> Self {
        let what = What::Put {
            digest: put.digest,
            size: put.size,
        };
        Self {
            key: put.key,
            stamp: put.stamp,
            meta: put.meta,
            what,
        }
    }
}

impl From<Tombstone> for Change {
    fn from(tombstone: Tombstone) -> Self {
        let Tombstone { key, stamp, meta } = tombstone;
        Self {
            key,
            stamp,
            meta,
            what: What::Tombstone,
        }
    }
}

impl Freeze {
    /// The order as a change, to be judged by [`verdict`](super::stamps::verdict) over the one that
    /// is recorded: two of equal effect have equal digests, whatever their reasons.
    pub fn as_change(&self) -> Change {
        let effect: &[u8] = if self.frozen { b"frozen" } else { b"thawed" };
        Change {
            key: Self::key(),
            stamp: self.stamp,
            meta: self.meta.clone(),
            what: What::Put {
                digest: Digest::of(effect),
                size: 0,
            },
        }
    }
}

/// Whether an entry may travel.
pub(super) fn sendable(lineage: &Lineage, change: &Change) -> Result<(), String> {
    if !lineage.contains(change.stamp) {
        return Err("its stamp is not of this hub's history".to_owned());
    }
    let size = match change.what {
        What::Put { size, .. } => size,
        What::Tombstone => 0,
    };
    codec::check_change(&change.key, size, &change.meta).map_err(|e: Exceeded| e.to_string())
}

/// A change with what is needed to commit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The change.
    pub change: Change,
    /// A put's content, verified against its digest; `None` for a tombstone and for a put whose
    /// content the agent holds already.
    pub content: Option<Bytes>,
}

/// What an agent is to commit in one transaction, in revision order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The changes, each to be judged by [`verdict`](super::stamps::verdict). Empty where the hub
    /// withdrew what it had announced, and at the end of a comparison.
    pub changes: Vec<Delivered>,
    /// What to hand to `committed` once the transaction is durable. `None` only for the end of a
    /// comparison with a hub that has never written anything.
    pub upto: Option<Stamp>,
    /// The position to write durably in the same transaction; `None` leaves it as it is. While a
    /// comparison runs the position does not move, so that an interrupted one starts over.
    pub position: Option<Stamp>,
    /// Whether the batch belongs to a comparison.
    pub mode: Mode,
    /// Whether this batch ends a comparison: every key of the hub's set has then been named since
    /// the session began.
    pub compared: bool,
}
