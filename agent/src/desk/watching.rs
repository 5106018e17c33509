//! What watches of the member saw, and how far they are.

use std::collections::BTreeMap;

use roadstead_protocol::wire::item::ItemKey;

use super::{Desk, Key, Kind, is_kind};
use crate::member::{Class, Error as MemberError};
use crate::plan::Live;

/// How far the watch of a kind is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watching {
    /// It has not listed yet.
    Pending,
    /// What is known is what is there, or will be in a moment.
    Synced,
    /// It does not work.
    Failed(MemberError),
}

impl Watching {
    /// Whether what the watch saw is worth nothing any more, since the kind is served no more or may
    /// not be looked at. A member that is merely away leaves what was seen last.
    pub fn is_blind(&self) -> bool {
        match self {
            Self::Pending | Self::Synced => false,
            Self::Failed(error) => matches!(error.class, Class::KindUnknown | Class::Forbidden),
        }
    }
}

impl Desk {
    /// The kinds to watch.
    pub fn kinds(&self) -> Vec<Kind> {
        self.lock().kinds.keys().cloned().collect()
    }

    /// `kind` is to be watched.
    pub fn watch_kind(&self, kind: Kind) {
        self.lock().kinds.entry(kind).or_insert(Watching::Pending);
        self.kinds.notify_one();
    }

    /// Tells how far the watch of `kind` is.
    pub fn watching(&self, kind: &Kind, state: Watching) {
        let mut known = self.lock();
        if known.kinds.get(kind) == Some(&state) {
            return;
        }
        known.kinds.insert(kind.clone(), state);
        known.kind_dirty(kind);
        drop(known);
        self.work.notify_one();
    }

    /// A list of `kind` is complete: these, and no others, are there under our label.
    pub fn listed(&self, kind: &Kind, found: BTreeMap<ItemKey, Live>) {
        let mut known = self.lock();
        let gone: Vec<Key> = known
            .live
            .keys()
            .filter(|key| is_kind(key, kind) && !found.contains_key(key.as_ref()))
            .cloned()
            .collect();
        for key in gone {
            known.live.remove(&key);
            known.news_of(&key);
            known.dirty.insert(key);
        }
        for (key, live) in found {
            known.see(key, Some(live));
        }
        drop(known);
        self.watching(kind, Watching::Synced);
        self.work.notify_one();
    }

    /// A watch, or an answer, showed `key`; `None` where it is gone or carries our label no more.
    pub fn see(&self, key: ItemKey, live: Option<Live>) {
        if self.lock().see(key, live) {
            self.work.notify_one();
        }
    }

    /// The kinds of `group` may be served now.
    pub fn served(&self, group: &str) {
        let mut known = self.lock();
        let kinds: Vec<Kind> = known
            .kinds
            .keys()
            .filter(|kind| kind.0 == group)
            .cloned()
            .collect();
        for kind in &kinds {
            known.kind_dirty(kind);
        }
        drop(known);
        self.definitions.notify_waiters();
        self.work.notify_one();
    }

    /// The member serves other kinds than before: what waits for one is tried, and what is under our
    /// label in no list is looked for again.
    pub fn kinds_changed(&self) {
        self.definitions.notify_waiters();
        self.sweep.notify_one();
    }

    /// The namespace `name` is there: what waited for it is tried at once.
    pub fn namespace_ready(&self, name: &str) {
        let mut known = self.lock();
        let keys: Vec<Key> = known
            .items
            .keys()
            .filter(|key| key.namespace == name)
            .cloned()
            .collect();
        known.dirty.extend(keys);
        drop(known);
        self.work.notify_one();
    }
}
