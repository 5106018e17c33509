//! What the agent knows, in memory, and who is told when it changes.
//!
//! The one place where link, worker and watches meet. Locks are held for a moment and never across a
//! wait; nothing here does I/O or decides anything: durable changes are written by the caller first
//! and entered here afterwards.

mod caring;
pub(crate) mod fetches;
mod gate;
mod known;
mod news;
mod unsaved;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_protocol::wire::Lineage;
use roadstead_protocol::wire::item::{Digest, ItemKey};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use caring::Unwell;
pub use gate::Gate;
pub(crate) use known::Known;
pub use watching::Watching;

use crate::member::client::REQUEST_TIMEOUT;
use crate::plan::{Live, Mark, Owner, scaler};
use crate::store::Loaded;
use crate::store::record::{Inventory, Item, Position};

/// A group and a kind.
pub type Kind = (String, String);
/// A key as it is kept: once, whatever is kept under it.
pub type Key = Arc<ItemKey>;

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
    /// Whether an object that is not ours was in its place when it was looked at last.
    pub disputed: bool,
    /// Until when a request whose answer never came may still make the object.
    pub uncertain: Option<Instant>,
    /// Whether the hub's set is known well enough to say that something is in no list.
    pub settled: bool,
    /// Why nothing may be changed on the member, if so.
    pub frozen: Option<String>,
}

/// What is to be entered after a batch of the hub is durable.
#[derive(Clone, Debug, Default)]
pub struct Entered {
    /// Items new or changed; `None` for one that no longer counts.
    pub items: BTreeMap<ItemKey, Option<Item>>,
    /// Keys whose object has to be looked at.
    pub dirty: BTreeSet<ItemKey>,
    /// Keys of what was put on the member and no longer counts.
    pub forgotten: BTreeSet<ItemKey>,
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
    /// What was put on the member is to be written down.
    pub save: Notify,
    /// The hub asks for objects.
    pub fetch: Notify,
    /// The hub has let this agent in.
    pub admission: Notify,
}

impl Desk {
    /// A desk with what was on the disk. What has an item and was never noted to be on the member may
    /// have been asked for by an earlier start, whose request may still take effect.
    pub fn new(loaded: &Loaded) -> Self {
        Self::take(&mut loaded.clone())
    }

    /// As [`new`](Self::new); leaves nothing of the sets in `loaded`, which would be there twice.
    pub fn take(loaded: &mut Loaded) -> Self {
        let until = Instant::now() + REQUEST_TIMEOUT;
        let items = std::mem::take(&mut loaded.items).into_iter();
        let items: BTreeMap<Key, Item> = items.map(|(k, item)| (Arc::new(k), item)).collect();
        let kept = |key: ItemKey| match items.get_key_value(&key) {
            Some((kept, _)) => kept.clone(),
            None => Arc::new(key),
        };
        let inventory = std::mem::take(&mut loaded.inventory).into_iter();
        let inventory: BTreeMap<Key, Inventory> = inventory.map(|(k, i)| (kept(k), i)).collect();
        let asked =
            |(key, item): &(&Key, &Item)| !item.is_tombstone() && !inventory.contains_key(*key);
        let uncertain = items.iter().filter(asked);
        let uncertain = uncertain.map(|(key, _)| (key.clone(), until)).collect();
        let mut known = Known {
            items,
            inventory,
            contents: std::mem::take(&mut loaded.contents),
            position: loaded.position.clone(),
            lineage: Arc::new(loaded.position.lineage.clone()),
            owner: loaded.identity.as_ref().map(|i| loaded.past.owner(i)),
            uncertain,
            freeze: loaded.freeze.clone(),
            freeze_written: true,
            ..Known::default()
        };
        let digests: Vec<Digest> = known.items.values().filter_map(|i| i.digest).collect();
        let scaled = known.inventory.iter().filter(|(key, inventory)| {
            let item = known.items.get(*key);
            item.is_some_and(|item| scaler::was_left(item, inventory))
        });
        known.scaled = scaled.map(|(key, _)| key.clone()).collect();
        for digest in digests {
            *known.named.entry(digest).or_default() += 1;
        }
        let keys: Vec<Key> = known
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
            save: Notify::new(),
            fetch: Notify::new(),
            admission: Notify::new(),
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

    /// The content that `key` has here, if it is durable.
    pub fn base(&self, key: &ItemKey) -> Option<Digest> {
        let known = self.lock();
        let digest = known.items.get(key)?.digest?;
        known.contents.contains(&digest).then_some(digest)
    }

    /// Enters what was made durable.
    pub fn enter(&self, entered: Entered) {
        let mut known = self.lock();
        for (key, item) in entered.items {
            known.enter_item(key, item);
        }
        for key in entered.forgotten {
            known.inventory.remove(&key);
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
        for key in entered.dirty {
            let key = known.key(&key);
            known.dirty.insert(key);
        }
        drop(known);
        self.kinds.notify_one();
        self.work.notify_one();
        self.moved.notify_one();
    }

    /// Enters what is now on the member under `key`, to be written down soon.
    pub fn enter_inventory(&self, key: &ItemKey, inventory: Option<Inventory>) {
        let mut known = self.lock();
        let key = known.key(key);
        match inventory {
            Some(inventory) => known.inventory.insert(key.clone(), inventory),
            None => known.inventory.remove(&key),
        };
        known.accepted.remove(&key);
        known.unsaved.insert(key);
        drop(known);
        self.save.notify_one();
    }

    /// The mark of what a watch saw last was found to be no drift.
    pub fn accept(&self, key: &ItemKey, mark: Mark) {
        let mut known = self.lock();
        let key = known.key(key);
        known.accepted.insert(key, mark);
    }

    /// What is known about `key`; `None` before the agent joined.
    pub fn view(&self, key: &ItemKey) -> Option<View> {
        let known = self.lock();
        Some(View {
            item: known
                .items
                .get(key)
                .cloned()
                .map(|item| caring::as_scaled(item, known.scaled.contains(key))),
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
            disputed: known.is_disputed(key),
            uncertain: known.uncertain.get(key).copied(),
            settled: known.is_settled(),
            frozen: known.frozen(),
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
    pub fn take_dirty(&self) -> Vec<(Key, bool)> {
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
        let keys: Vec<Key> = known
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
}

/// The kind of `key`.
pub fn kind_of(key: &ItemKey) -> Kind {
    (key.group.clone(), key.kind.clone())
}

fn is_kind(key: &ItemKey, kind: &Kind) -> bool {
    key.group == kind.0 && key.kind == kind.1
}
