//! What clusters were promised and have not got yet: replicas of all decisions that no agent has
//! reported, so that two workloads are not given the same room.
//!
//! Read from the statuses of decisions. Decisions that go by room take turns, so that each sees what
//! the one before it promised. Kinds that count no replicas promise nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use roadstead_machinery::resource::Registry;
use roadstead_plan::resources::Pod;
use roadstead_plan::{Placement, Pledge, World};
use roadstead_protocol::api::decision::{Decision, Target};
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::{ItemKey, Revision};
use roadstead_store::records::{objects_prefix, room_key};
use roadstead_store::{Check, Entry, Key, Op, Snapshot, Txn};
use serde_json::Value;

use crate::error::Error;
use crate::reconciler::item;
use crate::{decision, objects, world};

/// What was read last, by the key of the decision.
#[derive(Default)]
pub(crate) struct Pledges(Mutex<BTreeMap<Key, Read>>);

/// What one decision promises, and the revisions of it and of its template from which that was read.
struct Read {
    at: (Revision, Option<Revision>),
    template: Option<Key>,
    pledges: Vec<Pledge>,
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
        let mut read = BTreeMap::new();
        for entry in snapshot.range(&objects_prefix(OWN_GROUP, DECISIONS)) {
            let revision = |key: &Option<Key>| {
                let key = key.as_ref()?;
                snapshot.get(key.as_str()).map(|entry| entry.revision)
            };
            let same = |read: &Read| read.at == (entry.revision, revision(&read.template));
            let one = match known.remove(&entry.key).filter(same) {
                Some(read) => read,
                None => one(snapshot, (registry, world), entry)?,
            };
            read.insert(entry.key.clone(), one);
        }
        let others = read.iter().filter(|(key, _)| **key != own);
        let pledges = others.flat_map(|(_, one)| one.pledges.clone()).collect();
        *known = read;
        Ok(pledges)
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
    let key = room_key()?;
    txn.checks.push(match snapshot.get(key.as_str()) {
        Some(entry) => Check::At(key.clone(), entry.revision),
        None => Check::Absent(key.clone()),
    });
    txn.ops.push(Op::Put {
        key,
        value: b"{}".as_slice().into(),
    });
    Ok(())
}

fn one(
    snapshot: &Snapshot,
    (registry, world): (&Registry, &World),
    entry: &Entry,
) -> Result<Read, Error> {
    let decision: Decision = objects::typed(entry)?;
    let item = item(&decision);
    let located = world::locate(registry, &item)?;
    let (template, path) = located.map_or((None, None), |(key, path)| (Some(key), path));
    let path = world::replicas_path(world, &item, path);
    let object = template.as_ref().and_then(|key| snapshot.get(key.as_str()));
    let revision = object.map(|entry| entry.revision);
    let mut pledges = Vec::new();
    if let (Some(object), Some(path)) = (object, path) {
        let object = objects::object(object)?;
        let whole = object
            .pointer(&path.replace('.', "/"))
            .and_then(Value::as_u64);
        let whole = u32::try_from(whole.unwrap_or(1)).unwrap_or(u32::MAX);
        for target in &decision.spec.clusters {
            let pods = unseen(&decision, target, whole);
            if pods > 0 {
                pledges.push(Pledge {
                    cluster: target.uid.clone(),
                    pod: Pod::of(&object),
                    pods,
                });
            }
        }
    }
    Ok(Read {
        at: (entry.revision, revision),
        template,
        pledges,
    })
}

/// How many replicas a cluster is to have and its agent has not reported. What is healthy has all.
fn unseen(decision: &Decision, target: &Target, whole: u32) -> u32 {
    let promised = target.pinned.or(target.replicas).unwrap_or(whole);
    let mut clusters = decision.status.clusters.iter();
    let at = clusters.find(|c| c.namespace == target.namespace && c.name == target.name);
    let Some(at) = at else {
        return promised;
    };
    if at.state == "Applied" && at.health == "Healthy" {
        return 0;
    }
    let seen = at.replicas.unwrap_or(0);
    promised.saturating_sub(u32::try_from(seen).unwrap_or(u32::MAX))
}
