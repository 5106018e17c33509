//! The store's handle: opening, reading, committing, watching, closing.

use std::sync::Arc;

use imbl::OrdMap;
use roadstead_protocol::env::Env;
use roadstead_protocol::seal::Keyring;
use roadstead_protocol::wire::{Epoch, Lineage, Revision};
use tokio::sync::{mpsc, oneshot, watch};

use crate::disk::{self, Backend, Durable, Loaded};
use crate::ring::Ring;
use crate::shared::{Inner, Shared};
use crate::writer::{Request, Writer};
use crate::{
    CommitError, Committed, Compacted, Entry, Key, OpenError, Snapshot, Txn, Watch, epoch,
};

/// Most transactions that wait for the writer; who comes then waits.
const QUEUE_MAX: usize = 1024;

/// How much a store keeps.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most bytes of keys and values. Beyond them, a transaction that adds to them is refused.
    pub bytes_max: usize,
    /// Most events that watches and older snapshots can go back.
    pub events_max: usize,
    /// Most bytes that these events may take.
    pub events_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bytes_max: 2 * 1024 * 1024 * 1024,
            events_max: 100_000,
            events_bytes_max: 128 * 1024 * 1024,
        }
    }
}

/// How much there is in a store, and how it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Current entries.
    pub entries: usize,
    /// Bytes of their keys and values.
    pub bytes: usize,
    /// Events that are kept.
    pub events: usize,
    /// What these take, in bytes.
    pub events_bytes: usize,
    /// Open watches.
    pub watches: usize,
    /// Transactions that changed something, since the store opened.
    pub transactions: u64,
    /// Commits of the disk that carried them.
    pub syncs: u64,
    /// Why nothing can be written now, or could not within the last minute; reads go on.
    pub outage: Option<String>,
    /// Nothing will be written any more: what only a restart ends.
    pub ended: Option<&'static str>,
}

/// A store. Cheap to clone; the store ends when it is closed or its last handle is dropped.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Request>,
}

impl Store {
    /// Opens what is there, or creates it where nothing is, begins an epoch and starts the writer.
    ///
    /// # Errors
    /// When the clock is absurd, or the file is in use, damaged, or cannot be read and written.
    pub async fn open(env: Env, backend: Backend, options: Options) -> Result<Self, OpenError> {
        let now = env.clock.now();
        if !epoch::plausible(now) {
            return Err(OpenError::Clock(now));
        }
        let random = [
            u64::from_le_bytes(env.random()),
            u64::from_le_bytes(env.random()),
        ];
        let begin = move |lineage, last, entries: &OrdMap<Key, Entry>| {
            let revisions = || entries.values().map(|entry| entry.revision).collect();
            epoch::begin(lineage, last, now, random, revisions)
        };
        let (durable, loaded) = match backend {
            Backend::Memory => {
                let lineage = begin(Lineage::default(), None, &OrdMap::new());
                (
                    Durable::Memory,
                    Loaded {
                        lineage,
                        last: None,
                        entries: OrdMap::new(),
                    },
                )
            }
            Backend::Redb(open) => disk::load(&env, open, Keyring::default(), begin).await?,
            Backend::Sealed { open, keyring } => disk::load(&env, open, keyring, begin).await?,
        };
        Ok(Self::start(env, durable, loaded, &options))
    }

    fn start(env: Env, durable: Durable, loaded: Loaded, options: &Options) -> Self {
        let Loaded {
            lineage,
            last,
            entries,
        } = loaded;
        let revision = last.unwrap_or_else(|| {
            let (_, first) = living(&lineage);
            Revision(first.0.saturating_sub(1))
        });
        Self::begin(
            env,
            durable,
            lineage,
            Snapshot::new(revision, entries),
            options,
        )
    }

    fn begin(
        env: Env,
        durable: Durable,
        lineage: Lineage,
        head: Snapshot,
        options: &Options,
    ) -> Self {
        let (epoch, first) = living(&lineage);
        let revision = head.revision;
        let ring = Ring::new(revision, options.events_max, options.events_bytes_max);
        let inner = Inner::new(head.clone(), ring);
        let shared = Arc::new(Shared::new(lineage, epoch, first, inner));
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let writer = Writer::new(env, Arc::clone(&shared), requests, durable, head);
        tokio::spawn(writer.bounded(options.bytes_max).run());
        Self { shared, queue }
    }

