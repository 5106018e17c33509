//! A policy's disruption budget: on how many of the clusters that hold something of it that may be
//! missing or unhealthy before what runs on another is changed or taken.
//!
//! The last gate of a decision, whatever the reason: an edit, a rollout, a drain, a failover, a
//! rebalance. How clusters are is what was last observed of them; whoever was changed counts as unwell
//! until its agent has said that the change is well. What is known not to run may always be changed, and
//! what runs in part only is changed one by one however many are not well, so that what mends comes
//! everywhere. What only comes up, what people delete and what they confirmed pass, and so does what
//! counts no more because it is replaced elsewhere.
//!
//! A change of what merely goes along (a ConfigMap of what runs) is a change of those that need it: it waits
//! for the budgets of their policies, and is judged by how they are.
//!
//! Deliberately absent: reading reports, and taking turns, which are the controllers' business.

mod room;

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::policy::DisruptionBudget;
use roadstead_protocol::wire::report::Health;
use roadstead_protocol::wire::{Digest, ItemKey};
use serde_json::Value;

pub(crate) use self::room::{Room, hold_back};
use crate::observed::{Observed, State};
use crate::rollout::spec::Amount;

/// A policy's disruption budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// On how many of its clusters something may be unwell.
    pub most: Amount,
}

impl Budget {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong, with its path.
    pub(crate) fn read(said: &DisruptionBudget) -> Result<Self, String> {
        let path = "spec.disruptionBudget.maxUnavailable";
        let most = said.max_unavailable.as_ref();
        let most = most.ok_or_else(|| format!("{path}: Required value"))?;
        let most = Amount::read(most).map_err(|problem| format!("{path}: {problem}"))?;
        Ok(Self { most })
    }
}

/// How a copy is, as last observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It runs as it was given.
    Well,
    /// Its agent said of what it was given last that it is not well, and something of it may run.
    Weak,
    /// Its agent said so, and nothing of it runs: there is nothing to take.
    Ill,
    /// Nobody has said how what it was given last is: it may run.
    Unseen,
}

/// How a copy of an object is on a cluster of which there is news.
pub fn how(item: &ItemKey, seen: &Observed) -> How {
    let runs = seen.ready.is_some_and(|ready| ready > 0);
    let weak = if runs { How::Weak } else { How::Ill };
    match seen.state {
        State::Unknown | State::Pending | State::Removing => How::Unseen,
        // What stands there is another's.
        State::Conflict => How::Ill,
        State::Failed => weak,
        // It goes on as it was, whatever that is.
        State::Held if seen.health == Health::Healthy => How::Weak,
        State::Held => weak,
        State::Applied if rests(item) => How::Well,
        State::Applied => match seen.health {
            Health::Healthy | Health::Suspended => How::Well,
            Health::Progressing | Health::Degraded => weak,
            Health::Unknown => How::Weak,
        },
    }
}

/// Whether an object is as it should be once it is there: how it goes on is no matter of what is changed.
fn rests(item: &ItemKey) -> bool {
    matches!(
        (item.group.as_str(), item.kind.as_str()),
        ("batch", "Job") | ("", "Service" | "PersistentVolumeClaim")
    )
}

/// What is wrong on a cluster that holds something of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unwell {
    /// There is no recent news of it.
    Away,
    /// Something was changed, and not reported well yet.
    Changing,
    /// Something is on its way out.
    Leaving,
    /// Something is not healthy.
    Ill,
}

impl Unwell {
    /// Whether it is so because something is being changed or taken.
    fn is_moving(self) -> bool {
        match self {
            Self::Changing | Self::Leaving => true,
            Self::Away | Self::Ill => false,
        }
    }

    /// For people, of an object that is so.
    fn text(self, what: &str) -> String {
        match self {
            Self::Away => "no recent news of it".to_owned(),
            Self::Changing => format!("{what} is being changed"),
            Self::Leaving => format!("{what} is leaving it"),
            Self::Ill => format!("{what} is not healthy"),
        }
    }
}

impl How {
    /// Of two objects, how the one is that has more to lose.
    #[must_use]
    pub fn or_more_to_lose(self, other: Self) -> Self {
        let loses = |how: Self| match how {
            Self::Ill => 0,
            Self::Weak => 1,
            Self::Unseen => 2,
            Self::Well => 3,
        };
        if loses(self) < loses(other) {
            other
        } else {
            self
        }
    }
}

/// How the clusters are that hold something of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many clusters hold something of it that counts.
    pub holders: usize,
    /// Of the clusters of which any counts, those where not all is well, by UID; with one of the objects
    /// that are not.
    pub unwell: BTreeMap<String, (Unwell, String)>,
    /// How the object itself is, by the UIDs of the clusters that have it.
    pub own: BTreeMap<String, How>,
    /// What clusters were given of the object, by digest; those that are missing here may say anything.
    pub contents: BTreeMap<Digest, Value>,
    /// The same of the policies with whose objects it merely goes along, by their UIDs, and how these objects
    /// are.
    pub along: BTreeMap<String, Self>,
}

/// What a budget leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spare {
    /// On how many clusters something may be unwell.
    pub most: usize,
    /// UIDs of the clusters where something is, or will be by what is being decided.
    pub down: BTreeSet<String>,
    /// Of these, those where it is because something is being changed or taken.
    pub moving: BTreeSet<String>,
}

impl Spare {
    /// What `budget` leaves where the clusters are so.
    pub fn of(budget: Budget, standing: &Standing) -> Self {
        let moving = standing
            .unwell
            .iter()
            .filter(|(_, (why, _))| why.is_moving());
        Self {
            most: budget.most.at_most(standing.holders),
            down: standing.unwell.keys().cloned().collect(),
            moving: moving.map(|(uid, _)| uid.clone()).collect(),
        }
    }

    /// Takes a cluster of it, if as many others are not unwell already; says so.
    pub(crate) fn take(&mut self, cluster: &str) -> bool {
        let fits = self.fits(cluster, false);
        if fits {
            self.enter(cluster);
        }
        fits
    }

    /// Whether a cluster can be taken of it. Where what is changed may mend it only those count that are being
    /// changed too, else all that are unwell.
    fn fits(&self, cluster: &str, mends: bool) -> bool {
        let counted = if mends { &self.moving } else { &self.down };
        counted.len() - usize::from(counted.contains(cluster)) < self.most
    }

    fn enter(&mut self, cluster: &str) {
        self.down.insert(cluster.to_owned());
        self.moving.insert(cluster.to_owned());
    }
}
