//! What happens where an object ran and is no longer to run: removed, kept as it is, or forgotten.
//!
//! A removal needs a user's act: a deletion record, or a readable policy, template or cluster that
//! was edited so that the cluster is no longer chosen. Edits that would leave the object with no
//! cluster, or that take away a large share of the fleet's objects, wait to be confirmed.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::names::CONFIRM_REMOVAL_ANNOTATION;
use roadstead_protocol::wire::ItemKey;

use crate::affinity::Refused;
use crate::finding::Cause;
use crate::intent::Intent;
use crate::review::Review;
use crate::template::{Former, Template};
use crate::world::World;

/// Why an object is removed from a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A user deleted the template.
    TemplateDeleted,
    /// A user deleted the policy that put it there, and no other wants it there.
    PolicyDeleted,
    /// A user's edit no longer chooses the cluster.
    NotChosen,
    /// A user confirmed a removal that waited.
    Confirmed,
}

impl Reason {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::TemplateDeleted => "it was deleted",
            Self::PolicyDeleted => "the policy that put it there was deleted",
            Self::NotChosen => "its policy no longer chooses the cluster",
            Self::Confirmed => "its removal was confirmed",
        }
    }
}

/// What becomes of what a cluster was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes.
    Remove(Reason),
    /// It stays as it is.
    Keep(Cause),
    /// The cluster was detached: it keeps what it has, and nobody keeps count of it.
    Forget,
}

/// Judges one former assignment after another, before it is known how much else an edit removes.
pub(crate) struct Judge<'a> {
    world: &'a World,
    /// UID of the template, where it is there.
    template: Option<String>,
    blocked: Option<Cause>,
    ambiguous: BTreeSet<&'a str>,
    targets: BTreeSet<&'a str>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(world: &'a World, template: &Template<'_>, intent: &Intent<'a>) -> Self {
        let ambiguous = intent
            .refused
            .iter()
            .filter(|(_, why)| *why == Refused::Ambiguous);
        Self {
            world,
            template: template.object.is_some().then(|| template.metadata().uid),
            blocked: intent.blocked,
            ambiguous: ambiguous.map(|(cluster, _)| cluster.uid.as_str()).collect(),
            targets: intent
                .targets
                .iter()
                .map(|t| t.cluster.uid.as_str())
                .collect(),
        }
    }

    /// What becomes of what a cluster was given; `None` where it is given it again.
    pub(crate) fn fate(&self, former: &Former) -> Option<Fate> {
        let uid = former.cluster.as_str();
        (!self.targets.contains(uid)).then(|| self.fate_of_left(former))
    }

    fn fate_of_left(&self, former: &Former) -> Fate {
        let world = self.world;
        let Some(cluster) = world.cluster(&former.cluster) else {
            return if world.deleted.contains(&former.cluster) {
                Fate::Forget
            } else {
                Fate::Keep(Cause::ClusterMissing)
            };
        };
        let there = self.template.as_deref() == Some(former.template.as_str());
        if !there && world.deleted.contains(&former.template) {
            return Fate::Remove(Reason::TemplateDeleted);
        }
        if self.template.is_none() {
            return Fate::Keep(Cause::TemplateMissing);
        }
        if let Some(cause) = self.blocked {
            return Fate::Keep(cause);
        }
        if cluster.allowed.is_err() {
            return Fate::Keep(Cause::ClusterUnreadable);
        }
        if self.ambiguous.contains(former.cluster.as_str()) {
            return Fate::Keep(Cause::AmbiguousName);
        }
        by_policies(world, former)
    }
}

fn by_policies(world: &World, former: &Former) -> Fate {
    let mut deleted = !former.policies.is_empty();
    for uid in &former.policies {
        if world.unreadable(uid).is_some() {
            return Fate::Keep(Cause::PolicyUnreadable);
        }
        let there = world.policy(uid).is_some();
        #[cfg(planted)]
        if roadstead_protocol::planted::is("missing-policy-deletes") {
            continue;
        }
        if !there && !world.deleted.contains(uid) {
            return Fate::Keep(Cause::PolicyMissing);
        }
        deleted &= !there;
    }
    Fate::Remove(if deleted {
        Reason::PolicyDeleted
    } else {
        Reason::NotChosen
    })
}

/// Decides every fate for good, knowing how many edits there are and whether they were confirmed.
pub(crate) fn settle(
    world: &World,
    template: &Template<'_>,
    intent: &Intent<'_>,
    fates: &mut BTreeMap<&Former, Fate>,
    review: Option<&Review>,
) {
    let runs = |fate: &Fate| matches!(fate, Fate::Keep(cause) if *cause != Cause::ClusterMissing);
    let leaves_none = intent.targets.is_empty() && !fates.values().any(runs);
    for (former, fate) in fates.iter_mut() {
        if *fate != Fate::Remove(Reason::NotChosen) {
            continue;
        }
        if leaves_none {
            *fate = Fate::Keep(Cause::LastClusters);
        } else if review.is_some_and(|r| r.exceeds(&world.limits, responsible(intent, former))) {
            *fate = Fate::Keep(Cause::LargeShare);
        }
    }
    let waits = |fate: &Fate| matches!(fate, Fate::Keep(cause) if cause.confirmable());
    let waiting = fates.values().filter(|fate| waits(fate)).count();
    let count = u32::try_from(waiting).unwrap_or(u32::MAX);
    let asked = confirmed(&template.metadata().annotations);
    for (former, fate) in fates.iter_mut().filter(|(_, fate)| waits(fate)) {
        let winner = intent.winner.map(|w| &w.identity.uid);
        let by_policy = winner.into_iter().chain(&former.policies);
        let confirmed = asked >= count
            || by_policy.filter_map(|uid| world.policy(uid)).any(|policy| {
                let pending = review.map_or(count, |r| r.pending(&policy.identity.uid));
                confirmed(&policy.identity.annotations) >= pending.max(1)
            });
        if confirmed {
            *fate = Fate::Remove(Reason::Confirmed);
        }
    }
}

/// The policies whose edit removes `former`: the one that distributes the object now, or those that
/// did.
pub(crate) fn responsible<'a>(intent: &Intent<'a>, former: &'a Former) -> Vec<&'a str> {
    match intent.winner {
        Some(policy) => vec![policy.identity.uid.as_str()],
        None => former.policies.iter().map(String::as_str).collect(),
    }
}

/// How many removals an object's annotation confirms.
fn confirmed(annotations: &BTreeMap<String, String>) -> u32 {
    annotations
        .get(CONFIRM_REMOVAL_ANNOTATION)
        .and_then(|n| n.trim().parse().ok())
        .unwrap_or(0)
}

/// Whether a tombstone lets go instead of deleting: a member would delete everything inside.
pub(crate) fn releases(key: &ItemKey, former: &Former) -> bool {
    let container = (key.group.is_empty() && key.kind == "Namespace")
        || (key.group == "apiextensions.k8s.io" && key.kind == "CustomResourceDefinition");
    container && !former.delete_contents
}
