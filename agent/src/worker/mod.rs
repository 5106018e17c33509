//! Makes the member so: a bounded pool of tasks, one per key, each of which looks, decides one step,
//! does it, and looks again.
//!
//! Woken by new items, by watches and by time; never by a call that says what to do. Decisions are
//! `plan`'s. Nothing is applied while the desk's gate is closed.

pub mod fetch;
pub mod queue;
pub mod saver;
mod task;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::desk::{Desk, Key};
use crate::member::Member;
use crate::plan::order;
use crate::store::Disk;
use queue::{Next, Queue};

/// What the workers share.
#[derive(Clone)]
pub struct Workshop {
    /// What is known.
    pub desk: Arc<Desk>,
    /// The agent's disk.
    pub disk: Disk,
    /// The member's API.
    pub member: Member,
}

/// How hard they work.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many objects are worked on at once.
    pub workers: usize,
    /// How often everything is looked at although nothing told so.
    pub resync_every: Duration,
    /// What waits are jittered from.
    pub seed: u64,
}

/// A key that is worked on for longer than this hangs, and counts no more among `workers`: objects
/// whose admission hangs must delay no other.
const HANGS_AFTER: Duration = Duration::from_secs(2);
/// How many times `workers` are worked on at once at most, those that hang included.
const STRETCH: usize = 8;

/// What is worked on.
#[derive(Default)]
struct Running {
    tasks: JoinSet<(Key, Next)>,
    since: BTreeMap<Key, Instant>,
}

impl Running {
    /// Whether one more may be worked on; where not, from when on it may, though none ended.
    fn room(&self, workers: usize) -> Result<(), Option<Instant>> {
        let workers = workers.max(1);
        if self.since.len() >= workers.saturating_mul(STRETCH) {
            return Err(None);
        }
        let now = Instant::now();
        let hang_at = self.since.values().map(|since| *since + HANGS_AFTER);
        let brisk = hang_at.filter(|at| *at > now);
        if brisk.clone().count() < workers {
            return Ok(());
        }
        Err(brisk.min())
    }
}

/// Works until it is dropped.
pub async fn run(shop: Workshop, pace: Pace) {
    let started = Instant::now();
    let mut queue = Queue::new(pace.seed);
    let mut running = Running::default();
    let mut resync = started + pace.resync_every;
    let mut open = false;
    loop {
        let gate = shop.desk.gate().is_open() && shop.desk.owner().is_some();
        if gate && !open {
            shop.desk.all_dirty();
        }
        open = gate;
        // Nothing that began before a freeze may be under way any more when it is reported.
        if shop.desk.freeze_unsaid() && running.since.is_empty() {
            shop.desk.say_freeze();
        }
        let works = open && !shop.desk.freeze_unsaid();
        if works {
            hand_out(&shop, &pace, &mut queue, &mut running, started);
        }
        let due = queue
            .due()
            .map_or(resync, |due| (started + due).min(resync));
        let next = match running.room(pace.workers) {
            Ok(()) => Some(due),
            Err(room_at) => room_at,
        };
        tokio::select! {
            biased;
            Some(ended) = running.tasks.join_next(), if !running.since.is_empty() => {
                match ended {
                    Ok((key, next)) => {
                        running.since.remove(&key);
                        queue.done(&key, started.elapsed(), next);
                    }
                    Err(error) => tracing::error!(%error, "a worker ended"),
                }
            }
            () = shop.desk.work.notified() => {}
            () = sleep_until(next), if works => {
                if Instant::now() >= resync {
                    resync = Instant::now() + pace.resync_every;
                    shop.desk.all_dirty();
                }
            }
        }
    }
}

/// Hands out keys as long as there is room.
fn hand_out(
    shop: &Workshop,
    pace: &Pace,
    queue: &mut Queue,
    running: &mut Running,
    started: Instant,
) {
    for (key, tombstone) in shop.desk.take_dirty() {
        let phase = order::phase(&key, tombstone);
        queue.wake(key, phase);
    }
    while running.room(pace.workers).is_ok() {
        let Some(key) = queue.pop(started.elapsed()) else {
            return;
        };
        running.since.insert(key.clone(), Instant::now());
        let shop = shop.clone();
        running.tasks.spawn(async move {
            let next = task::work(&shop, &key).await;
            (key, next)
        });
    }
}

/// Sleeps; pends where there is nothing to wait for.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
