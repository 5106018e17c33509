//! Gives due keys to a reconciler, several at once but never one twice, and asks a source what woke
//! up. Knows no domain.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tracing::Instrument;

use crate::error::Error;
use crate::queue::{Outcome, Queue};

/// Works on keys.
pub(crate) trait Reconcile: Send + Sync + 'static {
    /// What is worked on.
    type Key: Ord + Clone + Display + Send + 'static;

    /// Looks at `key` as a whole and makes it so. Says after which time to look again, if there is
    /// one.
    fn reconcile(
        self: Arc<Self>,
        key: Self::Key,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Duration>, Error>> + Send>>;
}

/// Something that woke up.
#[derive(Clone, Debug)]
pub(crate) struct Woken<K> {
    /// What is to be looked at.
    pub(crate) key: K,
    /// After which time, so that several reasons become one look.
    pub(crate) delay: Duration,
    /// Why.
    pub(crate) reason: &'static str,
}

/// Says what woke up.
pub(crate) trait Source<K>: Send + 'static {
    /// What woke up since the last call; waits until something has. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Vec<Woken<K>>> + Send;
}

/// The loop.
pub(crate) struct Driver<R: Reconcile, S> {
    reconciler: Arc<R>,
    source: S,
    concurrency: usize,
    queue: Queue<R::Key>,
    tasks: JoinSet<Result<Option<Duration>, Error>>,
    running: BTreeMap<String, R::Key>,
    start: Instant,
    /// Changes when what was refused may be tried again.
    writes: Option<watch::Receiver<u64>>,
}

fn now() -> Instant {
    Instant::now()
}

impl<R: Reconcile, S: Source<R::Key>> Driver<R, S> {
    pub(crate) fn new(reconciler: Arc<R>, source: S, concurrency: usize) -> Self {
        Self {
            reconciler,
            source,
            concurrency: concurrency.max(1),
            queue: Queue::new(),
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            start: now(),
            writes: None,
        }
    }

    /// Tries what a store refused again when this, which is what it says of its writes, changes.
    pub(crate) fn hearing(mut self, writes: watch::Receiver<u64>) -> Self {
        self.writes = Some(writes);
        self
    }

    /// Runs until `stop` says true or its sender is gone; what is being worked on then ends first.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            self.start_due();
            let due = self.queue.next_at().map(|at| self.start + at);
            let room = self.queue.active() < self.concurrency;
            tokio::select! {
                biased;
                _stopped = stop.wait_for(|stop| *stop) => break,
                () = written(&mut self.writes), if self.queue.has_refused() => {
                    self.queue.hurry(self.start.elapsed());
                }
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                woken = self.source.next() => {
                    let now = self.start.elapsed();
                    for woken in woken {
                        self.queue.add(now + woken.delay, woken.key, woken.reason);
                    }
                }
                () = sleep_until(due), if room && due.is_some() => {}
            }
        }
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended);
        }
    }

    fn start_due(&mut self) {
        let now = self.start.elapsed();
        while self.queue.active() < self.concurrency {
            let Some((key, reason)) = self.queue.pop(now) else {
                return;
            };
            let span = tracing::debug_span!("reconcile", %key, reason);
            let work = timed(Arc::clone(&self.reconciler).reconcile(key.clone()));
            let id = self.tasks.spawn(work.instrument(span)).id();
            self.running.insert(id.to_string(), key);
        }
    }

    fn ended(
        &mut self,
        ended: Result<(Id, Result<Option<Duration>, Error>), tokio::task::JoinError>,
    ) {
        let (id, outcome) = match ended {
            Ok((id, Ok(None))) => (id, Outcome::Await),
            Ok((id, Ok(Some(wait)))) => (id, Outcome::After(wait)),
            Ok((id, Err(error))) if error.refused() => (id, Outcome::Refused),
            Ok((id, Err(_))) => (id, Outcome::Failed),
            Err(error) => {
                tracing::error!(%error, "a reconcile ended in a panic");
                (error.id(), Outcome::Failed)
            }
        };
        if let Some(key) = self.running.remove(&id.to_string()) {
            self.queue.done(self.start.elapsed(), key, outcome);
        }
    }
}

/// Waits until a store took something.
async fn written(writes: &mut Option<watch::Receiver<u64>>) {
    let changed = match writes {
        Some(writes) => writes.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending().await
    }
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}

/// Says how long the work took, and how it ended.
async fn timed(
    work: Pin<Box<dyn Future<Output = Result<Option<Duration>, Error>> + Send>>,
) -> Result<Option<Duration>, Error> {
    let start = now();
    let result = work.await;
    let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    match &result {
        Ok(again) => tracing::debug!(took_us, ?again, "reconciled"),
        Err(error) => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(took_us, %error, cause, "not reconciled, will be tried again");
        }
    }
    result
}
