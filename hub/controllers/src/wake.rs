//! Says which keys a change wakes. A hint, never the truth: what is woken reads everything anew, and
//! everything is woken from time to time.

mod budgets;
mod changes;
mod clusters;
mod concern;
mod decisions;
mod facts;
mod kinds;
mod links;
mod moving;
mod rollouts;
mod wide;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{
    ANSWERS_PREFIX, LEDGER_PREFIX, OBJECTS_PREFIX, parse_answer_key, parse_ledger_key,
    parse_object_key,
};
use roadstead_store::{Event, Store, Watch, WatchEnd};
use tokio::time::Instant;

use self::budgets::Waiting;
use self::changes::{own, woken};
use self::decisions::{Holders, lacks, wants_room};
use self::rollouts::Rolling;
use self::wide::Wide;
use crate::Parts;
use crate::driver::{Source, Woken};
use crate::kinds::Kinds;
use crate::objects;
use crate::reconciler::{instant, item};
use crate::room::Room;
use crate::work::{Name, Work};
use crate::world;

/// How long changes that wake many are gathered.
const GATHER: Duration = Duration::from_millis(20);
/// Most changes that are taken at once.
const EVENTS_MAX: usize = 1024;
/// How long to wait before a store that cannot be watched is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches both stores.
pub(crate) struct Wake {
    store: Store,
    volatile: Store,
    /// The kinds that are served whatever people define.
    base: Arc<Registry>,
    defined: Kinds,
    settle: Duration,
    resync: Duration,
    durable_watch: Option<Watch>,
    volatile_watch: Option<Watch>,
    next_resync: Instant,
    closed: bool,
    /// Any change wakes everything.
    all: bool,
    /// Who the clusters are, by UID.
    names: BTreeMap<String, Name>,
    /// Templates with replicas for which there was no place, or none but on a cluster that is drained.
    unplaced: BTreeSet<ItemKey>,
    /// Templates that clusters without the hardware do not get: what is merely free there may be
    /// written late.
    lacking: BTreeSet<ItemKey>,
    /// Is told whether there are any replicas without a place.
    pub(crate) room: Arc<Room>,
    /// Templates that some cluster does not get for now: what clusters report may let it.
    waiting: BTreeSet<ItemKey>,
    /// Templates of which some cluster keeps what it has until a rollout is over: of one that its release
    /// may not name any more.
    behind: BTreeSet<ItemKey>,
    /// Which templates each policy holds; `None` as long as not all decisions were looked at.
    held: Option<Holders>,
    /// About how many clusters a decision is, where they are many.
    large: BTreeMap<ItemKey, u32>,
    /// What is to be woken once all that waits was read.
    wide: Wide,
    /// When anything was, last.
    gathered_at: Option<Instant>,
    /// What waits for disruption budgets.
    budgets: Waiting,
    /// Policies with rollouts.
    rolling: Rolling,
}

