//! What a changed decision wakes, and what is remembered of all decisions: who waits for room, for
//! hardware or for news, who holds what, and how large each is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_plan::affinity::{Chosen, Refused};
use roadstead_plan::failover::Held;
use roadstead_protocol::api::decision::{Decision, PolicyRef, Target};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::{Entry, Event, Key};

use super::changes::woken;
use super::wide::POLICY_SETTLES;
use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::objects;
use crate::placement::placed_of;
use crate::reconciler::item;
use crate::work::{Name, Work};
use crate::world;

/// A status is made from what all clusters of a decision say: for so much longer than usual is gathered
/// what they say, for each of them. So a status of ten thousand is written every two seconds while they
/// report, and what came last is in the last one.
pub(super) const PER_CLUSTER: Duration = Duration::from_micros(200);
/// The same of the conditions of a policy, for each template that it holds.
const PER_TEMPLATE: Duration = Duration::from_micros(200);
/// From so many clusters on that counts.
pub(super) const MANY: usize = 50;

/// Which templates each policy holds, by the policy's UID: the keys of their decisions.
pub(super) type Holders = BTreeMap<String, BTreeSet<Key>>;

impl Wake {
    /// What a changed decision wakes.
    pub(super) fn decision(&mut self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let read = |entry: &Option<Entry>| objects::typed::<Decision>(entry.as_ref()?).ok();
        let (new, old) = (read(&event.new), read(&event.previous));
        self.linked((&new, &old), out);
        if let (Some(decision), _) | (None, Some(decision)) = (&new, &old) {
            self.unplaced((decision, event.new.is_some()), out);
        }
        if members(&new) != members(&old) {
            self.wide.waiting = true;
        }
        // Who gives way says to whom, and who overrides whether that can be made.
        if let (Some(decision), _) | (None, Some(decision)) = (&new, &old)
            && (holder(&new) != holder(&old) || cannot_be_made(&new) != cannot_be_made(&old))
        {
            self.wide.policies_of(&decision.spec.template.kind);
        }
        self.spared_by((&new, &old));
        if let Some(decision) = &old {
            self.forget(&event.key, decision);
            if event.new.is_none() {
                let work = [Work::Placement(item(decision))];
                out.extend(woken(work, GATHER, "decision"));
            }
        }
        if let Some(decision) = &new {
            self.note(&event.key, decision);
            if decision.spec.template.kind == "CustomResourceDefinition" {
                self.wide.waiting = true;
            }
        }
        self.spared_by((&new, &old));
        for decision in new.iter().chain(&old) {
            let item = item(decision);
            let settle = self.settle_of(&item);
            out.extend(woken([Work::Status(item)], settle, "decision"));
            let by = decision.spec.policy.iter().chain(&decision.spec.overrides);
            for by in by {
                let settle = settle * POLICY_SETTLES + self.held_settles(by);
                out.extend(woken(policy(by), settle, "decision"));
            }
        }
    }

    /// Whether the template of a decision waits for room, or for hardware.
    fn unplaced(&mut self, (decision, there): (&Decision, bool), out: &mut Vec<Woken<Work>>) {
        let item = item(decision);
        if there && lacks(decision) {
            self.lacking.insert(item.clone());
        } else {
            self.lacking.remove(&item);
        }
        if there && wants_room(decision) {
            self.unplaced.insert(item);
        } else {
            self.unplaced.remove(&item);
        }
        let held = self.room.wanted(!self.unplaced.is_empty());
        out.extend(woken(held.into_iter().map(Work::Cluster), GATHER, "wanted"));
    }

    /// Takes note of whether a decision waits for what clusters report, of who holds its template, and
    /// of how many clusters it is about.
    pub(super) fn note(&mut self, key: &Key, decision: &Decision) {
        let item = item(decision);
        self.budgets.note(decision);
        if let (Some(held), Some(policy)) = (&mut self.held, &decision.spec.policy) {
            let held = held.entry(policy.uid.clone()).or_default();
            held.insert(key.clone());
        }
        if decision.spec.clusters.len() >= MANY {
            let count = u32::try_from(decision.spec.clusters.len()).unwrap_or(u32::MAX);
            self.large.insert(item.clone(), count);
        }
        if is_behind(decision) {
            self.behind.insert(item.clone());
        } else {
            self.behind.remove(&item);
        }
        if waits(decision) {
            self.waiting.insert(item);
        } else {
            self.waiting.remove(&item);
        }
    }

