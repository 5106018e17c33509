//! The hub's flow window: what was offered to an agent and is not yet acknowledged.
//!
//! Also the register of what an agent may ask content for: nothing but these entries.

use std::collections::BTreeMap;

use crate::wire::{Digest, ItemKey, Revision};

use super::change::{Change, What};

/// One entry that is not yet acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Unacked {
    /// Which item.
    pub(super) key: ItemKey,
    /// Its content; `None` for a tombstone and for a put that was withdrawn.
    pub(super) content: Option<(Digest, u32)>,
}

/// The entries that are not yet acknowledged, by revision.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    unacked: BTreeMap<Revision, Unacked>,
}

impl Window {
    /// A window of `limit` entries.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            unacked: BTreeMap::new(),
        }
    }

    /// Changes the limit; what is out already stays out.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// How many more entries fit.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.unacked.len())
    }

    /// Whether so much is free that reading the ledger again is worth it.
    pub(super) fn is_roomy(&self) -> bool {
        self.unacked.is_empty() || self.room() >= self.limit.div_ceil(4)
    }

    /// Takes a change in. The caller has looked at `room`.
    pub(super) fn push(&mut self, change: &Change) {
        let content = match change.what {
            What::Put { digest, size } => Some((digest, size)),
            What::Tombstone => None,
        };
        self.unacked.insert(
            change.revision(),
            Unacked {
                key: change.key.clone(),
                content,
            },
        );
    }

    /// The entry at `revision`, if it is out.
    pub(super) fn get(&self, revision: Revision) -> Option<&Unacked> {
        self.unacked.get(&revision)
    }

    /// Lets go of everything up to and including `revision`.
    pub(super) fn ack(&mut self, revision: Revision) {
        while let Some(first) = self.unacked.first_entry() {
            if *first.key() > revision {
                return;
            }
            first.remove();
        }
    }

    /// Marks every entry with this content as withdrawn and names them.
    pub(super) fn withdraw(&mut self, digest: Digest) -> Vec<(ItemKey, Revision)> {
        let mut withdrawn = Vec::new();
        for (revision, entry) in &mut self.unacked {
            if entry.content.is_some_and(|(named, _)| named == digest) {
                entry.content = None;
                withdrawn.push((entry.key.clone(), *revision));
            }
        }
        withdrawn
    }

    /// How many entries are out.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.unacked.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::{key, put, tombstone};

    #[test]
    fn an_acknowledgement_frees_everything_up_to_it() {
        let mut window = Window::new(3);
        for revision in [4, 7, 9] {
            window.push(&tombstone("a", revision));
        }
        assert_eq!((window.room(), window.is_roomy()), (0, false));
        window.ack(Revision(8));
        assert_eq!((window.room(), window.is_roomy()), (2, true));
        assert!(window.get(Revision(7)).is_none());
        assert!(window.get(Revision(9)).is_some());
    }

    #[test]
    fn every_entry_of_a_lost_content_is_withdrawn_once() {
        let mut window = Window::new(9);
        window.push(&put("a", 1, b"x"));
        window.push(&put("b", 2, b"y"));
        window.push(&put("c", 3, b"x"));
        let digest = Digest::of(b"x");
        assert_eq!(
            window.withdraw(digest),
            [(key("a"), Revision(1)), (key("c"), Revision(3))]
        );
        assert_eq!(window.withdraw(digest), []);
        assert_eq!(window.len(), 3);
    }
}
