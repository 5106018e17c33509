//! The hub's store: keys and bytes with revisions, transactions, snapshots and a watch.
//!
//! What is current is held in memory in a persistent map, so that a snapshot costs nothing; what is
//! acknowledged is in redb first, or nowhere for a store in memory. One writer takes many
//! transactions into one commit of the disk. Nothing is shown before it is durable, and a
//! transaction shows as a whole.
//!
//! Deliberately absent: any knowledge of what the values mean (only [`records`] names the keys
//! through which the hub's parts meet), expiry by time, and a persisted history: after a restart a
//! watcher can go on from the last revision only, and reads anew otherwise.

pub mod backup;
mod disk;
mod epoch;
mod error;
mod key;
pub mod records;
mod ring;
mod shared;
mod snapshot;
mod store;
mod txn;
mod watch;
mod writer;

pub use disk::{Backend, OpenDatabase, Renewal, file, renew, restore};
pub use error::{CommitError, Compacted, OpenError, WatchEnd};
pub use key::{InvalidKey, Key};
pub use snapshot::Snapshot;
pub use store::{Options, Stats, Store};
pub use txn::{Check, Committed, Entry, Event, Op, Txn};
pub use watch::Watch;

pub use roadstead_protocol::wire::{Epoch, EpochRange, Lineage, Revision};

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 2048;
/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;
/// Most operations and checks in one transaction, each.
pub const MAX_TXN_OPS: usize = 200_000;
/// Most bytes of keys and values in one transaction.
pub const MAX_TXN_BYTES: usize = 128 * 1024 * 1024;

#[cfg(test)]
mod tests;