    /// Takes back what was noted of a decision as it was.
    fn forget(&mut self, key: &Key, decision: &Decision) {
        let item = item(decision);
        self.budgets.forget(decision);
        if let (Some(all), Some(policy)) = (&mut self.held, &decision.spec.policy)
            && let Some(held) = all.get_mut(&policy.uid)
        {
            held.remove(key);
            if held.is_empty() {
                all.remove(&policy.uid);
            }
        }
        self.large.remove(&item);
        self.waiting.remove(&item);
        self.behind.remove(&item);
    }

    /// For how long what concerns the status of a template is gathered.
    pub(super) fn settle_of(&self, item: &ItemKey) -> Duration {
        let many = self.large.get(item).copied().unwrap_or(0);
        self.settle + PER_CLUSTER.saturating_mul(many)
    }

    /// For how much longer than usual what concerns the conditions of a policy is gathered: all that it
    /// holds is looked at for them.
    fn held_settles(&self, policy: &PolicyRef) -> Duration {
        let held = self.held.as_ref().and_then(|held| held.get(&policy.uid));
        let many = held.map_or(0, BTreeSet::len);
        PER_TEMPLATE.saturating_mul(u32::try_from(many).unwrap_or(u32::MAX))
    }

    /// The decisions about what a policy holds, where all decisions were noted.
    pub(super) fn held_by(&self, policy: &Entry) -> Option<BTreeSet<Key>> {
        let held = self.held.as_ref()?;
        let object = objects::object(policy).ok()?;
        let uid = objects::text(&object, "/metadata/uid");
        Some(held.get(uid).cloned().unwrap_or_default())
    }
}

fn policy(policy: &PolicyRef) -> Option<Work> {
    let (group, plural) = world::policy_kind(policy)?;
    let name = Name {
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
    };
    Some(Work::Policy {
        group: group.to_owned(),
        plural: plural.to_owned(),
        name,
    })
}

/// The UID of the policy that holds a decision's template.
fn holder(decision: &Option<Decision>) -> Option<&str> {
    let policy = decision.as_ref()?.spec.policy.as_ref();
    policy.map(|policy| policy.uid.as_str())
}

/// Whether an override that a decision is about cannot be made somewhere.
fn cannot_be_made(decision: &Option<Decision>) -> bool {
    let placed = decision.as_ref().and_then(placed_of);
    placed.is_some_and(|placed| placed.reason == "OverrideFailed")
}

/// Which groups of workloads a decision's template belongs to, and where it is.
fn members(decision: &Option<Decision>) -> Option<(&BTreeMap<String, String>, Vec<&str>)> {
    let spec = &decision.as_ref()?.spec;
    let clusters = || spec.clusters.iter().map(|target| target.uid.as_str());
    (!spec.groups.is_empty()).then(|| (&spec.groups, clusters().collect()))
}

/// Whether a decision may be another one once clusters report something new: some cluster does not get
/// it for now, or there was no place for what is to run, or to leave, when it was made.
fn waits(decision: &Decision) -> bool {
    let refused = decision.status.refused.iter();
    let mut refused = refused.map(|refusal| refusal.reason.as_str());
    let stays = |target: &Target| target.reason == Chosen::Stays.text();
    decision.status.unplaced.is_some()
        || is_stuck(decision)
        || decision.spec.clusters.iter().any(stays)
        || refused.any(|reason| Refused::GATES.iter().any(|gate| gate.reason() == reason))
}

/// Whether some cluster keeps what it has until a rollout is over.
fn is_behind(decision: &Decision) -> bool {
    let mut clusters = decision.spec.clusters.iter();
    clusters.any(|target| target.held && target.behind)
}

/// Whether something is not failed over because it found no other place when that was looked for.
fn is_stuck(decision: &Decision) -> bool {
    let placed = placed_of(decision);
    placed.is_some_and(|placed| placed.message.contains(Held::NoPlace.text()))
}

/// Whether there is no room for replicas: none at all, or none but on a cluster that is drained, or that
/// they are to be failed over from. A Job stays there however much room there is elsewhere.
pub(super) fn wants_room(decision: &Decision) -> bool {
    let is_job = decision.spec.template.kind == "Job";
    let stays = |target: &Target| {
        target.replicas.is_some() && !is_job && target.reason == Chosen::Stays.text()
    };
    let mut clusters = decision.spec.clusters.iter();
    decision.status.unplaced.is_some()
        || clusters.clone().any(stays)
        || (is_stuck(decision) && clusters.any(|target| target.replicas.is_some()))
}

/// Whether a cluster without the hardware is left out of a decision.
pub(super) fn lacks(decision: &Decision) -> bool {
    let mut refused = decision.status.refused.iter();
    refused.any(|r| r.reason == Refused::Hardware.reason())
}
