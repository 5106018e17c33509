//! Checkers. They know only what users were answered, what members hold, and the slow model.

pub mod acks;
pub mod agreement;
pub mod budget;
pub mod durability;
pub mod frozen;
pub mod history;
pub mod moves;
pub mod order;
pub mod quiet;
pub mod ready;
pub mod restored;
pub mod safety;
pub mod stages;
pub mod swap;
pub mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use crate::model::Name;
use crate::world::lock;

/// Most violations that are kept; the first is what matters.
const VIOLATIONS_MAX: usize = 20;

/// What checkers saw.
#[derive(Debug, Default)]
pub struct Checks {
    violations: Mutex<Vec<String>>,
    /// What was applied last, by cluster and name.
    pub(crate) applied: Mutex<BTreeMap<(String, Name), history::Applied>>,
    /// The lives of all hubs.
    pub histories: Mutex<history::Histories>,
    /// What users were told about clusters that are to be left alone.
    pub frozen: Mutex<frozen::Frozen>,
    /// Since when the hub has had each template as it is.
    pub templates: Mutex<truth::Seen>,
    /// Every version that a cluster ever held of an object.
    pub held: Mutex<BTreeSet<((String, Name), u64)>>,
    /// Whether anybody changes on members what is ours there.
    pub(crate) meddled: AtomicBool,
    /// What goes out in stages.
    pub(crate) staged: Mutex<stages::Staged>,
    /// What policies allow to be taken.
    pub(crate) budgets: Mutex<budget::Budgets>,
    /// The cluster of which nothing is heard, for so long that what it has fails over.
    pub(crate) silent: Mutex<Option<String>>,
    /// What does not run, while that is looked at.
    pub(crate) stopped: Mutex<Option<moves::Stopped>>,
    /// What waits for something.
    pub(crate) waiting: Mutex<order::Waiting>,
    /// What users took away.
    pub(crate) taken_at: Mutex<swap::TakenAt>,
    /// What agents acknowledged.
    pub acks: Mutex<acks::Acks>,
    /// When each cluster could last be heard of.
    pub contact: Mutex<ready::Contact>,
    /// Meddling that is asked for.
    pub drifts: Mutex<Vec<crate::drift::Meddling>>,
    /// How many writes agents sent to members.
    pub(crate) writes: Mutex<u64>,
}

impl Checks {
    /// Notes that an invariant was broken.
    pub fn violation(&self, checker: &str, what: &str) {
        let mut all = lock(&self.violations);
        if all.len() < VIOLATIONS_MAX {
            // Outside of a host's step the time is not known; the harness names it then.
            let at = turmoil::sim_elapsed().map(|at| format!(" (at {at:?})"));
            all.push(format!("{checker}: {what}{}", at.unwrap_or_default()));
        }
    }

    /// What was broken so far.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.violations).clone()
    }
}
