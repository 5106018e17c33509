//! What is written down of a policy's rollouts.

use std::collections::BTreeSet;

use roadstead_protocol::api::rollout::Cause;
use serde::{Deserialize, Serialize};

/// How a policy's rollouts stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// The release that stands on the hub, as it was seen last.
    pub live: String,
    /// The release that clusters run which were let to no other.
    pub good: String,
    /// What is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// What stands on the hub and is not tried: it failed, or somebody ended it, or wanted another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declined: Option<String>,
    /// The last wish for a former release that was followed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub undo: String,
    /// Why nothing can be made of what stands on the hub, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How many runs there were.
    pub runs: u64,
    /// Who was let to a release by a run up to this number is let to it no more.
    pub void: u64,
    /// Counts what was let to a release: whoever reads this reads all of that.
    pub turns: u64,
}

/// A rollout that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Run {
    /// Which it is, counted from 1.
    pub number: u64,
    /// The name of its Rollout.
    pub name: String,
    /// The release that clusters get.
    pub target: String,
    /// The release that they come from.
    pub from: String,
    /// Why it began.
    pub cause: Cause,
    /// The index of the first stage that is not behind it.
    pub stage: usize,
    /// The names of the stages that are behind it. What was written before there were any begins at the
    /// first stage.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub passed: BTreeSet<String>,
    /// Whether somebody stopped it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Why it was halted, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halted: Option<String>,
}

/// That a cluster was let to a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Admitted {
    /// The release.
    pub release: String,
    /// The number of the run.
    pub run: u64,
}

impl State {
    /// Whether this still counts.
    pub fn counts(&self, admitted: &Admitted) -> bool {
        admitted.run > self.void
    }
}
