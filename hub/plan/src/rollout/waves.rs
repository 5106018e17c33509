//! What placement is told of the rollouts that an object has to do with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::finding::Cause;
use crate::overrides::rule::Overrides;
use crate::removal::{Fate, Reason};
use crate::template::Former;
use crate::world::World;

/// The rollouts that an object has to do with, by the UIDs of their policies: of every policy with
/// rollouts that holds it, held it, or holds what needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waves {
    /// By the UID of the policy.
    pub policies: BTreeMap<String, Rolling>,
    /// UIDs of the clusters where something needs the object of which it is not known what its rollout
    /// gives them, since its policy cannot be read, or holds it no more.
    pub unknown: BTreeSet<String>,
}

/// A policy's rollouts, as far as one object is concerned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rolling {
    /// What the good release says of it; `None` while nobody has looked at the policy yet.
    pub good: Option<Arc<Given>>,
    /// By the UID of the cluster, what the release says to which it was let; `None` for one that cannot
    /// be read.
    pub admitted: BTreeMap<String, Option<Arc<Given>>>,
    /// Whether it is in the release that stands on the hub, or in the one that clusters are given.
    pub coming: bool,
    /// Whether clusters are being changed.
    pub active: bool,
    /// How that is, for people.
    pub says: String,
}

/// What a release says of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// The release.
    pub release: String,
    /// The object, without its number of replicas; `None` where it is not in it.
    pub object: Option<Value>,
    /// The override policies of the release.
    pub overrides: Vec<Overrides>,
}

/// What a cluster is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'w> {
    /// What stands on the hub.
    Live,
    /// What a release says.
    Given(&'w Given),
    /// Nothing new yet.
    Waits,
}

impl Rolling {
    /// What the release says that `cluster` is to have.
    fn of(&self, cluster: &str) -> Option<&Given> {
        match self.admitted.get(cluster) {
            Some(admitted) => admitted.as_deref(),
            None => self.good.as_deref(),
        }
    }
}

impl Waves {
    /// What `cluster` is given: by its own policy, or where there is none for it, by those of the objects
    /// that need it there.
    pub(crate) fn source<'w, 'u>(
        &'w self,
        own: Option<&str>,
        mut by: impl Iterator<Item = &'u str>,
        cluster: &str,
    ) -> Source<'w> {
        if let Some(own) = own {
            let Some(rolling) = self.policies.get(own) else {
                return Source::Live;
            };
            let given = rolling.of(cluster).filter(|given| given.object.is_some());
            return given.map_or(Source::Waits, Source::Given);
        }
        let live = match self.unknown.contains(cluster) {
            true => Source::Waits,
            false => Source::Live,
        };
        let Some(rolling) = by.find_map(|uid| self.policies.get(uid)) else {
            return live;
        };
        match rolling.of(cluster) {
            Some(given) if given.object.is_some() => Source::Given(given),
            // What no release knows goes along by an override, and cannot wait for one.
            Some(_) if !rolling.coming => live,
            Some(_) | None => Source::Waits,
        }
    }

    /// How the rollouts are that the object has to do with, for people.
    pub(crate) fn says(&self) -> String {
        let mut says: Vec<&str> = self.policies.values().map(|r| r.says.as_str()).collect();
        says.retain(|text| !text.is_empty());
        says.dedup();
        says.join("; ")
    }

    /// What becomes of what a cluster was given, where `fate` would: removals come last.
    pub(crate) fn judge(&self, world: &World, former: &Former, fate: Fate) -> Fate {
        match fate {
            Fate::Remove(reason) if self.holds(world, former, reason) => Fate::Keep(Cause::Wave),
            Fate::Remove(_) | Fate::Keep(_) | Fate::Forget => fate,
        }
    }

    /// Whether a removal waits.
    pub(crate) fn holds(&self, world: &World, former: &Former, reason: Reason) -> bool {
        let edit = match reason {
            Reason::NotChosen => true,
            Reason::TemplateDeleted | Reason::NotNeeded => false,
            Reason::PolicyDeleted
            | Reason::Confirmed
            | Reason::Drained
            | Reason::Replaced
            | Reason::FailedOver => {
                return false;
            }
        };
        let mut concerned = self.policies.iter().filter(|(uid, _)| {
            let own = former.policies.contains(uid);
            (own || former.is_required()) && world.policy(uid).is_some()
        });
        concerned.any(|(_, rolling)| {
            let Some(good) = &rolling.good else {
                return true;
            };
            let stays = good.object.is_some() && !rolling.coming;
            stays || (rolling.active && (edit || good.object.is_some()))
        })
    }
}
