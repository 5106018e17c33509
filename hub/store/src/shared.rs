//! What readers and the writer share: the newest durable state, its recent history, and who watches.
//!
//! One lock, held for moments, never across an await.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roadstead_protocol::wire::{Epoch, Lineage, Revision};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::ring::Ring;
use crate::{Compacted, Event, Snapshot};

/// Most events that wait for one watcher; beyond them it reads them from the ring.
pub(crate) const WATCH_QUEUE_MAX: usize = 1024;
/// For how long a write that was refused tells how the disk does: nobody tries it again by itself, and a
/// smaller one that a full disk still takes does not say that there is room.
const REFUSAL_TELLS: Duration = Duration::from_secs(60);

pub(crate) struct Shared {
    pub(crate) lineage: Lineage,
    pub(crate) epoch: Epoch,
    /// The first revision of this epoch.
    pub(crate) first: Revision,
    /// The newest revision when the store opened.
    pub(crate) opened_at: Revision,
    /// How often the disk took something, or was open again after it had failed.
    pub(crate) writes: watch::Sender<u64>,
    inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    pub(crate) head: Snapshot,
    pub(crate) ring: Ring,
    pub(crate) subscribers: Subscribers,
    pub(crate) closed: bool,
    /// Since the store opened.
    pub(crate) transactions: u64,
    pub(crate) syncs: u64,
    outage: Option<Outage>,
}

/// A write that the disk did not take.
struct Outage {
    text: String,
    at: Instant,
    /// Nothing can be written until the file is open again.
    lasts: bool,
}

impl Inner {
    pub(crate) fn new(head: Snapshot, ring: Ring) -> Self {
        let subscribers = Subscribers::default();
        Self {
            head,
            ring,
            subscribers,
            closed: false,
            transactions: 0,
            syncs: 0,
            outage: None,
        }
    }

    /// Why nothing can be written, or could not a moment ago.
    pub(crate) fn outage(&self) -> Option<String> {
        let outage = self.outage.as_ref()?;
        let tells = outage.lasts || outage.at.elapsed() < REFUSAL_TELLS;
        tells.then(|| outage.text.clone())
    }
}

impl Shared {
    pub(crate) fn new(lineage: Lineage, epoch: Epoch, first: Revision, inner: Inner) -> Self {
        let opened_at = inner.head.revision;
        Self {
            lineage,
            epoch,
            first,
            opened_at,
            writes: watch::Sender::default(),
            inner: Mutex::new(inner),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one transaction visible.
    pub(crate) fn publish(&self, head: Snapshot, events: &[Arc<Event>]) {
        let mut inner = self.lock();
        inner.ring.push(events, &head);
        inner.head = head;
        inner.transactions += 1;
        inner.subscribers.offer(events);
    }

    /// Notes that the disk took a write.
    pub(crate) fn written(&self) {
        let mut inner = self.lock();
        inner.syncs += 1;
        if inner.outage.as_ref().is_some_and(|outage| outage.lasts) {
            inner.outage = None;
        }
        drop(inner);
        self.writes.send_modify(|n| *n += 1);
    }

    /// Notes that the disk did not take a write, and whether it takes none until the file is open again.
    pub(crate) fn refused(&self, text: &str, lasts: bool) {
        self.lock().outage = Some(Outage {
            text: text.to_owned(),
            at: Instant::now(),
            lasts,
        });
    }

    /// Ends all watches.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.subscribers.wake_all();
    }

    /// Refuses a revision that cannot be resumed from.
    pub(crate) fn known(&self, inner: &Inner, asked: Revision) -> Result<(), Compacted> {
        let (oldest, newest) = (inner.ring.floor(), inner.head.revision);
        let gap = asked < self.first && asked != self.opened_at;
        if asked < oldest || asked > newest || gap {
            return Err(Compacted {
                asked,
                oldest,
                newest,
            });
        }
        Ok(())
    }
}

/// What waits for one watcher.
pub(crate) struct Subscriber {
    prefix: Arc<str>,
    pub(crate) queue: VecDeque<Arc<Event>>,
    /// The queue is not complete: what follows the watcher's position is in the ring.
    pub(crate) lagging: bool,
    notify: Arc<Notify>,
}

/// All watchers, found by prefix so that an event costs only those that want it.
#[derive(Default)]
pub(crate) struct Subscribers {
    next: u64,
    by_id: BTreeMap<u64, Subscriber>,
    by_prefix: BTreeMap<Arc<str>, Vec<u64>>,
    /// The lengths of the prefixes, and how many watchers have one of that length.
    lengths: BTreeMap<usize, usize>,
}

impl Subscribers {
    /// Adds a watcher, which begins by reading the ring.
    pub(crate) fn add(&mut self, prefix: &Arc<str>, notify: &Arc<Notify>) -> u64 {
        let id = self.next;
        self.next += 1;
        let subscriber = Subscriber {
            prefix: Arc::clone(prefix),
            queue: VecDeque::new(),
            lagging: true,
            notify: Arc::clone(notify),
        };
        self.by_id.insert(id, subscriber);
        self.by_prefix
            .entry(Arc::clone(prefix))
            .or_default()
            .push(id);
        *self.lengths.entry(prefix.len()).or_default() += 1;
        id
    }

    pub(crate) fn remove(&mut self, id: u64) {
        let Some(subscriber) = self.by_id.remove(&id) else {
            return;
        };
        if let Some(ids) = self.by_prefix.get_mut(&subscriber.prefix) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_prefix.remove(&subscriber.prefix);
            }
        }
        if let Some(count) = self.lengths.get_mut(&subscriber.prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&subscriber.prefix.len());
            }
        }
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Subscriber> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    fn wake_all(&self) {
        self.by_id
            .values()
            .for_each(|subscriber| subscriber.notify.notify_one());
    }

    fn offer(&mut self, events: &[Arc<Event>]) {
        let Self {
            by_id,
            by_prefix,
            lengths,
            ..
        } = self;
        for event in events {
            let prefixes = lengths
                .keys()
                .map_while(|length| event.key.as_str().get(..*length));
            for id in prefixes
                .filter_map(|prefix| by_prefix.get(prefix))
                .flatten()
            {
                if let Some(subscriber) = by_id.get_mut(id) {
                    subscriber.offer(event);
                }
            }
        }
    }
}

impl Subscriber {
    fn offer(&mut self, event: &Arc<Event>) {
        if self.lagging {
            return;
        }
        if self.queue.len() < WATCH_QUEUE_MAX {
            self.queue.push_back(Arc::clone(event));
        } else {
            self.queue.clear();
            self.lagging = true;
        }
        self.notify.notify_one();
    }
}
