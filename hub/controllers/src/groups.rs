//! Workloads that want to be together, or apart: where a template's peers are, and what keeps two
//! decisions of one group from being made without one another.
//!
//! What is so stands in the decisions. `/groups/...` is written whenever the members of a group or
//! their clusters change, and asserted by every decision of that group.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use roadstead_plan::peers::{Peers, labels, peers};
use roadstead_plan::{Placement, World};
use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::api::decision::{Decision, Spec};
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::{ItemKey, Revision};
use roadstead_store::records::{
    GROUPS_PREFIX, group_key, objects_namespace_prefix, objects_prefix,
};
use roadstead_store::{Check, Entry, Key, Op, Snapshot, Txn};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::objects;

/// The decisions of groups that were read last, and from what.
#[derive(Default)]
pub(crate) struct Groups(Mutex<Known>);

/// The decisions of one state of the store that belong to groups.
#[derive(Default)]
struct Known {
    of: Snapshot,
    specs: BTreeMap<Key, Spec>,
}

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
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Where one cannot be read the next look begins with all of them.
        *known = std::mem::take(&mut *known).updated(snapshot)?;
        let prefix = objects_namespace_prefix(OWN_GROUP, DECISIONS, &item.namespace);
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let specs = known.specs.range::<str, _>(from);
        let specs = specs.take_while(|(key, _)| key.as_str().starts_with(&prefix));
        Ok(peers(item, &own, specs.map(|(_, spec)| spec)))
    }

    /// The keys of groups in which nobody is any more.
    pub(crate) fn spent<'s>(&self, snapshot: &'s Snapshot) -> Result<Vec<&'s Entry>, Error> {
        if snapshot.range(GROUPS_PREFIX).next().is_none() {
            return Ok(Vec::new());
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = std::mem::take(&mut *known).updated(snapshot)?;
        let mut needed = BTreeSet::new();
        for spec in known.specs.values() {
            for (label, value) in &spec.groups {
                needed.insert(group_key(&spec.template.namespace, label, value)?);
            }
        }
        let spent = snapshot.range(GROUPS_PREFIX);
        Ok(spent.filter(|entry| !needed.contains(&entry.key)).collect())
    }
}

impl Known {
    /// Reads anew what differs in `snapshot`, be it newer or older.
    fn updated(mut self, snapshot: &Snapshot) -> Result<Self, Error> {
        let decisions = objects_prefix(OWN_GROUP, DECISIONS);
        for (old, new) in snapshot.since(&self.of) {
            let Some(entry) = new.or(old) else { continue };
            if !entry.key.as_str().starts_with(&decisions) {
                continue;
            }
            let spec = new.map(objects::typed::<Decision>).transpose()?;
            match spec.map(|decision| decision.spec) {
                Some(spec) if !spec.groups.is_empty() => {
                    self.specs.insert(entry.key.clone(), spec);
                }
                Some(_) | None => {
                    self.specs.remove(&entry.key);
                }
            }
        }
        self.of = snapshot.clone();
        Ok(self)
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
        txn.checks
            .push(Check::as_read(&key, snapshot.get(key.as_str())));
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
