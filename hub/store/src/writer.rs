//! The one writer: takes many transactions into one commit of the disk, then shows them.
//!
//! A transaction is checked against the state with everything before it, also what is not durable
//! yet; so every answer waits for the disk. When the disk fails, nothing is shown, the file is
//! reopened, and until that works every commit is refused at once while reads go on.

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_protocol::wire::Revision;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::disk::{Durable, Failure, Healed};
use crate::shared::Shared;
use crate::store::obstacle;
use crate::{CommitError, Committed, Entry, Event, Op, Snapshot, Txn};

/// Most transactions in one commit of the disk.
const GROUP_TXNS_MAX: usize = 512;
/// A group that has so many bytes of keys and values takes no more.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long after a failed reopening the next is tried; doubles up to the maximum.
const REOPEN_AFTER_MIN: Duration = Duration::from_millis(100);
/// The longest pause between two reopenings.
const REOPEN_AFTER_MAX: Duration = Duration::from_secs(5);

type Reply = oneshot::Sender<Result<Committed, CommitError>>;

/// What handles ask of the writer.
pub(crate) enum Request {
    Commit { txn: Txn, reply: Reply },
    Close { reply: oneshot::Sender<()> },
}

/// A transaction that is done in memory and not shown yet.
struct Staged {
    events: Vec<Arc<Event>>,
    after: Snapshot,
}

/// Transactions that go to the disk together.
#[derive(Default)]
struct Group {
    staged: Vec<Staged>,
    answers: Vec<(Reply, Result<Committed, CommitError>)>,
    bytes: usize,
}

/// Why nothing can be written now, and when to look again.
struct Outage {
    text: String,
    pause: Duration,
    retry_at: Instant,
    /// What was on its way to the disk, and may have arrived.
    doubt: Vec<Staged>,
}

pub(crate) struct Writer {
    env: Env,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    durable: Durable,
    /// The newest durable state.
    head: Snapshot,
    bytes_max: usize,
    outage: Option<Outage>,
}

impl Writer {
    pub(crate) fn new(
        env: Env,
        shared: Arc<Shared>,
        requests: mpsc::Receiver<Request>,
        durable: Durable,
        head: Snapshot,
    ) -> Self {
        Self {
            env,
            shared,
            requests,
            durable,
            head,
            bytes_max: usize::MAX,
            outage: None,
        }
    }

