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

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::wire::ItemKey;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::desk::Desk;
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

/// Works until it is dropped.
pub async fn run(shop: Workshop, pace: Pace) {
    let started = Instant::now();
    let mut queue = Queue::new(pace.seed);
    let mut running: JoinSet<(ItemKey, Next)> = JoinSet::new();
    let mut resync = started + pace.resync_every;
    let mut open = false;
    loop {
        let gate = shop.desk.gate().is_open() && shop.desk.owner().is_some();
        if gate && !open {
            shop.desk.all_dirty();
        }
        open = gate;
        // Nothing that began before a freeze may be under way any more when it is reported.
        if shop.desk.freeze_unsaid() && running.is_empty() {
            shop.desk.say_freeze();
        }
        if open && !shop.desk.freeze_unsaid() {
            for (key, tombstone) in shop.desk.take_dirty() {
                let phase = order::phase(&key, tombstone);
                queue.wake(key, phase);
            }
            while running.len() < pace.workers.max(1) {
                let Some(key) = queue.pop(started.elapsed(), pace.workers) else {
                    break;
                };
                let shop = shop.clone();
                running.spawn(async move {
                    let next = task::work(&shop, &key).await;
                    (key, next)
                });
            }
        }
        let due = queue
            .due()
            .map_or(resync, |due| (started + due).min(resync));
        tokio::select! {
            biased;
            Some(ended) = running.join_next(), if !running.is_empty() => {
                match ended {
                    Ok((key, next)) => queue.done(&key, started.elapsed(), next),
                    Err(error) => tracing::error!(%error, "a worker ended"),
                }
            }
            () = shop.desk.work.notified() => {}
            () = tokio::time::sleep_until(due), if open && running.len() < pace.workers.max(1) && !shop.desk.freeze_unsaid() => {
                if Instant::now() >= resync {
                    resync = Instant::now() + pace.resync_every;
                    shop.desk.all_dirty();
                }
            }
        }
    }
}
