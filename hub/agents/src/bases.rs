//! Which contents each item of one cluster had before its newest one: what an agent may name as the
//! base of a difference.
//!
//! Says nothing about other clusters' contents, and forgets: what it does not know travels whole.

use std::collections::BTreeMap;

use roadstead_protocol::wire::Digest;
use roadstead_store::records::{self, LedgerEntry, LedgerState};
use roadstead_store::{Entry, Event, Key, Revision};

/// Most items that a session remembers former contents of, some 200 bytes each.
const ITEMS_MAX: usize = 1024;
/// Most former contents of one item.
const FORMER_MAX: usize = 4;

/// What the ledger of a session's cluster named before.
#[derive(Default)]
pub(crate) struct Bases {
    items: BTreeMap<Key, Item>,
}

struct Item {
    revision: Revision,
    now: Option<Digest>,
    /// The oldest first.
    former: Vec<Digest>,
}

impl Bases {
    /// Takes in what changed in the ledger.
    pub(crate) fn changed(&mut self, event: &Event) {
        let known = self.items.remove(&event.key);
        let Some(new) = &event.new else { return };
        let mut former = known.map(|item| item.former).unwrap_or_default();
        let previous = event.previous.as_ref().and_then(digest);
        former.extend(previous.filter(|digest| !former.contains(digest)));
        if former.len() > FORMER_MAX {
            // The first is what was acknowledged, the last what may be on its way.
            former.remove(1);
        }
        if former.is_empty() || self.items.len() >= ITEMS_MAX {
            return;
        }
        let item = Item {
            revision: new.revision,
            now: digest(new),
            former,
        };
        self.items.insert(event.key.clone(), item);
    }

    /// The agent has all changes up to `revision`.
    pub(crate) fn acked(&mut self, revision: Revision) {
        self.items.retain(|_, item| item.revision > revision);
    }

    /// Whether an item that has the content `content`, or had, had `base` before its newest.
    pub(crate) fn know(&self, content: &Digest, base: &Digest) -> bool {
        let named = |item: &Item| item.now == Some(*content) || item.former.contains(content);
        let mut items = self.items.values();
        items.any(|item| item.former.contains(base) && named(item))
    }
}

fn digest(entry: &Entry) -> Option<Digest> {
    let ledger: LedgerEntry = records::decode(entry).ok()?;
    match ledger.state {
        LedgerState::Put { digest, .. } => Some(digest),
        LedgerState::Tombstone => None,
    }
}
