//! What the lock of the desk protects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use roadstead_protocol::wire::Lineage;
use roadstead_protocol::wire::item::{Digest, ItemKey};
use roadstead_protocol::wire::report::ItemReport;

use super::{Kind, Watching, is_kind, kind_of};
use crate::plan::{Live, Mark, Owner};
use crate::store::record::{Inventory, Item, Position};

#[derive(Default)]
pub(crate) struct Known {
    pub(crate) items: BTreeMap<ItemKey, Item>,
    pub(crate) inventory: BTreeMap<ItemKey, Inventory>,
    pub(crate) contents: BTreeSet<Digest>,
    /// How many items name a content.
    pub(crate) named: BTreeMap<Digest, u32>,
    pub(crate) position: Position,
    pub(super) lineage: Arc<Lineage>,
    pub(super) owner: Option<Owner>,
    pub(super) live: BTreeMap<ItemKey, Live>,
    pub(super) accepted: BTreeMap<ItemKey, Mark>,
    pub(super) kinds: BTreeMap<Kind, Watching>,
    pub(super) dirty: BTreeSet<ItemKey>,
    pub(super) reports: BTreeMap<ItemKey, ItemReport>,
    pub(super) unsent: BTreeSet<ItemKey>,
    pub(super) facts: Bytes,
    pub(super) facts_unsent: bool,
    pub(super) anchored: bool,
    pub(super) rewound: bool,
}

impl Known {
    pub(super) fn enter_item(&mut self, key: ItemKey, item: Option<Item>) {
        if let Some(digest) = item.as_ref().and_then(|i| i.digest) {
            *self.named.entry(digest).or_default() += 1;
        }
        let before = match item {
            Some(item) => {
                self.kinds.entry(kind_of(&key)).or_insert(Watching::Pending);
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
        let keys: Vec<ItemKey> = self
            .items
            .keys()
            .chain(self.inventory.keys())
            .chain(self.live.keys())
            .filter(|key| is_kind(key, kind))
            .cloned()
            .collect();
        self.dirty.extend(keys);
    }

    /// Enters what a watch saw; says whether that is news.
    pub(super) fn see(&mut self, key: ItemKey, live: Option<Live>) -> bool {
        if self.live.get(&key) == live.as_ref() {
            return false;
        }
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
