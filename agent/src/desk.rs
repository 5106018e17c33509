//! What the agent knows, in memory, and who is told when it changes.
//!
//! The one place where link, worker and watches meet. Locks are held for a moment and never across a
//! wait; nothing here does I/O or decides anything: durable changes are written by the caller first
//! and entered here afterwards.

mod known;
mod news;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_protocol::wire::Lineage;
use roadstead_protocol::wire::item::{Digest, ItemKey};
use tokio::sync::Notify;

pub(crate) use known::Known;

use crate::member::Error as MemberError;
use crate::plan::{Live, Mark, Owner};
use crate::store::Loaded;
use crate::store::record::{Inventory, Item, Position};

/// A group and a kind.
pub type Kind = (String, String);

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

/// Why nothing is applied at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The member's position object was read, so that it is known who writes there.
    pub anchored: bool,
    /// The disk is behind what the member has seen: the hub is asked first.
    pub rewound: bool,
    /// The hub said that the cluster was detached.
    pub detached: bool,
}

impl Gate {
    /// Whether things are applied.
    pub fn is_open(&self) -> bool {
        self.anchored && !self.rewound && !self.detached
    }
}

/// What is known about one key.
#[derive(Clone, Debug)]
pub struct View {
    /// What it is to be.
    pub item: Option<Item>,
    /// What was put on the member.
    pub inventory: Option<Inventory>,
    /// What a watch saw last.
    pub live: Option<Live>,
    /// A mark of the watch that was found to be no drift.
    pub accepted: Option<Mark>,
    /// How far the watch of the kind is.
    pub watching: Watching,
    /// The hub's history.
    pub lineage: Arc<Lineage>,
    /// Whose objects these are.
    pub owner: Owner,
}

/// What is to be entered after a batch of the hub is durable.
#[derive(Clone, Debug, Default)]
pub struct Entered {
    /// Items new or changed; `None` for one that no longer counts.
    pub items: BTreeMap<ItemKey, Option<Item>>,
    /// Keys whose object has to be looked at.
    pub dirty: BTreeSet<ItemKey>,
    /// Contents that are now on the disk, or no longer.
    pub contents: BTreeMap<Digest, bool>,
    /// Where the agent is now.
    pub position: Option<Position>,
}

/// See the module.
pub struct Desk {
    known: Mutex<Known>,
    /// Keys became dirty, or the gate changed.
    pub work: Notify,
    /// There are kinds to watch.
    pub kinds: Notify,
    /// There is something to say to the hub.
    pub news: Notify,
    /// The position moved.
    pub moved: Notify,
    /// What is under our label and in no list should be looked for.
    pub sweep: Notify,
    /// A definition of a kind came, so that a kind may be served now.
    pub definitions: Notify,
}

