//! What happens where an object ran and is no longer to run: removed, kept as it is, or forgotten.
//!
//! A removal needs a user's act: a deletion record, or a readable policy, template or cluster that
//! was edited so that the cluster is no longer chosen. Edits that would leave the object with no
//! cluster, or that take away a large share of the fleet's objects, wait to be confirmed.

mod manner;

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::wire::ItemKey;

use crate::affinity::Refused;
use crate::confirmation::{Loss, borne, command, token};
use crate::deps::requirers::{self, REQUIRED, Requirer, Unneeded};
use crate::finding::Cause;
use crate::intent::Intent;
use crate::policy::{Identity, Policy};
use crate::review::Review;
use crate::template::{Former, Template, selected};
use crate::world::World;

pub use self::manner::Manner;
pub(crate) use self::manner::leaving;
#[cfg(test)]
pub(crate) use self::manner::manner;

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
    /// Nothing needs it there any more.
    NotNeeded,
    /// A user drains the cluster, and there is another place for it.
    Drained,
    /// The cluster was stopped, and it is replaced elsewhere.
    Replaced,
    /// It was failed over from the cluster, and is replaced elsewhere.
    FailedOver,
}

impl Reason {
    /// Whether it may be that what goes is replaced elsewhere, so that it goes only after that.
    pub(crate) fn moves(self) -> bool {
        matches!(
            self,
            Self::NotChosen | Self::Confirmed | Self::Drained | Self::Replaced | Self::FailedOver
        )
    }