impl Wake {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self {
            store: parts.store.clone(),
            volatile: parts.volatile.clone(),
            base: Arc::clone(&parts.registry),
            defined: Kinds::default(),
            settle: parts.options.settle,
            resync: parts.options.resync.max(Duration::from_millis(1)),
            durable_watch: None,
            volatile_watch: None,
            next_resync: instant() + parts.options.resync,
            closed: false,
            all: parts.options.everything,
            names: BTreeMap::new(),
            unplaced: BTreeSet::new(),
            lacking: BTreeSet::new(),
            room: Arc::default(),
            waiting: BTreeSet::new(),
            behind: BTreeSet::new(),
            held: None,
            large: BTreeMap::new(),
            wide: Wide::default(),
            gathered_at: None,
            budgets: Waiting::default(),
            rolling: Rolling::default(),
        }
    }

    /// The kinds that are served now.
    fn registry(&self) -> Arc<Registry> {
        self.defined.of(&self.base, &self.store.snapshot())
    }

    /// Opens the watches that are not open; whether everything must be looked at because of that.
    fn open(&mut self) -> bool {
        let mut all = false;
        if self.durable_watch.is_none() {
            self.durable_watch = self.store.watch("/", self.store.revision()).ok();
            all |= self.durable_watch.is_some();
        }
        if self.volatile_watch.is_none() {
            self.volatile_watch = self.volatile.watch("/", self.volatile.revision()).ok();
            all |= self.volatile_watch.is_some();
        }
        all
    }

    /// Everything there is to work on.
    fn everything(&mut self, reason: &'static str) -> Vec<Woken<Work>> {
        let snapshot = self.store.snapshot();
        let registry = self.registry();
        let mut work = BTreeSet::from([Work::Garbage]);
        work.extend(self.all_rollouts());
        self.unplaced.clear();
        self.large.clear();
        self.budgets = Waiting::default();
        self.held = Some(Holders::new());
        self.wide = Wide::default();
        for entry in snapshot.range(OBJECTS_PREFIX) {
            let Some(key) = parse_object_key(entry.key.as_str()) else {
                continue;
            };
            if let Some(own) = own(&key) {
                work.insert(own);
            } else if let Some(item) = world::item(&registry, &key) {
                work.insert(Work::Placement(item));
            } else if (key.group.as_str(), key.plural.as_str()) == (OWN_GROUP, DECISIONS)
                && let Ok(decision) = objects::typed::<Decision>(entry)
            {
                if wants_room(&decision) {
                    self.unplaced.insert(item(&decision));
                }
                if lacks(&decision) {
                    self.lacking.insert(item(&decision));
                }
                self.note(&entry.key, &decision);
                work.insert(Work::Placement(item(&decision)));
                work.insert(Work::Status(item(&decision)));
            }
        }
        let held = self.room.wanted(!self.unplaced.is_empty());
        work.extend(held.into_iter().map(Work::Cluster));
        for entry in snapshot.range(LEDGER_PREFIX) {
            if let Some((_, item)) = parse_ledger_key(entry.key.as_str()) {
                work.insert(Work::Placement(item));
            }
        }
        for entry in snapshot.range(ANSWERS_PREFIX) {
            if let Some((_, item)) = parse_answer_key(entry.key.as_str()) {
                work.insert(Work::Placement(item));
            }
        }
        woken(work, Duration::ZERO, reason)
    }
}

impl Source<Work> for Wake {
    async fn next(&mut self) -> Vec<Woken<Work>> {
        if self.closed {
            return std::future::pending().await;
        }
        if self.open() {
            return self.everything("start");
        }
        let (Some(durable), Some(volatile)) = (&mut self.durable_watch, &mut self.volatile_watch)
        else {
            tokio::time::sleep(AGAIN).await;
            return Vec::new();
        };
        let mut out = Vec::new();
        tokio::select! {
            biased;
            event = durable.next() => {
                let (events, end) = burst(event, || durable.try_next());
                for event in &events {
                    self.durable(event, &mut out);
                }
                if let Some(end) = end {
                    self.durable_watch = None;
                    self.closed = end == WatchEnd::Closed;
                }
            }
            event = volatile.next() => {
                let (events, end) = burst(event, || volatile.try_next());
                for event in &events {
                    self.changed_news(event, &mut out);
                }
                if let Some(end) = end {
                    self.volatile_watch = None;
                    self.closed = end == WatchEnd::Closed;
                }
            }
            () = tokio::time::sleep_until(self.next_resync) => {
                self.next_resync = instant() + self.resync;
                return self.everything("resync");
            }
        }
        self.gathered(&mut out);
        if self.all && !out.is_empty() {
            return self.everything("anything");
        }
        out
    }
}

/// The first change with those that wait behind it, and the watch's end if it came.
fn burst(
    first: Result<Event, WatchEnd>,
    mut next: impl FnMut() -> Option<Result<Event, WatchEnd>>,
) -> (Vec<Event>, Option<WatchEnd>) {
    let mut events = Vec::new();
    let mut at = Some(first);
    while let Some(event) = at.take() {
        match event {
            Ok(event) => events.push(event),
            Err(end) => return (events, Some(end)),
        }
        if events.len() < EVENTS_MAX {
            at = next();
        }
    }
    (events, None)
}
