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
//! Deliberately absent: reading reports, and taking turns, which are the controllers' business.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::policy::DisruptionBudget;
use roadstead_protocol::wire::report::Health;
use roadstead_protocol::wire::{Digest, ItemKey};
use serde_json::Value;

use crate::affinity::Chosen;
use crate::count::is_job;
use crate::finding::{Cause, Finding, sampled};
use crate::intent::Intent;
use crate::observed::{Observed, State};
use crate::placement::Target;
use crate::removal::Reason;
use crate::rendering::{Back, Rendered};
use crate::rollout::release;
use crate::rollout::spec::Amount;
use crate::template::{Former, Template};
use crate::world::World;

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
        let others = self.down.len() - usize::from(self.down.contains(cluster));
        self.change(cluster, others)
    }

    /// The same of a cluster that is not well, where what is changed may mend it: only those count that are
    /// being changed too.
    fn mend(&mut self, cluster: &str) -> bool {
        let others = self.moving.len() - usize::from(self.moving.contains(cluster));
        self.change(cluster, others)
    }

    fn change(&mut self, cluster: &str, others: usize) -> bool {
        let takes = others < self.most;
        if takes {
            self.down.insert(cluster.to_owned());
            self.moving.insert(cluster.to_owned());
        }
        takes
    }
}

/// What is left of a budget while a decision is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room<'a> {
    standing: Option<&'a Standing>,
    /// What the budget leaves; `None` without one.
    spare: Option<Spare>,
    /// Whether this decision takes something of the budget.
    pub(crate) spent: bool,
    /// Whether there is something to take, and it is not known how the clusters are.
    pub(crate) asks: bool,
    /// UIDs of those that wait.
    held: BTreeSet<String>,
    /// The object that is decided about, for people.
    name: String,
}

impl<'a> Room<'a> {
    /// What there is for a template by the policy that distributes it.
    pub(crate) fn new(template: &'a Template<'_>, intent: &Intent<'_>) -> Self {
        let Some(budget) = intent.winner.and_then(|policy| policy.budget) else {
            return Self::default();
        };
        let (standing, unknown) = (template.budget.as_ref(), Standing::default());
        Self {
            standing,
            spare: Some(Spare::of(budget, standing.unwrap_or(&unknown))),
            name: template.key.to_string(),
            ..Self::default()
        }
    }

    /// Whether what a cluster has may be changed or taken now; takes note of it.
    fn take(&mut self, cluster: &str) -> bool {
        let Some(spare) = &mut self.spare else {
            return true;
        };
        let Some(standing) = self.standing else {
            self.asks = true;
            return true;
        };
        #[cfg(planted)]
        if roadstead_protocol::planted::is("budget-forgotten") {
            return true;
        }
        let takes = match standing.own.get(cluster) {
            Some(How::Ill) => return true,
            // What counts no more makes no cluster unwell, and its going is no mending.
            Some(How::Weak) if spare.down.contains(cluster) => spare.mend(cluster),
            Some(How::Weak | How::Well | How::Unseen) | None => spare.take(cluster),
        };
        self.spent |= takes;
        if !takes {
            self.held.insert(cluster.to_owned());
        }
        takes
    }

    /// Whether what a cluster has waits instead of leaving it for `reason`.
    pub(crate) fn keeps(&mut self, former: &Former, reason: Reason) -> bool {
        former.is_own() && reason.is_held_by_budget() && !self.take(&former.cluster)
    }

    /// What is to be said of those that wait.
    pub(crate) fn finding(&self, world: &World) -> Option<Finding> {
        let standing = self.standing.filter(|_| !self.held.is_empty())?;
        let spare = self.spare.as_ref()?;
        let (count, samples) = sampled(self.held.iter().map(|uid| world.path(uid)));
        let how = |uid: &String| {
            let why = match standing.unwell.get(uid) {
                Some((why, what)) => why.text(what),
                None => Unwell::Changing.text(&self.name),
            };
            format!("{}: {why}", world.path(uid))
        };
        let (unwell, down) = sampled(spare.down.iter().map(how));
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Some(Finding::OverBudget {
            count,
            samples,
            most: number(spare.most),
            holders: number(standing.holders),
            unwell,
            down,
        })
    }
}

/// Takes out of `rendered` the changes for which there is no budget. `total` is how many replicas there
/// are to be, over all.
pub(crate) fn hold_back<'a>(
    template: &'a Template<'_>,
    total: u32,
    intent: &mut Intent<'_>,
    rendered: &mut Rendered,
) -> Room<'a> {
    let mut room = Room::new(template, intent);
    if room.spare.is_none() {
        return room;
    }
    let mut changes = Changes::new(template, total);
    let mut held = BTreeSet::new();
    for target in std::mem::take(&mut rendered.targets) {
        if !changes.disturbs(&target) || room.take(&target.cluster) {
            rendered.targets.push(target);
            continue;
        }
        held.insert(target.cluster.clone());
        let back = Back {
            cause: Cause::Budget,
            replicas: target.replicas,
        };
        rendered.back.insert(target.cluster, back);
    }
    intent.targets.retain(|t| !held.contains(&t.cluster.uid));
    room
}

/// What a decision changes of what runs.
struct Changes<'t> {
    template: &'t Template<'t>,
    former: BTreeMap<&'t str, &'t Former>,
    /// Whether fewer replicas are to run over all than before: that is what somebody wants.
    fewer: bool,
    /// Whether a content differs from one before it in more than that more replicas run.
    known: BTreeMap<(Digest, Digest), bool>,
}

impl<'t> Changes<'t> {
    fn new(template: &'t Template<'t>, total: u32) -> Self {
        let counts = template.former.iter().filter(|f| !f.outside);
        let before = counts.map(|f| f.replicas).sum::<Option<u32>>();
        let former = template.former.iter();
        Self {
            template,
            former: former.map(|f| (f.cluster.as_str(), f)).collect(),
            fewer: before.is_none_or(|before| total < before),
            known: BTreeMap::new(),
        }
    }

    /// Whether giving `target` changes what runs there by its own policy.
    fn disturbs(&mut self, target: &Target) -> bool {
        let former = self.former.get(target.cluster.as_str());
        let Some(before) = former.and_then(|former| former.digest) else {
            return false;
        };
        let after = target.content.digest;
        if before == after || target.chosen == Chosen::Required {
            return false;
        }
        if let Some(known) = self.known.get(&(before, after)) {
            return *known;
        }
        let disturbs = self.differs(before, target);
        self.known.insert((before, after), disturbs);
        disturbs
    }

    fn differs(&self, before: Digest, target: &Target) -> bool {
        let given = self
            .template
            .budget
            .as_ref()
            .and_then(|s| s.contents.get(&before));
        let new = serde_json::from_slice::<Value>(&target.content.bytes);
        let (Some(old), Ok(new)) = (given, new) else {
            return true;
        };
        if is_job(self.template) {
            return true;
        }
        let path = self.template.replicas_path;
        if release::base(old, path) != release::base(&new, path) {
            return true;
        }
        let place = release::place(path);
        let count = |object: &Value| place.as_ref()?.get(object).and_then(Value::as_u64);
        let less = count(&new).unwrap_or(1) < count(old).unwrap_or(1);
        less && !self.fewer
    }
}