    /// Whether it waits for its policy's disruption budget: what people delete, and what they confirmed,
    /// does not, and neither does what counts no more because it is replaced elsewhere.
    pub(crate) fn is_held_by_budget(self) -> bool {
        match self {
            Self::NotChosen | Self::Drained => true,
            Self::Replaced
            | Self::FailedOver
            | Self::TemplateDeleted
            | Self::PolicyDeleted
            | Self::Confirmed
            | Self::NotNeeded => false,
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::TemplateDeleted => "it was deleted",
            Self::PolicyDeleted => "the policy that put it there was deleted",
            Self::NotChosen => "its policy no longer chooses the cluster",
            Self::Confirmed => "its removal was confirmed",
            Self::NotNeeded => "nothing needs it there any more",
            Self::Drained => "the cluster is drained",
            Self::Replaced => "the cluster was stopped, and it is replaced elsewhere",
            Self::FailedOver => "it was failed over from the cluster, and is replaced elsewhere",
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

impl Fate {
    /// Why it is kept, where it is.
    pub(crate) fn kept(self) -> Option<Cause> {
        match self {
            Self::Keep(cause) => Some(cause),
            Self::Remove(_) | Self::Forget => None,
        }
    }
}

/// Judges one former assignment after another, before it is known how much else an edit removes.
pub(crate) struct Judge<'a> {
    world: &'a World,
    /// UID of the template, where it is there.
    template: Option<String>,
    key: &'a ItemKey,
    labels: BTreeMap<String, String>,
    winner: Option<&'a Policy>,
    requirers: &'a [Requirer],
    unresolved: bool,
    blocked: Option<Cause>,
    ambiguous: BTreeSet<&'a str>,
    targets: BTreeSet<&'a str>,
    /// Those that lose it because they are drained, or stopped, by UID.
    leaving: BTreeMap<&'a str, Reason>,
    /// Of these, those for which there is no other place.
    unreplaced: BTreeSet<&'a str>,
    /// Whether a user deleted the policy that held it, and no other holds it now.
    ended: bool,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(world: &'a World, template: &'a Template<'_>, intent: &Intent<'a>) -> Self {
        let ambiguous = intent
            .refused
            .iter()
            .filter(|(_, why)| *why == Refused::Ambiguous);
        Self {
            world,
            template: template.object.is_some().then(|| template.metadata().uid),
            key: &template.key,
            labels: template.metadata().labels,
            winner: intent.winner,
            requirers: &template.around.requirers,
            unresolved: intent.unresolved,
            blocked: intent.blocked,
            ambiguous: ambiguous.map(|(cluster, _)| cluster.uid.as_str()).collect(),
            leaving: displaced(intent),
            unreplaced: intent.unreplaced.clone(),
            ended: intent.winner.is_none() && world.deleted.contains(&template.decided.policy),
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
        let uid = former.cluster.as_str();
        let leaves = self.leaving.get(uid);
        match by_policies(world, self.requirers, former) {
            Fate::Remove(Reason::NotChosen) if self.unreplaced.contains(uid) => {
                Fate::Keep(Cause::Stopped)
            }
            Fate::Remove(Reason::NotChosen) if leaves.is_some() => {
                Fate::Remove(leaves.copied().unwrap_or(Reason::NotChosen))
            }
            // What it left behind waited for that policy's word only.
            Fate::Remove(Reason::NotChosen) if self.ended && !former.is_required() => {
                Fate::Remove(Reason::PolicyDeleted)
            }
            Fate::Remove(Reason::NotChosen) if self.unresolved => Fate::Keep(Cause::UnknownNames),
            Fate::Remove(Reason::NotChosen) if self.contended(former) => {
                Fate::Keep(Cause::Contended)
            }
            fate @ (Fate::Remove(_) | Fate::Keep(_) | Fate::Forget) => fate,
        }
    }

    /// Whether a policy that put it there still selects it, though another distributes it now.
    fn contended(&self, former: &Former) -> bool {
        let Some(winner) = self.winner else {
            return false;
        };
        let others = former
            .policies
            .iter()
            .filter(|u| **u != winner.identity.uid);
        others
            .filter_map(|uid| self.world.policy(uid))
            .any(|p| selected(&p.identity, &p.selectors, self.key, &self.labels).is_some())
    }
}

/// Those that lose it because they are drained, or stopped, by UID.
fn displaced<'a>(intent: &Intent<'a>) -> BTreeMap<&'a str, Reason> {
    let refused = intent.refused.iter();
    let reasons = [
        (Refused::Drained, Reason::Drained),
        (Refused::Fenced, Reason::Replaced),
        (Refused::FailedOver, Reason::FailedOver),
    ];
    let reason = |why: &Refused| reasons.iter().find(|(refused, _)| refused == why);
    refused
        .filter_map(|(cluster, why)| Some((cluster.uid.as_str(), reason(why)?.1)))
        .collect()
}

/// By who put it there: policies, and objects that needed it there.
fn by_policies(world: &World, requirers: &[Requirer], former: &Former) -> Fate {
    let mut deleted = !former.policies.is_empty();
    let mut unneeded = false;
    for uid in &former.policies {
        if uid == REQUIRED {
            match requirers::unneeded(world, requirers, &former.cluster) {
                Some(Unneeded::Left) => unneeded = true,
                Some(Unneeded::Unfollowed) => deleted = false,
                // Needed there, and yet no target: nothing follows from that.
                Some(Unneeded::Unknown) | None => return Fate::Keep(Cause::PolicyMissing),
            }
            continue;
        }
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
    Fate::Remove(match (deleted, unneeded) {
        (true, true) => Reason::NotNeeded,
        (true, false) => Reason::PolicyDeleted,
        (false, _) => Reason::NotChosen,
    })
}

/// What confirmations say about what waits.
#[derive(Default)]
pub(crate) struct Settled {
    /// The commands that confirm what still waits.
    pub(crate) commands: Vec<String>,
    /// UIDs of the policies on which something was confirmed that goes now.
    pub(crate) confirmed_by: BTreeSet<String>,
}

/// Decides every fate for good, knowing how many edits there are and what was confirmed.
pub(crate) fn settle(
    world: &World,
    template: &Template<'_>,
    intent: &Intent<'_>,
    fates: &mut BTreeMap<&Former, Fate>,
    review: Option<&Review>,
) -> Settled {
    let runs = |fate: &Fate| fate.kept().is_some_and(Cause::runs);
    let leaves_none = intent.targets.is_empty() && !fates.values().any(runs);
    for (former, fate) in fates.iter_mut() {
        if leaves_none && let Fate::Remove(reason) = *fate {
            // What is to replace it is not given yet; nobody is asked to let it go without.
            match reason {
                Reason::Drained => *fate = Fate::Keep(Cause::LastClusters),
                Reason::Replaced => *fate = Fate::Keep(Cause::Stopped),
                Reason::FailedOver => *fate = Fate::Keep(Cause::FailedOver),
                Reason::TemplateDeleted
                | Reason::PolicyDeleted
                | Reason::NotChosen
                | Reason::Confirmed
                | Reason::NotNeeded => {}
            }
        }
        if *fate != Fate::Remove(Reason::NotChosen) {
            continue;
        }
        if leaves_none {
            *fate = Fate::Keep(Cause::LastClusters);
        } else if review.is_some_and(|r| r.exceeds(&world.limits, responsible(intent, former))) {
            *fate = Fate::Keep(Cause::LargeShare);
        }
    }
    let waits = |fate: &Fate| fate.kept().is_some_and(Cause::confirmable);
    let waiting: BTreeSet<Loss> = fates
        .iter()
        .filter(|(_, fate)| waits(fate))
        .map(|(former, _)| former.loss(&template.key))
        .collect();
    let mut settled = Settled::default();
    if waiting.is_empty() {
        return settled;
    }
    let confirms = token(&waiting);
    let confirmed = borne(&template.metadata().annotations) == Some(&confirms);
    let mut policies = BTreeSet::new();
    let mut left = false;
    for (former, fate) in fates.iter_mut().filter(|(_, fate)| waits(fate)) {
        let loss = former.loss(&template.key);
        let by = responsible(intent, former);
        let approved = review.and_then(|r| by.iter().find(|uid| r.approves(uid, &loss)));
        if confirmed || approved.is_some() {
            *fate = Fate::Remove(Reason::Confirmed);
            let approved = approved.filter(|_| !confirmed);
            settled
                .confirmed_by
                .extend(approved.map(|uid| (*uid).to_owned()));
        } else {
            left = true;
            policies.extend(by);
        }
    }
    if left {
        settled.commands = commands(world, template, &confirms, review, &policies);
    }
    settled
}

/// What confirms the removals of one template, and then all that waits for one of `policies`.
fn commands(
    world: &World,
    template: &Template<'_>,
    token_of_template: &str,
    review: Option<&Review>,
    policies: &BTreeSet<&str>,
) -> Vec<String> {
    let ItemKey {
        group,
        kind,
        namespace,
        name,
    } = &template.key;
    let kind = match group.as_str() {
        "" => kind.clone(),
        group => format!("{kind}.{group}"),
    };
    let namespace = (!namespace.is_empty()).then_some(namespace.as_str());
    let object = command(&kind, namespace, name, token_of_template);
    let of_policy = policies.iter().find_map(|uid| {
        let (policy, losses) = (world.policy(uid)?, review?.waiting(uid)?);
        let Identity {
            kind,
            namespace,
            name,
            ..
        } = &policy.identity;
        let kind = match policy.identity.reference().group.as_str() {
            "" => kind.clone(),
            group => format!("{kind}.{group}"),
        };
        Some(command(&kind, namespace.as_deref(), name, &token(losses)))
    });
    std::iter::once(object).chain(of_policy).collect()
}

/// The policies whose edit removes `former`: the one that distributes the object now, or those that
/// did.
pub(crate) fn responsible<'a>(intent: &Intent<'a>, former: &'a Former) -> Vec<&'a str> {
    match intent.winner {
        Some(policy) => vec![policy.identity.uid.as_str()],
        None => former.policies.iter().map(String::as_str).collect(),
    }
}
