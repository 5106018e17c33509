//! What is said of failing over: why something is not though its time has come, and why something was.

use std::collections::BTreeSet;
use std::time::Duration;

use roadstead_protocol::api::failover::{FailedOver, Failure};

use super::LOOKS;
use crate::finding::{Finding, sampled};
use crate::intent::Intent;

/// Why something is not failed over though its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Many clusters are silent at once: it is rather the hub that is cut off.
    Suspects,
    /// It does not run on many clusters: it is rather the object's own fault.
    Everywhere,
    /// The cluster is tried with a release that is not known to be good yet.
    Rollout,
    /// There is no other place for it.
    NoPlace,
}

impl Held {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Suspects => {
                "too many clusters are silent at once, so that rather this hub is cut off"
            }
            Self::Everywhere => {
                "it does not run on too many clusters, so that it is rather its own fault"
            }
            Self::Rollout => {
                "a rollout tries the cluster with a release that is not known to be good yet, and \
                 judges it by that"
            }
            Self::NoPlace => "there is no other place for it",
        }
    }

    /// What people can do, with a verb.
    pub(crate) fn way_out(self) -> &'static str {
        match self {
            Self::Suspects => {
                "`roadstead fence` those that are known to be off, and they are not counted"
            }
            Self::Everywhere => {
                "to have it elsewhere all the same: `roadstead fence` or `roadstead drain` the cluster"
            }
            Self::Rollout => "it goes on once the rollout has ended, or was undone",
            Self::NoPlace => {
                "let its policy choose more clusters, or make room on those that it chooses"
            }
        }
    }
}

pub(super) fn hold(why: Held, from: Vec<String>) -> Finding {
    let (count, samples) = sampled(from);
    Finding::FailoverHeld {
        why,
        count,
        samples,
    }
}

/// After which time it is looked again for a place, where of the clusters of these UIDs that an object is
/// to be failed over from some keep it because there is none; which is said.
pub(crate) fn stuck(marked: &BTreeSet<String>, intent: &mut Intent<'_>) -> Option<Duration> {
    let targets = intent.targets.iter().map(|target| target.cluster);
    let keep = targets.filter(|c| marked.contains(&c.uid) && !intent.failed.contains_key(&c.uid));
    let keep: Vec<String> = keep.map(|cluster| cluster.path()).collect();
    let is_held = |f: &Finding| matches!(f, Finding::FailoverHeld { .. });
    if !keep.is_empty() && !intent.findings.iter().any(is_held) {
        intent.findings.push(hold(Held::NoPlace, keep));
    }
    (intent.failed.len() < marked.len()).then_some(LOOKS)
}

/// Why an object stays on a cluster that it is to be failed over from, for people.
pub(crate) fn stuck_text(mark: &FailedOver) -> String {
    format!("{}, and {}", why(mark), Held::NoPlace.text())
}

/// Why an object is not on a cluster, for people.
pub(crate) fn text(mark: &FailedOver) -> String {
    let why = why(mark);
    match mark.message.as_str() {
        "" => format!("failed over: {why}"),
        words => format!("failed over: {why} ({words})"),
    }
}

fn why(mark: &FailedOver) -> &'static str {
    match mark.reason {
        Failure::Silent => "nothing was heard of the cluster",
        Failure::Stopped => "its agent said that it does not run there",
    }
}
