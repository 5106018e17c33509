//! What the lock of the desk protects.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use roadstead_protocol::wire::Lineage;
use roadstead_protocol::wire::frame::Fetch;
use roadstead_protocol::wire::item::{Digest, ItemKey};
use roadstead_protocol::wire::report::ItemState;
use tokio::time::Instant;

use super::fetches::Fetched;
use super::{Desk, Key, Kind, Watching, is_kind, kind_of};
use crate::plan::report::Said;
use crate::plan::{Live, Mark, Owner};
use crate::store::record::{Freeze, Inventory, Item, Position};

#[derive(Default)]
pub(crate) struct Known {
    pub(crate) items: BTreeMap<Key, Item>,
    pub(crate) inventory: BTreeMap<Key, Inventory>,
    pub(crate) contents: BTreeSet<Digest>,
    /// How many items name a content.
    pub(crate) named: BTreeMap<Digest, u32>,
    pub(crate) position: Position,
    pub(super) lineage: Arc<Lineage>,
    pub(super) owner: Option<Owner>,
    pub(super) live: BTreeMap<Key, Live>,
    /// Keys about which a request is under way, and whether a watch had news of them since it left.
    pub(super) asked: BTreeMap<Key, bool>,
    pub(super) accepted: BTreeMap<Key, Mark>,
    pub(super) kinds: BTreeMap<Kind, Watching>,
    pub(super) dirty: BTreeSet<Key>,
    pub(super) reports: BTreeMap<Key, Said>,
    pub(super) unsent: BTreeSet<Key>,
    pub(super) facts: Bytes,
    pub(super) facts_unsent: bool,
    pub(super) anchored: bool,
    pub(crate) rewound: bool,
    /// The hub was compared with since the start.
    pub(super) compared: bool,
    /// The hub has let this agent in since the start.
    pub(super) admitted: bool,
    pub(super) freeze: Option<Freeze>,
    /// The freeze is of a history that the hub does not know.
    pub(super) freeze_foreign: bool,
    pub(super) freeze_said: bool,
    /// The freeze is on the disk as it is here.
    pub(super) freeze_written: bool,
    /// Keys of objects that a request whose answer never came may still make, and until when.
    pub(super) uncertain: BTreeMap<Key, Instant>,
    /// Keys whose inventory is not on the disk as it is here.
    pub(super) unsaved: BTreeSet<Key>,
    /// Keys of objects whose replicas are left to whoever scales them.
    pub(super) scaled: BTreeSet<Key>,
    /// Why the pods of workloads do not run.
    pub(super) ailing: BTreeMap<Key, Box<str>>,
    pub(super) fetches: VecDeque<Fetch>,
    pub(super) fetched: VecDeque<Fetched>,
}

impl Desk {
    /// A request that may make `key` was never answered: it may take effect until then.
    pub fn uncertain(&self, key: &ItemKey, until: Instant) {
        let mut known = self.lock();
        let key = known.key(key);
        known.uncertain.insert(key, until);
    }

    /// What became of `key` is known again.
    pub fn certain(&self, key: &ItemKey) {
        self.lock().uncertain.remove(key);
    }

    /// A request about `key` leaves now.
    pub fn asking(&self, key: &ItemKey) {
        let mut known = self.lock();
        let key = known.key(key);
        known.asked.insert(key, false);
    }

    /// Enters an answer to a request of our own, unless a watch had news since the request left:
    /// those may be newer, and no further event would come to correct the answer.
    pub fn answered(&self, key: &ItemKey, live: Option<&Live>) {
        let mut known = self.lock();
        if known.asked.remove(key) == Some(true) {
            return;
        }
        match live.filter(|l| l.is_ours()) {
            Some(live) => {
                let key = known.key(key);
                known.live.insert(key, live.clone())
            }
            None => known.live.remove(key),
        };
    }
}

impl Known {
    /// The key as it is kept here already, so that it is kept once.
    pub(super) fn key(&self, key: &ItemKey) -> Key {
        let item = self.items.get_key_value(key).map(|(key, _)| key);
        let noted = || self.inventory.get_key_value(key).map(|(key, _)| key);
        let live = || self.live.get_key_value(key).map(|(key, _)| key);
        let kept = item.or_else(noted).or_else(live);
        kept.map_or_else(|| Arc::new(key.clone()), Arc::clone)
    }

    /// Whether an object that is not ours was in the place of `key` when it was looked at last.
    pub(super) fn is_disputed(&self, key: &ItemKey) -> bool {
        let report = self.reports.get(key);
        report.is_some_and(|report| report.state == ItemState::Conflict)
    }

    /// Whether the hub's set is known as a whole, as of some moment.
    pub(super) fn is_settled(&self) -> bool {
        self.compared || self.position.resumable().is_some()
    }

    pub(super) fn enter_item(&mut self, key: ItemKey, item: Option<Item>) {
        if let Some(digest) = item.as_ref().and_then(|i| i.digest) {
            *self.named.entry(digest).or_default() += 1;
        }
        let before = match item {
            Some(item) => {
                self.kinds.entry(kind_of(&key)).or_insert(Watching::Pending);
                let key = self.key(&key);
                self.items.insert(key, item)
            }
            None => self.items.remove(&key),
        };
        if let Some(digest) = before.and_then(|i| i.digest) {
            let count = self.named.entry(digest).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.named.remove(&digest);
            }
        }
    }

    pub(super) fn kind_dirty(&mut self, kind: &Kind) {
        let keys: Vec<Key> = self
            .items
            .keys()
            .chain(self.inventory.keys())
            .chain(self.live.keys())
            .filter(|key| is_kind(key, kind))
            .cloned()
            .collect();
        self.dirty.extend(keys);
    }

    /// A watch had news of `key`: they may be newer than an answer that is still on its way.
    pub(super) fn news_of(&mut self, key: &ItemKey) {
        if let Some(news) = self.asked.get_mut(key) {
            *news = true;
        }
    }

    /// Enters what a watch saw; says whether that is news.
    pub(super) fn see(&mut self, key: ItemKey, live: Option<Live>) -> bool {
        if self.live.get(&key) == live.as_ref() {
            return false;
        }
        self.news_of(&key);
        let key = self.key(&key);
        match live {
            Some(live) => self.live.insert(key.clone(), live),
            None => self.live.remove(&key),
        };
        self.dirty.insert(key);
        true
    }
}

#[cfg(test)]
mod tests;
