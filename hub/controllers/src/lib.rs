//! The hub's controllers: they read the stores, ask the plan, and write what it says.
//!
//! A change wakes a key; the key's reconciler then reads everything anew and writes what differs, so
//! that a wake-up lost or given twice changes nothing. They meet the rest of the hub in the stores
//! and nowhere else.
//!
//! - [`placement`]: a template's Decision, ledger, contents and tombstones, in one transaction.
//! - [`status`]: what became of a Decision on the clusters.
//! - [`cluster`], [`fleet`], [`policy`]: conditions on what people wrote.
//! - [`rollout`]: how a policy's changes go out, stage by stage.
//! - [`gc`]: contents, deletion records and events that nothing needs any more.
//!
//! Deliberately absent: any opinion about who runs what (`roadstead-plan` has it), and sessions.

mod approvals;
mod around;
mod budgets;
mod claims;
mod cluster;
mod copies;
mod counted;
mod decision;
mod displaced;
mod driver;
mod error;
mod events;
mod failovers;
mod fleet;
mod gc;
mod given;
mod groups;
mod holds;
mod hosting;
mod kinds;
mod ledger;
mod metrics;
mod objects;
mod observed;
mod placement;
mod pledges;
mod policy;
pub mod preview;
mod queue;
mod reconciler;
mod rollout;
mod room;
mod shown;
mod status;
mod tainted;
mod tally;
mod told;
mod turn;
mod wake;
mod why;
mod words;
mod work;
mod world;
mod worlds;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use roadstead_machinery::resource::Registry;
use roadstead_plan::Limits;
use roadstead_protocol::env::Env;
use roadstead_store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use decision::{SYSTEM_NAMESPACE, decision_key, decision_ref};
pub use error::Error;
pub use events::{Event, tell};
pub use failovers::Failovers;
pub use kinds::defined;
pub use metrics::{Metrics, Stand};
pub use why::why;
pub use world::{template, world};

use crate::driver::Driver;
use crate::reconciler::Reconciler;
use crate::wake::Wake;

/// What the controllers are given.
#[derive(Clone)]
pub struct Parts {
    /// Clock and entropy.
    pub env: Env,
    /// What is durable.
    pub store: Store,
    /// What is not: who is alive, reports, facts.
    pub volatile: Store,
    /// The kinds that are served whatever people define.
    pub registry: Arc<Registry>,
    /// Times and bounds.
    pub options: Options,
}

/// Times and bounds.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long after the last word of a cluster's agent its conditions become Unknown. At most 40 s
    /// with what it takes to notice and to write.
    pub grace: Duration,
    /// How often everything is looked at again, whatever woke up meanwhile.
    pub resync: Duration,
    /// Most keys that are worked on at once.
    pub concurrency: usize,
    /// How much a single edit may remove without being confirmed.
    pub limits: Limits,
    /// How long reports are gathered before a status is written.
    pub settle: Duration,
    /// Whether any change wakes everything, as if nothing could be told from what changed. Slow, and
    /// never wrong: what it does differently shows a wake-up that is missing.
    pub everything: bool,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// For how long what objects fail over by has been so: for whoever explains decisions.
    pub failovers: Arc<Failovers>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(37),
            resync: Duration::from_secs(300),
            concurrency: 16,
            limits: Limits::default(),
            settle: Duration::from_millis(200),
            everything: false,
            metrics: Arc::default(),
            failovers: Arc::default(),
        }
    }
}

/// The running controllers.
pub struct Handle {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Handle {
    /// Lets what is being worked on end, and ends.
    pub async fn stop(self) {
        // An error means that the driver is gone already.
        let _gone = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the controllers' driver did not end well");
        }
    }
}

/// Starts the controllers.
pub fn spawn(parts: Parts) -> Handle {
    let (stop, stopped) = watch::channel(false);
    let wake = Wake::new(&parts);
    let options = parts.options.clone();
    let (store, volatile) = (parts.store.clone(), parts.volatile.clone());
    let mut reconciler = Reconciler::new(parts);
    reconciler.room = Arc::clone(&wake.room);
    options.failovers.begin();
    reconciler.failovers = Arc::clone(&options.failovers);
    let reconciler = Arc::new(reconciler);
    let counting = Arc::clone(&reconciler);
    let driver = Driver::new(reconciler, wake, options.concurrency);
    let driver = driver.hearing(store.writes());
    let task = tokio::spawn(async move {
        shown::recall(&store, &volatile).await;
        tokio::select! {
            biased;
            () = driver.run(stopped) => {}
            () = failovers::count(&counting) => {}
        }
    });
    Handle { stop, task }
}