impl Desk {
    /// A desk with what was on the disk.
    pub fn new(loaded: &Loaded) -> Self {
        let mut known = Known {
            items: loaded.items.clone(),
            inventory: loaded.inventory.clone(),
            contents: loaded.contents.clone(),
            position: loaded.position.clone(),
            lineage: Arc::new(loaded.position.lineage.clone()),
            owner: loaded
                .identity
                .as_ref()
                .map(|i| Owner::new(&i.hub, &i.cluster)),
            ..Known::default()
        };
        for digest in loaded.items.values().filter_map(|i| i.digest) {
            *known.named.entry(digest).or_default() += 1;
        }
        let keys: Vec<ItemKey> = known
            .items
            .keys()
            .chain(known.inventory.keys())
            .cloned()
            .collect();
        for key in keys {
            known
                .kinds
                .entry(kind_of(&key))
                .or_insert(Watching::Pending);
            known.dirty.insert(key);
        }
        Self {
            known: Mutex::new(known),
            work: Notify::new(),
            kinds: Notify::new(),
            news: Notify::new(),
            moved: Notify::new(),
            sweep: Notify::new(),
            definitions: Notify::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose objects these are; `None` before the agent joined.
    pub fn owner(&self) -> Option<Owner> {
        self.lock().owner.clone()
    }

    /// The agent has joined.
    pub fn joined(&self, owner: Owner) {
        self.lock().owner = Some(owner);
        self.kinds.notify_one();
        self.work.notify_one();
    }

    /// Where the agent is in its hub's history.
    pub fn position(&self) -> Position {
        self.lock().position.clone()
    }

    /// Whether `digest` is durable here.
    pub fn holds(&self, digest: &Digest) -> bool {
        self.lock().contents.contains(digest)
    }

    /// Enters what was made durable.
    pub fn enter(&self, entered: Entered) {
        let mut known = self.lock();
        for (key, item) in entered.items {
            known.enter_item(key, item);
        }
        for (digest, here) in entered.contents {
            if here {
                known.contents.insert(digest);
            } else {
                known.contents.remove(&digest);
            }
        }
        if let Some(position) = entered.position {
            if position.lineage != known.position.lineage {
                known.lineage = Arc::new(position.lineage.clone());
            }
            known.position = position;
        }
        known.dirty.extend(entered.dirty);
        drop(known);
        self.kinds.notify_one();
        self.work.notify_one();
        self.moved.notify_one();
    }

    /// Enters what is now on the member under `key`.
    pub fn enter_inventory(&self, key: &ItemKey, inventory: Option<Inventory>) {
        let mut known = self.lock();
        match inventory {
            Some(inventory) => known.inventory.insert(key.clone(), inventory),
            None => known.inventory.remove(key),
        };
        known.accepted.remove(key);
    }

    /// The mark of what a watch saw last was found to be no drift.
    pub fn accept(&self, key: &ItemKey, mark: Mark) {
        self.lock().accepted.insert(key.clone(), mark);
    }

    /// What is known about `key`; `None` before the agent joined.
    pub fn view(&self, key: &ItemKey) -> Option<View> {
        let known = self.lock();
        Some(View {
            item: known.items.get(key).cloned(),
            inventory: known.inventory.get(key).cloned(),
            live: known.live.get(key).cloned(),
            accepted: known.accepted.get(key).copied(),
            watching: known
                .kinds
                .get(&kind_of(key))
                .cloned()
                .unwrap_or(Watching::Pending),
            lineage: known.lineage.clone(),
            owner: known.owner.clone()?,
        })
    }

    /// Whether the hub's set has the namespace `name` among its own items.
    pub fn has_namespace_item(&self, name: &str) -> bool {
        let key = ItemKey {
            group: String::new(),
            kind: "Namespace".to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
        };
        self.lock()
            .items
            .get(&key)
            .is_some_and(|item| item.listed && !item.is_tombstone())
    }

    /// Takes the keys that have to be looked at, each with whether it is to go away.
    pub fn take_dirty(&self) -> Vec<(ItemKey, bool)> {
        let mut known = self.lock();
        let dirty = std::mem::take(&mut known.dirty);
        dirty
            .into_iter()
            .map(|key| {
                let tombstone = known.items.get(&key).is_some_and(Item::is_tombstone);
                (key, tombstone)
            })
            .collect()
    }

    /// Everything has to be looked at.
    pub fn all_dirty(&self) {
        let mut known = self.lock();
        let keys: Vec<ItemKey> = known
            .items
            .keys()
            .chain(known.inventory.keys())
            .chain(known.live.keys())
            .cloned()
            .collect();
        known.dirty.extend(keys);
        drop(known);
        self.work.notify_one();
    }

    /// Every key of `kind` has to be looked at.
    pub fn kind_dirty(&self, kind: &Kind) {
        self.lock().kind_dirty(kind);
        self.work.notify_one();
    }

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
        let gone: Vec<ItemKey> = known
            .live
            .keys()
            .filter(|key| is_kind(key, kind) && !found.contains_key(key))
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

    /// Why nothing is applied, or that it is.
    pub fn gate(&self) -> Gate {
        let known = self.lock();
        Gate {
            anchored: known.anchored,
            rewound: known.rewound,
            detached: known.position.detached,
        }
    }

    /// The member's position object was read.
    pub fn anchored(&self, rewound: bool) {
        let mut known = self.lock();
        known.anchored = true;
        known.rewound = rewound;
        drop(known);
        self.sweep.notify_one();
        self.work.notify_one();
    }

    /// The hub was compared with.
    pub fn compared(&self) {
        self.lock().rewound = false;
        self.work.notify_one();
        self.sweep.notify_one();
    }
}

/// The kind of `key`.
pub fn kind_of(key: &ItemKey) -> Kind {
    (key.group.clone(), key.kind.clone())
}

fn is_kind(key: &ItemKey, kind: &Kind) -> bool {
    key.group == kind.0 && key.kind == kind.1
}
