//! Where an object goes because others need it there, and what it means that they no longer do.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::policy::ConflictResolution;
use roadstead_protocol::wire::ItemKey;

use crate::affinity::Chosen;
use crate::cluster::Cluster;
use crate::intent::{Intent, Wanted};
use crate::placement::{Placement, Removal};
use crate::policy::Policy;
use crate::removal::Manner;
use crate::template::Template;
use crate::world::World;

/// What stands among the UIDs of the policies that put an object on a cluster, where other objects
/// needed it there: who they are is kept once for the object, not for each cluster.
pub const REQUIRED: &str = "required";

/// An object that needs another beside it, or did, as its decision stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirer {
    /// Which.
    pub key: ItemKey,
    /// Its UID.
    pub template: String,
    /// Whether it is known where it is: there is a decision about it, or no cluster was given it.
    pub decided: bool,
    /// UID of the policy that distributes it.
    pub policy: Option<String>,
    /// UIDs of the clusters that it is on, or is to be.
    pub clusters: BTreeSet<String>,
    /// Of these, those on which it needs the other.
    pub needs: BTreeSet<String>,
    /// UIDs of the clusters on which it was let go with all that it needed.
    pub released: BTreeSet<String>,
}

/// Where an object needs another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// UIDs of the clusters on which it does.
    pub on: BTreeSet<String>,
    /// UIDs of the clusters on which it did when it was let go.
    pub released: BTreeSet<String>,
}

/// Why an object is no longer needed on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unneeded {
    /// Who needed it has left the cluster, names it no more, or was deleted.
    Left,
    /// Who needed it is still there, but its policy's `propagateDeps` was switched off.
    Unfollowed,
    /// Nothing is known of who needed it, and nobody deleted it.
    Unknown,
}

impl Requirer {
    /// The policy that distributes it, where it can be read.
    fn policy<'w>(&self, world: &'w World) -> Option<&'w Policy> {
        world.policy(self.policy.as_deref()?)
    }

    /// Why it does not need the object on `cluster`; `None` where it does.
    pub fn unneeded(&self, world: &World, cluster: &str) -> Option<Unneeded> {
        if self.needs.contains(cluster) {
            return None;
        }
        if !self.decided {
            let deleted = world.deleted.contains(&self.template);
            return Some(if deleted {
                Unneeded::Left
            } else {
                Unneeded::Unknown
            });
        }
        let follows = || self.policy(world).is_some_and(|p| p.options.propagate_deps);
        Some(if self.clusters.contains(cluster) && !follows() {
            Unneeded::Unfollowed
        } else {
            Unneeded::Left
        })
    }
}

/// Why nothing needs an object on `cluster`, of all that did: what keeps it there first. `None` where
/// something does.
pub fn unneeded(world: &World, requirers: &[Requirer], cluster: &str) -> Option<Unneeded> {
    let why = requirers.iter().map(|r| r.unneeded(world, cluster));
    let all: Vec<Unneeded> = why.collect::<Option<_>>()?;
    let unknown = all.is_empty() || all.contains(&Unneeded::Unknown);
    Some(if unknown {
        Unneeded::Unknown
    } else if all.contains(&Unneeded::Unfollowed) {
        Unneeded::Unfollowed
    } else {
        Unneeded::Left
    })
}

/// Whether what needed an object and needs it no more can be forgotten: it is on no cluster itself, and
/// something else needs the object, so that nothing will ever follow from it.
pub fn spent(world: &World, requirers: &[Requirer], one: &Requirer) -> bool {
    let nowhere = one.clusters.is_empty() && one.needs.is_empty() && one.released.is_empty();
    let known = one.decided || world.deleted.contains(&one.template);
    nowhere && known && requirers.iter().any(|other| !other.needs.is_empty())
}

/// The clusters on which an object is needed, by UID, and by whom.
pub fn needed(requirers: &[Requirer]) -> BTreeMap<&str, Vec<&Requirer>> {
    let mut found: BTreeMap<&str, Vec<&Requirer>> = BTreeMap::new();
    for requirer in requirers {
        for cluster in &requirer.needs {
            found.entry(cluster).or_default().push(requirer);
        }
    }
    found
}

/// Adds the clusters on which something else needs the object to those that are to get it.
pub(crate) fn require<'a>(world: &'a World, intent: &mut Intent<'a>) {
    let there: BTreeSet<&str> = intent.targets.iter().map(|t| &*t.cluster.uid).collect();
    let required = intent.required.keys().filter(|uid| !there.contains(*uid));
    let clusters: Vec<&'a Cluster> = required.filter_map(|uid| world.cluster(uid)).collect();
    for cluster in clusters {
        intent.refused.retain(|(other, _)| other.uid != cluster.uid);
        intent.targets.push(Wanted::new(cluster, Chosen::Required));
    }
    let path = |wanted: &Wanted<'a>| (&wanted.cluster.namespace, &wanted.cluster.name);
    intent.targets.sort_by(|a, b| path(a).cmp(&path(b)));
}

/// Who needs the object somewhere, each once.
pub(crate) fn needed_by(intent: &Intent<'_>) -> Vec<ItemKey> {
    let all = intent.required.values().flatten();
    let keys: BTreeSet<&ItemKey> = all.map(|requirer| &requirer.key).collect();
    keys.into_iter().cloned().collect()
}

/// What the object needs where `placement` has it. Where it is kept as it is, it needs what it needed
/// before; where it was let go, so is that.
pub(crate) fn requires(template: &Template<'_>, placement: &Placement) -> BTreeMap<ItemKey, Needs> {
    let mut found: BTreeMap<ItemKey, Needs> = BTreeMap::new();
    let mut targets = BTreeSet::new();
    for target in &placement.targets {
        targets.insert(&target.cluster);
        for key in &*target.requires {
            let needs = found.entry(key.clone()).or_default();
            needs.on.insert(target.cluster.clone());
        }
    }
    let let_go = |removal: &&Removal| removal.manner == Manner::Release;
    let released: BTreeSet<&String> = placement
        .removals
        .iter()
        .filter(let_go)
        .map(|r| &r.cluster)
        .collect();
    let kept: BTreeSet<&String> = placement.kept.iter().map(|k| &k.cluster).collect();
    for (key, former) in &template.around.requires {
        let mut needs = found.remove(key).unwrap_or_default();
        needs
            .on
            .extend(former.on.iter().filter(|c| kept.contains(c)).cloned());
        let now = former.on.iter().filter(|c| released.contains(c));
        let still = former.released.iter().filter(|c| !targets.contains(c));
        needs.released.extend(now.chain(still).cloned());
        if needs != Needs::default() {
            found.insert(key.clone(), needs);
        }
    }
    found
}

/// What happens to what is there already and is not ours: the strictest that anyone who wants the object
/// there says.
pub fn conflicts(world: &World, own: Option<&Policy>, by: &[&Requirer]) -> ConflictResolution {
    let says = |requirer: &&Requirer| {
        let policy = requirer.policy(world);
        policy.map_or(ConflictResolution::Abort, |p| p.conflicts)
    };
    let own = own.map(|own| own.conflicts);
    own.into_iter()
        .chain(by.iter().map(says))
        .min()
        .unwrap_or_default()
}