    /// Refuses what would make the store larger than this, in bytes of keys and values.
    pub(crate) fn bounded(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// Works until the store is closed or its last handle is gone.
    pub(crate) async fn run(mut self) {
        let mut closing = None;
        while closing.is_none() {
            let retry_at = self.outage.as_ref().map(|outage| outage.retry_at);
            let request = tokio::select! {
                biased;
                () = until(retry_at) => {
                    self.heal().await;
                    continue;
                }
                request = self.requests.recv() => request,
            };
            let Some(request) = request else { break };
            closing = self.serve(request).await;
        }
        self.requests.close();
        // Whoever still waits sees its channel dropped, and takes that for closed.
        while self.requests.try_recv().is_ok() {}
        self.durable.close(&self.env).await;
        self.shared.close();
        if let Some(reply) = closing {
            // Whoever is gone needs no answer.
            let _gone = reply.send(());
        }
    }

    /// Commits `request` and what waits behind it; returns the one who asked to close, if reached.
    async fn serve(&mut self, request: Request) -> Option<oneshot::Sender<()>> {
        let mut group = Group::default();
        let mut state = self.head.clone();
        let mut next = Some(request);
        let mut closing = None;
        let mut waited = false;
        while let Some(request) = next.take() {
            match request {
                Request::Close { reply } => {
                    closing = Some(reply);
                    break;
                }
                Request::Commit { txn, reply } => match &self.outage {
                    Some(outage) => {
                        drop(reply.send(Err(CommitError::Unavailable(outage.text.clone()))));
                    }
                    None => {
                        let limits = (self.shared.first, self.bytes_max);
                        group.stage(&mut state, limits, txn, reply);
                    }
                },
            }
            if self.outage.is_none() && !group.full() {
                next = self.requests.try_recv().ok();
                if next.is_none() && !std::mem::replace(&mut waited, true) {
                    // Who is at work on this moment's changes comes along.
                    tokio::task::yield_now().await;
                    next = self.requests.try_recv().ok();
                }
            }
        }
        self.commit(group).await;
        closing
    }

    async fn commit(&mut self, group: Group) {
        let Group {
            staged, answers, ..
        } = group;
        let events = staged
            .iter()
            .flat_map(|s| s.events.iter().map(Arc::clone))
            .collect();
        let Some(last) = staged.last().map(|s| s.after.revision) else {
            return answer(answers);
        };
        #[cfg(planted)]
        if roadstead_protocol::planted::is("reply-before-sync") {
            self.publish(staged);
            answer(answers);
            drop(self.durable.commit(&self.env, events, last).await);
            return;
        }
        match self.durable.commit(&self.env, events, last).await {
            Ok(()) => {
                self.shared.written();
                self.publish(staged);
                answer(answers);
            }
            Err(Failure { text, in_doubt }) => {
                tracing::warn!(error = %text, in_doubt, "the store's disk failed");
                for (reply, _) in answers {
                    drop(reply.send(Err(CommitError::Unavailable(text.clone()))));
                }
                self.shared.refused(&text, in_doubt);
                if in_doubt {
                    let retry_at = Instant::now() + REOPEN_AFTER_MIN;
                    self.outage = Some(Outage {
                        text,
                        pause: REOPEN_AFTER_MIN,
                        retry_at,
                        doubt: staged,
                    });
                }
            }
        }
    }

    fn publish(&mut self, staged: Vec<Staged>) {
        for Staged { events, after } in staged {
            self.head = after.clone();
            self.shared.publish(after, &events);
        }
    }

    /// Reopens the file after an outage, and shows what was in doubt if it did arrive.
    async fn heal(&mut self) {
        let Some(mut outage) = self.outage.take() else {
            return;
        };
        match self.durable.heal(&self.env).await {
            Ok(healed) => {
                tracing::info!(?healed, "the store writes again");
                self.shared.written();
                match healed {
                    Healed::Landed => self.publish(outage.doubt),
                    Healed::NotLanded => {}
                }
            }
            Err(text) => {
                outage.pause = (outage.pause * 2).min(REOPEN_AFTER_MAX);
                outage.retry_at = Instant::now() + outage.pause;
                self.shared.refused(&text, true);
                outage.text = text;
                self.outage = Some(outage);
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn answer(answers: Vec<(Reply, Result<Committed, CommitError>)>) {
    for (reply, result) in answers {
        // Whoever is gone needs no answer.
        drop(reply.send(result));
    }
}

impl Group {
    fn full(&self) -> bool {
        self.answers.len() >= GROUP_TXNS_MAX || self.bytes >= GROUP_BYTES_MAX
    }

    /// Does `txn` on `state`, or leaves `state` as it is and notes the refusal.
    fn stage(&mut self, state: &mut Snapshot, limits: (Revision, usize), txn: Txn, reply: Reply) {
        self.bytes = self.bytes.saturating_add(txn.bytes());
        let result = match obstacle(&state.entries, &txn) {
            Some(refusal) => Err(refusal),
            None => apply(state, limits, txn.ops).map(|(after, events)| {
                let (at, last) = (after.revision, after.revision);
                let first = events.first().map_or(at, |event| event.revision);
                if !events.is_empty() {
                    *state = after.clone();
                    self.staged.push(Staged { events, after });
                }
                Committed { first, last }
            }),
        };
        self.answers.push((reply, result));
    }
}

/// The state after `ops`, and what happened; an error leaves nothing behind.
fn apply(
    state: &Snapshot,
    (first, bytes_max): (Revision, usize),
    ops: Vec<Op>,
) -> Result<(Snapshot, Vec<Arc<Event>>), CommitError> {
    let mut after = state.clone();
    let mut events = Vec::with_capacity(ops.len());
    for op in ops {
        let revision = Revision(after.revision.0.saturating_add(1)).max(first);
        let (key, new, previous) = match op {
            Op::Put { key, value } => {
                let created = after
                    .entries
                    .get(key.as_str())
                    .map_or(revision, |old| old.created);
                let entry = Entry {
                    key: key.clone(),
                    created,
                    revision,
                    value,
                };
                let previous = after.insert(entry.clone());
                (key, Some(entry), previous)
            }
            Op::Delete { key } => {
                let Some(previous) = after.remove(key.as_str()) else {
                    return Err(CommitError::Conflict { key, actual: None });
                };
                (key, None, Some(previous))
            }
        };
        after.revision = revision;
        events.push(Arc::new(Event {
            revision,
            key,
            new,
            previous,
        }));
    }
    if after.bytes() > bytes_max && after.bytes() > state.bytes() {
        let what = "bytes in the whole store, which is full";
        return Err(CommitError::TooLarge {
            what,
            size: after.bytes(),
            limit: bytes_max,
        });
    }
    Ok((after, events))
}
