//! What an agent acknowledged is on its disk (invariant 2): whenever its power went out, everything
//! at or below the revision that its hub had heard of is read back from what the disk kept.

use std::collections::BTreeMap;

use roadstead_protocol::wire::{ItemKey, Revision};
use roadstead_store::records::{decode, parse_ledger_key};
use roadstead_store::{Entry, Snapshot, Store, Watch};

use crate::hosted;
use crate::trace;
use crate::world::{Site, World, lock};

/// What follows the hub's records of acknowledgements.
const ACKED: &str = "/acked/";
/// What clusters are to have.
const LEDGER: &str = "/ledger/";

/// What the hub heard from agents.
#[derive(Default)]
pub struct Acks {
    /// Follows the running hub.
    tap: Option<(Watch, Watch)>,
    /// The newest entry of each key, by cluster.
    ledger: BTreeMap<(String, ItemKey), u64>,
    /// The highest acknowledged revision, by cluster.
    acked: BTreeMap<String, u64>,
}

impl std::fmt::Debug for Acks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Acks({:?})", self.acked)
    }
}

impl Acks {
    /// Begins to follow a hub that just started.
    pub fn follow(&mut self, store: &Store, volatile: &Store) {
        let snapshot = store.snapshot();
        self.read(&snapshot);
        let ledger = store.watch(LEDGER, snapshot.revision());
        let acked = volatile.watch(ACKED, volatile.snapshot().revision());
        self.tap = ledger.ok().zip(acked.ok());
    }

    fn read(&mut self, snapshot: &Snapshot) {
        for entry in snapshot.range(LEDGER) {
            self.ledger_entry(entry);
        }
    }

    fn ledger_entry(&mut self, entry: &Entry) {
        if let Some(at) = parse_ledger_key(entry.key.as_str()) {
            self.ledger.insert(at, entry.revision.0);
        }
    }

    /// Takes in what happened since the last call.
    pub fn listen(&mut self) {
        let Some((mut ledger, mut acked)) = self.tap.take() else {
            return;
        };
        while let Some(Ok(event)) = ledger.try_next() {
            if let Some(entry) = &event.new {
                self.ledger_entry(entry);
            }
        }
        while let Some(Ok(event)) = acked.try_next() {
            let Some(entry) = &event.new else { continue };
            let Some(uid) = entry.key.as_str().strip_prefix(ACKED) else {
                continue;
            };
            if let Ok(Revision(revision)) = decode(entry) {
                let highest = self.acked.entry(uid.to_owned()).or_default();
                *highest = revision.max(*highest);
            }
        }
        self.tap = Some((ledger, acked));
    }

    /// The hub's power went out.
    pub fn hang_up(&mut self) {
        self.tap = None;
    }

    /// Another hub is in the place of the one that agents acknowledged something to.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// What the agent of a cluster acknowledged: keys, with the revisions that it must have.
    fn of(&self, uid: &str) -> Vec<(ItemKey, u64)> {
        let acked = self.acked.get(uid).copied().unwrap_or_default();
        self.ledger
            .iter()
            .filter(|((of, _), revision)| of == uid && **revision <= acked)
            .map(|((_, key), revision)| (key.clone(), *revision))
            .collect()
    }
}

/// Looks at what is left on an agent's disk, right after its power went out.
pub fn check(world: &World, site: &Site) {
    let Some(uid) = lock(&site.uid).clone() else {
        return;
    };
    let acked = lock(&world.checks.acks).of(&uid);
    // Of a cluster that was detached the hub keeps nothing.
    if acked.is_empty() || !hosted::is_of(site, &uid) {
        return;
    }
    trace::count("sometimes: an agent's disk was read after a power cut");
    let database = match site.disk.copy("copy").open() {
        Ok(database) => database,
        Err(error) => {
            let what = format!("{}: {error}", site.name);
            world
                .checks
                .violation("an agent's disk opens after a power cut", &what);
            return;
        }
    };
    let kept = match roadstead_agent::store::load(&database) {
        Ok(kept) => kept,
        Err(error) => {
            let what = format!("{}: {error}", site.name);
            world
                .checks
                .violation("an agent's disk opens after a power cut", &what);
            return;
        }
    };
    let lineage = lock(&world.user).acts.lineage.clone();
    for (key, revision) in acked {
        let item = kept.items.get(&key);
        if item.is_some_and(|item| item.held.is_some() || !lineage.contains(item.stamp)) {
            // What is held back is acknowledged as such: it is of another hub.
            continue;
        }
        let has = item.map(|item| item.stamp.revision.0);
        if has.is_none_or(|has| has < revision) {
            let what = format!(
                "{} acknowledged {key} at revision {revision}, its disk has {has:?}",
                site.name
            );
            world
                .checks
                .violation("what an agent acknowledged is durable", &what);
            return;
        }
    }
}
