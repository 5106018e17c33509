//! What is counted of decisions: how many were made and how long that took, what clusters were given and
//! lost by them, and what waits, by reason.
//!
//! Whoever shows them asks; nothing is written for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::api::{Condition, ConditionStatus, condition};
use roadstead_store::records::{decode, objects_prefix};
use roadstead_store::{Entry, Key, Revision, Snapshot};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What one decision moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Clusters that got the object.
    pub(crate) given: u64,
    /// Clusters that lose it.
    pub(crate) taken: u64,
}

/// Numbers since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    made: AtomicU64,
    micros: AtomicU64,
    given: AtomicU64,
    taken: AtomicU64,
    /// How decisions stand, as they were read last.
    stands: Mutex<BTreeMap<Key, (Revision, Stands)>>,
}

/// How all decisions stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// How many wait, by reason.
    pub waits: BTreeMap<String, u64>,
    /// From how many clusters objects are failed over.
    pub failed_over: u64,
}

/// How a decision stands.
#[derive(Debug, Default)]
struct Stands {
    /// Why it waits, where it does.
    waits: Option<String>,
    /// From how many clusters its object is failed over.
    failed_over: u64,
}

/// Of a Decision only its conditions, and what it is failed over from.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Judged {
    spec: Marks,
    status: Conditions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Marks {
    failed_over: Vec<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    conditions: Vec<Condition>,
}

impl Metrics {
    /// A decision was written, this long after its turn had come.
    pub(crate) fn decided(&self, took: Duration, moved: Moved) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        for (counter, more) in [
            (&self.made, 1),
            (&self.micros, micros),
            (&self.given, moved.given),
            (&self.taken, moved.taken),
        ] {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Decisions that were written.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Microseconds from when their turns had come until they were on disk.
    pub fn micros(&self) -> u64 {
        self.micros.load(Ordering::Relaxed)
    }

    /// How often a cluster was given an object that it did not have, and how often it lost one.
    pub fn moves(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.given), load(&self.taken))
    }

    /// How the decisions of `snapshot` stand. Only what changed since the last time is read.
    pub fn stand(&self, snapshot: &Snapshot) -> Stand {
        let mut stand = Stand::default();
        let mut known = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = BTreeMap::new();
        for entry in snapshot.range(&objects_prefix(OWN_GROUP, DECISIONS)) {
            let same = known.remove(&entry.key);
            let same = same.filter(|(revision, _)| *revision == entry.revision);
            let stands = same.map_or_else(|| stands(entry), |(_, stands)| stands);
            if let Some(reason) = &stands.waits {
                *stand.waits.entry(reason.clone()).or_default() += 1;
            }
            stand.failed_over += stands.failed_over;
            read.insert(entry.key.clone(), (entry.revision, stands));
        }
        *known = read;
        stand
    }
}

fn stands(entry: &Entry) -> Stands {
    let judged: Judged = decode(entry).unwrap_or_default();
    let placed = condition::find(&judged.status.conditions, "Placed");
    let waits = placed.filter(|placed| placed.status != ConditionStatus::True);
    Stands {
        waits: waits.map(|waits| waits.reason.clone()),
        failed_over: u64::try_from(judged.spec.failed_over.len()).unwrap_or(u64::MAX),
    }
}
