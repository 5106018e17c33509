//! What budgets leave while a decision is made, and which changes of it wait for them.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::wire::Digest;
use serde_json::Value;

use super::{How, Spare, Standing, Unwell, how};
use crate::affinity::Chosen;
use crate::count::is_job;
use crate::finding::{Cause, Finding, sampled};
use crate::intent::Intent;
use crate::placement::Target;
use crate::policy::Policy;
use crate::removal::Reason;
use crate::rendering::{Back, Rendered};
use crate::rollout::release;
use crate::template::{Former, Template};
use crate::world::World;

/// What one budget leaves.
#[derive(Clone, Debug)]
struct Left<'a> {
    standing: &'a Standing,
    spare: Spare,
}

/// What changing a copy costs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cost {
    /// There is nothing to take.
    Nothing,
    /// It may mend what is unwell.
    Mending,
    Taking,
}

impl Left<'_> {
    fn cost(&self, cluster: &str) -> Cost {
        match self.standing.own.get(cluster) {
            Some(How::Ill) => Cost::Nothing,
            // What counts no more makes no cluster unwell, and its going is no mending.
            Some(How::Weak) if self.spare.down.contains(cluster) => Cost::Mending,
            Some(How::Weak | How::Well | How::Unseen) | None => Cost::Taking,
        }
    }

    fn fits(&self, cluster: &str) -> bool {
        match self.cost(cluster) {
            Cost::Nothing => true,
            Cost::Mending => self.spare.fits(cluster, true),
            Cost::Taking => self.spare.fits(cluster, false),
        }
    }
}

/// What is left of budgets while a decision is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room<'a> {
    /// UID of the policy that holds the object, where that has a budget.
    own: Option<&'a str>,
    /// By the UIDs of clusters, those of the policies with a budget with whose objects it goes along there.
    along: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// What their budgets leave; `None` while it is not known how the clusters are.
    left: Option<BTreeMap<&'a str, Left<'a>>>,
    /// UIDs of the policies of whose budgets this decision takes something.
    pub(crate) spent: BTreeSet<String>,
    /// Whether there is something to take, and it is not known how the clusters are.
    pub(crate) asks: bool,
    /// UIDs of those that wait.
    held: BTreeSet<String>,
    /// UID of the policy for whose budget the first of them waits.
    by: Option<&'a str>,
    /// The object that is decided about, for people.
    name: String,
}

impl<'a> Room<'a> {
    /// What there is for a template by the policy that distributes it, and by those of what needs it.
    pub(crate) fn new(world: &'a World, template: &'a Template<'_>, intent: &Intent<'a>) -> Self {
        let own = intent.winner.filter(|policy| policy.budget.is_some());
        let mut room = Self {
            own: own.map(|policy| policy.identity.uid.as_str()),
            name: template.key.to_string(),
            ..Self::default()
        };
        let mut policies: BTreeMap<&str, &Policy> = BTreeMap::new();
        for requirer in &template.around.requirers {
            let policy = requirer.policy.as_deref().and_then(|uid| world.policy(uid));
            let Some(policy) = policy.filter(|policy| policy.budget.is_some()) else {
                continue;
            };
            for cluster in &requirer.needs {
                let along = room.along.entry(cluster).or_default();
                along.insert(&policy.identity.uid);
            }
            policies.insert(&policy.identity.uid, policy);
        }
        let Some(standing) = &template.budget else {
            return room;
        };
        let left = |policy: &Policy, standing: &'a Standing| {
            let spare = Spare::of(policy.budget?, standing);
            Some(Left { standing, spare })
        };
        let along = standing.along.iter();
        let along = along.filter_map(|(uid, standing)| {
            let left = left(policies.get(uid.as_str())?, standing)?;
            Some((uid.as_str(), left))
        });
        let mut all: BTreeMap<&str, Left<'_>> = along.collect();
        room.changing(world, template, &mut all);
        if let Some(policy) = own {
            let left = left(policy, standing);
            all.extend(left.map(|left| (policy.identity.uid.as_str(), left)));
        }
        room.left = Some(all);
        room
    }

    /// Where a copy that merely goes along was changed and not reported yet, its cluster is being changed.
    fn changing(
        &self,
        world: &World,
        template: &Template<'_>,
        all: &mut BTreeMap<&'a str, Left<'a>>,
    ) {
        for former in template.former.iter().filter(|f| !f.is_own()) {
            let uid = former.cluster.as_str();
            let seen = template.observed.get(uid);
            let unseen = seen.is_some_and(|seen| how(&template.key, seen) == How::Unseen);
            let expected = world.cluster(uid).is_some_and(|cluster| !cluster.fenced);
            for policy in self.along.get(uid).into_iter().flatten() {
                let left = all.get_mut(policy).filter(|_| unseen && expected);
                if let Some(left) = left {
                    left.spare.enter(uid);
                }
            }
        }
    }

    fn is_unbounded(&self) -> bool {
        self.own.is_none() && self.along.is_empty()
    }

    /// Whether what a target has may be changed now; takes note of it.
    fn changes(&mut self, target: &Target) -> bool {
        if target.chosen != Chosen::Required {
            return self.take(&target.cluster, &self.own.into_iter().collect());
        }
        let along = self.along.get(target.cluster.as_str()).cloned();
        self.take(&target.cluster, &along.unwrap_or_default())
    }

    /// Whether what a cluster has may be changed or taken now by what all these policies leave; takes note of
    /// it.
    fn take(&mut self, cluster: &str, policies: &BTreeSet<&'a str>) -> bool {
        if policies.is_empty() {
            return true;
        }
        let Some(left) = &mut self.left else {
            self.asks = true;
            return true;
        };
        #[cfg(planted)]
        if roadstead_protocol::planted::is("budget-forgotten") {
            return true;
        }
        let fits = |uid: &&str| left.get(uid).is_none_or(|left| left.fits(cluster));
        if let Some(by) = policies.iter().find(|uid| !fits(uid)) {
            self.held.insert(cluster.to_owned());
            self.by = self.by.or(Some(by));
            return false;
        }
        for uid in policies {
            let left = left.get_mut(uid);
            if let Some(left) = left.filter(|left| left.cost(cluster) != Cost::Nothing) {
                left.spare.enter(cluster);
                self.spent.insert((*uid).to_owned());
            }
        }
        true
    }

    /// Whether what a cluster has waits instead of leaving it for `reason`.
    pub(crate) fn keeps(&mut self, former: &Former, reason: Reason) -> bool {
        let own = self.own.into_iter().collect();
        former.is_own() && reason.is_held_by_budget() && !self.take(&former.cluster, &own)
    }

    /// What is to be said of those that wait.
    pub(crate) fn finding(&self, world: &World) -> Option<Finding> {
        let Left { standing, spare } = self.left.as_ref()?.get(self.by?)?;
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
            along: self.by != self.own,
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
    world: &'a World,
    template: &'a Template<'_>,
    total: u32,
    intent: &mut Intent<'a>,
    rendered: &mut Rendered,
) -> Room<'a> {
    let mut room = Room::new(world, template, intent);
    if room.is_unbounded() {
        return room;
    }
    let mut changes = Changes::new(template, total);
    let mut held = BTreeSet::new();
    for target in std::mem::take(&mut rendered.targets) {
        if !changes.disturbs(&target) || room.changes(&target) {
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

    /// Whether giving `target` changes what is there.
    fn disturbs(&mut self, target: &Target) -> bool {
        let former = self.former.get(target.cluster.as_str());
        let Some(before) = former.and_then(|former| former.digest) else {
            return false;
        };
        let after = target.content.digest;
        if before == after {
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
