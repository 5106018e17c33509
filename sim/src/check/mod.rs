//! Checkers. They know only what users were answered, what members hold, and the slow model.

pub mod acks;
pub mod agreement;
pub mod durability;
pub mod quiet;
pub mod ready;
pub mod restored;
pub mod safety;

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::world::lock;

/// Most violations that are kept; the first is what matters.
const VIOLATIONS_MAX: usize = 20;

/// What checkers saw.
#[derive(Debug, Default)]
pub struct Checks {
    violations: Mutex<Vec<String>>,
    /// The highest revision applied, by cluster and path.
    pub(crate) stamps: Mutex<BTreeMap<(String, String), u64>>,
    /// What agents acknowledged.
    pub acks: Mutex<acks::Acks>,
    /// When each cluster could last be heard of.
    pub contact: Mutex<ready::Contact>,
    /// Meddling that is asked for: site, and how.
    pub drifts: Mutex<Vec<(usize, u64)>>,
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
