//! Workloads that want to be together, or apart: where a template's peers are, and what keeps two
//! decisions of one group from being made without one another.
//!
//! What is so stands in the decisions. `/groups/...` is written whenever the members of a group or
//! their clusters change, and asserted by every decision of that group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use roadstead_plan::peers::{Peers, labels, peers};
use roadstead_plan::{Placement, World};
use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::api::decision::{Decision, Spec};
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::{ItemKey, Revision};
use roadstead_store::records::{group_key, objects_namespace_prefix};
use roadstead_store::{Check, Key, Op, Snapshot, Txn};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::objects;

/// The decisions that were read last, with their revisions. Of those in no group only that.
#[derive(Default)]
pub(crate) struct Groups(Mutex<BTreeMap<Key, (Revision, Option<Spec>)>>);

impl Groups {
    /// Where the peers of a template are. Nothing where no policy makes groups.
    pub(crate) fn of(
        &self,
        snapshot: &Snapshot,
        world: &World,
        item: &ItemKey,
        object: Option<&Value>,
    ) -> Result<Peers, Error> {
        let keys = labels(world);
        let metadata = object.and_then(|object| object.get("metadata"));
        let metadata = ObjectMeta::deserialize(metadata.unwrap_or(&Value::Null));
        let own = metadata.unwrap_or_default().labels;
        if !keys.iter().any(|key| own.contains_key(*key)) {
            return Ok(Peers::new());
        }
        let known = self.0.lock().map(|known| known.clone());
        let known = known.unwrap_or_else(|poisoned| poisoned.into_inner().clone());
        let mut read = BTreeMap::new();
        let prefix = objects_namespace_prefix(OWN_GROUP, DECISIONS, &item.namespace);
        for entry in snapshot.range(&prefix) {
            let same = known
                .get(&entry.key)
                .filter(|(at, _)| *at == entry.revision);
            let one = match same {
                Some((_, one)) => one.clone(),
                None => {
                    let spec = objects::typed::<Decision>(entry)?.spec;
                    Some(spec).filter(|spec| !spec.groups.is_empty())
                }
            };
            read.insert(entry.key.clone(), (entry.revision, one));
        }
        let specs = read.values().filter_map(|(_, spec)| spec.as_ref());
        let peers = peers(item, &own, specs);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(peers)
    }
}

/// What is written whenever something about the groups of a decision changes, with its revisions.
pub(crate) fn revisions(
    snapshot: &Snapshot,
    item: &ItemKey,
    spec: &Spec,
) -> Result<Vec<(Key, Option<Revision>)>, Error> {
    let groups = spec.groups.iter();
    let read = groups.map(|(label, value)| {
        let key = group_key(&item.namespace, label, value)?;
        let revision = snapshot.get(key.as_str()).map(|entry| entry.revision);
        Ok((key, revision))
    });
    read.collect()
}

/// Adds to `txn` what tells the other members of a template's groups that it came, went or moved, and
/// asserts that nobody else did meanwhile.
pub(crate) fn tell(
    snapshot: &Snapshot,
    item: &ItemKey,
    (former, placement): (&Spec, &Placement),
    txn: &mut Txn,
) -> Result<(), Error> {
    if former.groups.is_empty() && placement.groups.is_empty() {
        return Ok(());
    }
    let had: BTreeSet<&str> = former.clusters.iter().map(|t| t.uid.as_str()).collect();
    let targets = placement.targets.iter().map(|t| t.cluster.as_str());
    let kept = placement.kept.iter().map(|k| k.cluster.as_str());
    let moved = had != targets.chain(kept).collect();
    let all: BTreeSet<(&String, &String)> = former.groups.iter().chain(&placement.groups).collect();
    for (label, value) in all {
        let key = group_key(&item.namespace, label, value)?;
        txn.checks.push(match snapshot.get(key.as_str()) {
            Some(entry) => Check::At(key.clone(), entry.revision),
            None => Check::Absent(key.clone()),
        });
        let stayed =
            former.groups.get(label) == Some(value) && placement.groups.get(label) == Some(value);
        if moved || !stayed {
            txn.ops.push(Op::Put {
                key,
                value: Bytes::from_static(b"{}"),
            });
        }
    }
    Ok(())
}