    /// A store in memory that begins as this one is now, for trying something: what is written there is
    /// there alone, and gone with it. Costs nothing where little is written.
    pub fn fork(&self, env: Env) -> Self {
        let (lineage, head) = (self.lineage(), self.snapshot());
        Self::begin(env, Durable::Memory, lineage, head, &Options::default())
    }

    /// The newest durable state.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.lock().head.clone()
    }

    /// The state as it was at `revision`, or, where that is in the midst of a transaction, after
    /// that transaction.
    ///
    /// # Errors
    /// When the history that is kept does not reach back so far, or `revision` lies in the future
    /// or in a gap between epochs.
    pub fn snapshot_at(&self, revision: Revision) -> Result<Snapshot, Compacted> {
        let inner = self.shared.lock();
        self.shared.known(&inner, revision)?;
        let back = inner.ring.back_to(revision, &inner.head);
        // Nobody waits for a long way back.
        drop(inner);
        let long = back.is_long();
        let snapshot = back.go();
        if long {
            self.shared.lock().ring.keep(&snapshot);
        }
        Ok(snapshot)
    }

    /// Does all of `txn`, if all its checks hold; resolves once it is on disk and visible.
    ///
    /// A caller that is dropped while it waits does not take the transaction back.
    ///
    /// # Errors
    /// [`CommitError::Unavailable`] may leave open whether the transaction will still happen;
    /// after all others it did not.
    pub async fn commit(&self, txn: Txn) -> Result<Committed, CommitError> {
        txn.bounded()?;
        let (reply, answer) = oneshot::channel();
        let request = Request::Commit { txn, reply };
        self.queue
            .send(request)
            .await
            .map_err(|_closed| CommitError::Closed)?;
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// The changes after `after` to keys that begin with `prefix`.
    ///
    /// # Errors
    /// When the history that is kept does not reach back so far, or `after` lies in the future or
    /// in a gap between epochs.
    pub fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Compacted> {
        Watch::new(&self.shared, prefix, after)
    }

    /// The epochs that this history has lived through; the last one lives.
    pub fn lineage(&self) -> Lineage {
        self.shared.lineage.clone()
    }

    /// The epoch that lives.
    pub fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    /// The newest durable revision.
    pub fn revision(&self) -> Revision {
        self.shared.lock().head.revision
    }

    /// Changes whenever the disk took something, and when it is open again after it had failed: who was
    /// refused may try again then.
    pub fn writes(&self) -> watch::Receiver<u64> {
        self.shared.writes.subscribe()
    }

    /// How much there is, and how it does.
    pub fn stats(&self) -> Stats {
        let inner = self.shared.lock();
        let (events, events_bytes) = inner.ring.size();
        Stats {
            entries: inner.head.len(),
            bytes: inner.head.bytes(),
            events,
            events_bytes,
            watches: inner.subscribers.len(),
            transactions: inner.transactions,
            syncs: inner.syncs,
            outage: inner.outage(),
            ended: self.ended(&inner),
        }
    }

    /// The writer is gone, and nobody has closed the store.
    fn ended(&self, inner: &Inner) -> Option<&'static str> {
        let unasked = self.queue.is_closed() && !inner.closed;
        unasked.then_some("the task that writes has ended; restart the hub")
    }

    /// Ends the store: what waits is still committed, then the file is closed and watches end.
    pub async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.queue.send(Request::Close { reply }).await.is_ok() {
            // An error means that the writer is gone already: closed as well.
            let _closed = done.await;
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Store(epoch {}, revision {})",
            self.epoch(),
            self.revision()
        )
    }
}

/// The epoch that lives, and its first revision.
fn living(lineage: &Lineage) -> (Epoch, Revision) {
    // An opened store's lineage always ends with it.
    let last = lineage.0.last();
    last.map_or_else(Default::default, |r| (r.epoch, r.first))
}

/// What is in a transaction's way, if anything is.
pub(crate) fn obstacle(entries: &OrdMap<Key, Entry>, txn: &Txn) -> Option<CommitError> {
    use crate::Check;
    txn.checks.iter().find_map(|check| {
        let (Check::Absent(key) | Check::At(key, _) | Check::Exists(key)) = check;
        let actual = entries.get(key.as_str()).map(|entry| entry.revision);
        let holds = match check {
            Check::Absent(_) => actual.is_none(),
            Check::At(_, revision) => actual == Some(*revision),
            Check::Exists(_) => actual.is_some(),
        };
        (!holds).then(|| CommitError::Conflict {
            key: key.clone(),
            actual,
        })
    })
}
