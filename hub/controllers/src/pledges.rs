//! What clusters were promised and have not got yet: replicas of all decisions that no agent has
//! reported, so that two workloads are not given the same room.
//!
//! Read from the statuses of decisions. Decisions that go by room take turns, so that each sees what
//! the one before it promised. Kinds that count no replicas promise nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use roadstead_machinery::resource::Registry;
use roadstead_plan::resources::Pod;
use roadstead_plan::{Placement, Pledge, World};
use roadstead_protocol::api::decision::{ClusterStatus, Decision, Target};
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{objects_prefix, room_key};
use roadstead_store::{Entry, Key, Snapshot, Txn};
use serde_json::Value;

use crate::counted;
use crate::error::Error;
use crate::reconciler::item;
use crate::world::is_explained_anew;
use crate::{decision, objects, turn, world};

/// What was read last, and from what.
#[derive(Default)]
pub(crate) struct Pledges(Mutex<Known>);

/// What all decisions promise in one state of the store.
#[derive(Default)]
struct Known {
    of: Snapshot,
    /// By the key of the decision, where it promises anything.
    pledges: BTreeMap<Key, Vec<Pledge>>,
    /// The decision about each template, by the template's key.
    about: BTreeMap<Key, Key>,
    /// How many decisions were read, for tests.
    read: usize,
}

impl Pledges {
    /// What all decisions but that about `item` promise. Nothing where no policy divides by room.
    pub(crate) fn of(
        &self,
        snapshot: &Snapshot,
        registry: &Registry,
        world: &World,
        item: &ItemKey,
    ) -> Result<Vec<Pledge>, Error> {
        if !world.policies.iter().any(|p| p.scheduling.goes_by_room()) {
            return Ok(Vec::new());
        }
        let own = decision::decision_key(item)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Where one cannot be read the next look begins with all of them.
        *known = std::mem::take(&mut *known).updated(snapshot, (registry, world))?;
        let others = known.pledges.iter().filter(|(key, _)| **key != own);
        Ok(others.flat_map(|(_, one)| one.iter().cloned()).collect())
    }

    /// How many decisions were read since the start.
    #[cfg(test)]
    pub(crate) fn reads(&self) -> usize {
        self.0.lock().map_or(0, |known| known.read)
    }
}

impl Known {
    /// Reads anew what differs in `snapshot`, be it newer or older.
    fn updated(
        mut self,
        snapshot: &Snapshot,
        (registry, world): (&Registry, &World),
    ) -> Result<Self, Error> {
        let decisions = objects_prefix(OWN_GROUP, DECISIONS);
        if is_explained_anew(snapshot, &self.of) {
            // Where replicas stand may be elsewhere now.
            let read = self.read;
            self = Self {
                read,
                ..Self::default()
            };
        }
        let mut turned = BTreeSet::new();
        for (old, new) in snapshot.since(&self.of) {
            let Some(entry) = new.or(old) else { continue };
            if entry.key.as_str().starts_with(&decisions) {
                turned.insert(entry.key.clone());
            } else {
                turned.extend(self.about.get(&entry.key).cloned());
                if new.is_none() {
                    self.about.remove(&entry.key);
                }
            }
        }
        for key in turned {
            self.pledges.remove(&key);
            let Some(entry) = snapshot.get(key.as_str()) else {
                continue;
            };
            self.read += 1;
            let (template, pledges) = one(snapshot, (registry, world), entry)?;
            self.about
                .extend(template.map(|template| (template, key.clone())));
            if !pledges.is_empty() {
                self.pledges.insert(key, pledges);
            }
        }
        self.of = snapshot.clone();
        Ok(self)
    }
}

/// Makes a decision that goes by room one that no other was made beside.
pub(crate) fn take_turns(
    snapshot: &Snapshot,
    world: &World,
    placement: &Placement,
    txn: &mut Txn,
) -> Result<(), Error> {
    let policy = placement.policy.as_ref();
    let policy = policy.and_then(|policy| world.policy(&policy.uid));
    if !policy.is_some_and(|policy| policy.scheduling.goes_by_room()) {
        return Ok(());
    }
    turn::take(snapshot, room_key()?, txn);
    Ok(())
}

/// The key of a decision's template, and what the decision promises.
fn one(
    snapshot: &Snapshot,
    (registry, world): (&Registry, &World),
    entry: &Entry,
) -> Result<(Option<Key>, Vec<Pledge>), Error> {
    let decision: Decision = objects::typed(entry)?;
    let item = item(&decision);
    let located = world::locate(registry, &item)?;
    let (template, path) = located.map_or((None, None), |(key, path)| (Some(key), path));
    let path = world::replicas_path(world, &item, path);
    let object = template.as_ref().and_then(|key| snapshot.get(key.as_str()));
    let mut pledges = Vec::new();
    if let (Some(object), Some(path)) = (object, path) {
        let object = objects::object(object)?;
        let whole = object
            .pointer(&path.replace('.', "/"))
            .and_then(Value::as_u64);
        let whole = u32::try_from(whole.unwrap_or(1)).unwrap_or(u32::MAX);
        let seen = decision.status.clusters.iter();
        let seen = seen.map(|c| ((c.namespace.as_str(), c.name.as_str()), c));
        let seen: BTreeMap<(&str, &str), &ClusterStatus> = seen.collect();
        for target in &decision.spec.clusters {
            let at = seen.get(&(target.namespace.as_str(), target.name.as_str()));
            let told = world.cluster(&target.uid).map_or(0, |cluster| cluster.told);
            let pods = unseen((at.copied(), told), target, whole);
            if pods > 0 {
                pledges.push(Pledge {
                    cluster: target.uid.clone(),
                    pod: Pod::of(&object),
                    pods,
                });
            }
        }
    }
    Ok((template, pledges))
}

/// How many replicas a cluster is to have, or has, for which what it says is free, in its words of the
/// generation `told`, does not account. What is healthy has all.
fn unseen((at, told): (Option<&ClusterStatus>, u64), target: &Target, whole: u32) -> u32 {
    let promised = target.pinned.or(target.replicas).unwrap_or(whole);
    let Some(at) = at else {
        return promised;
    };
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let seen = count(at.replicas.unwrap_or(0));
    if let Some(counted) = counted::current(at, told) {
        return promised.max(seen).saturating_sub(count(counted));
    }
    if at.state == "Applied" && at.health == "Healthy" {
        return 0;
    }
    promised.saturating_sub(seen)
}
