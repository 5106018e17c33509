//! What was announced to an agent and is not yet handed out, in revision order.
//!
//! A newer change of a key takes the place of an older one. Counts by content, so that a content
//! which nothing waits for any more can be let go; holds no content itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::{Digest, ItemKey, Revision};

use super::change::{Change, What};

/// Announced changes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    changes: BTreeMap<Revision, Change>,
    newest: BTreeMap<ItemKey, Revision>,
    /// How many of the changes name a content.
    named: BTreeMap<Digest, usize>,
    /// Puts whose content may have to be asked for.
    unasked: BTreeSet<Revision>,
}

/// A put whose content may have to be asked for.
#[derive(Clone, Debug)]
pub(super) struct Lacking {
    /// Of which item.
    pub(super) key: ItemKey,
    /// At which revision.
    pub(super) revision: Revision,
    /// Which content.
    pub(super) digest: Digest,
    /// How long it is, in bytes.
    pub(super) size: u32,
    /// Whether everything waits for this one.
    pub(super) is_first: bool,
}

impl Queue {
    /// Appends a change; its revision is above all others. Returns what it supersedes.
    pub(super) fn push(&mut self, change: Change) -> Option<Change> {
        let revision = change.revision();
        let older = self.newest.insert(change.key.clone(), revision);
        let superseded = older.and_then(|older| self.take(older));
        if let Some(digest) = change.digest() {
            *self.named.entry(digest).or_insert(0) += 1;
            self.unasked.insert(revision);
        }
        self.changes.insert(revision, change);
        superseded
    }

    /// Takes out the change at `revision`, if it is of `key`.
    pub(super) fn remove(&mut self, key: &ItemKey, revision: Revision) -> Option<Change> {
        if self.changes.get(&revision)?.key != *key {
            return None;
        }
        self.newest.remove(key);
        self.take(revision)
    }

    /// Takes out the oldest change.
    pub(super) fn pop(&mut self) -> Option<Change> {
        let revision = self.first()?;
        let change = self.take(revision)?;
        self.newest.remove(&change.key);
        Some(change)
    }

    fn take(&mut self, revision: Revision) -> Option<Change> {
        let change = self.changes.remove(&revision)?;
        self.unasked.remove(&revision);
        if let Some(digest) = change.digest()
            && let Some(count) = self.named.get_mut(&digest)
        {
            *count -= 1;
            if *count == 0 {
                self.named.remove(&digest);
            }
        }
        Some(change)
    }

    /// The oldest revision.
    pub(super) fn first(&self) -> Option<Revision> {
        self.changes.first_key_value().map(|(first, _)| *first)
    }

    /// The oldest change.
    pub(super) fn peek(&self) -> Option<&Change> {
        self.changes.first_key_value().map(|(_, change)| change)
    }

    /// How many changes there are.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether a change names this content.
    pub(super) fn names(&self, digest: &Digest) -> bool {
        self.named.contains_key(digest)
    }

    /// The oldest put whose content may have to be asked for.
    pub(super) fn lacking(&self) -> Option<Lacking> {
        let revision = *self.unasked.first()?;
        let change = self.changes.get(&revision)?;
        match change.what {
            What::Put { digest, size } => Some(Lacking {
                key: change.key.clone(),
                revision,
                digest,
                size,
                is_first: self.first() == Some(revision),
            }),
            What::Tombstone => None,
        }
    }

    /// The content of the put at `revision` needs no asking, or was asked for.
    pub(super) fn settle(&mut self, revision: Revision) {
        self.unasked.remove(&revision);
    }

    /// The content of the oldest put is not there after all.
    pub(super) fn unsettle_first(&mut self) {
        self.unasked.extend(self.first());
    }

    /// Any content may have to be asked for again.
    pub(super) fn unsettle_all(&mut self) {
        let puts = self
            .changes
            .iter()
            .filter(|(_, change)| change.digest().is_some());
        self.unasked = puts.map(|(revision, _)| *revision).collect();
    }
}
