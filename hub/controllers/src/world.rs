//! Reads what the plan wants from a snapshot of the store.

use std::collections::BTreeSet;

use roadstead_machinery::resource::{Registry, Resource};
use roadstead_plan::{Limits, Template, World};
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP, POLICY_GROUP};
use roadstead_protocol::api::policy::{
    CLUSTER_DISTRIBUTION, CLUSTER_OVERRIDE, DISTRIBUTION, OVERRIDE,
};
use roadstead_protocol::wire::{ItemKey, Revision};
use roadstead_store::records::{DELETIONS_PREFIX, ObjectKey, object_key, objects_prefix};
use roadstead_store::{Key, Snapshot};
use serde_json::Value;

use crate::error::Error;
use crate::{decision, ledger, objects};

/// What of the store a world is read from: it is the same as long as this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(Vec<(usize, Revision)>);

/// The prefixes that a world is read from.
pub(crate) fn prefixes() -> Vec<String> {
    let policies = [
        DISTRIBUTION,
        CLUSTER_DISTRIBUTION,
        OVERRIDE,
        CLUSTER_OVERRIDE,
    ];
    let policies = policies
        .iter()
        .map(|(_, plural)| objects_prefix(POLICY_GROUP, plural));
    let others = [
        objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS),
        objects_prefix("", "namespaces"),
    ];
    policies.chain(others).collect()
}

/// The fingerprint of a snapshot. Revisions are never reused, so the number of entries and the
/// newest of their revisions tell two states apart.
pub(crate) fn fingerprint(snapshot: &Snapshot) -> Fingerprint {
    let mut all = prefixes();
    all.push(DELETIONS_PREFIX.to_owned());
    let count = |prefix: String| {
        snapshot
            .range(&prefix)
            .fold((0, Revision(0)), |(count, newest), entry| {
                (count + 1, newest.max(entry.revision))
            })
    };
    Fingerprint(all.into_iter().map(count).collect())
}

/// The world that a snapshot shows.
///
/// # Errors
/// When an object in the store is not JSON: a damaged store decides nothing.
pub fn world(snapshot: &Snapshot, limits: Limits) -> Result<World, Error> {
    let mut found = Vec::new();
    for prefix in prefixes() {
        for entry in snapshot.range(&prefix) {
            found.push(objects::object(entry)?);
        }
    }
    let deleted: BTreeSet<String> = snapshot
        .range(DELETIONS_PREFIX)
        .filter_map(|entry| entry.key.as_str().strip_prefix(DELETIONS_PREFIX))
        .map(str::to_owned)
        .collect();
    Ok(World::read(found.iter(), deleted, limits))
}

/// What names an object that may be a template, given its key in the store.
pub(crate) fn item(registry: &Registry, key: &ObjectKey) -> Option<ItemKey> {
    let resource = candidate(registry, &key.group, &key.plural)?;
    Some(ItemKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    })
}

fn candidate<'a>(registry: &'a Registry, group: &str, plural: &str) -> Option<&'a Resource> {
    registry
        .by_storage(group, plural)
        .filter(|resource| resource.template)
        .map(|r| &**r)
}

/// The key of a template's object in the store, and where its replicas stand.
pub(crate) fn locate(
    registry: &Registry,
    item: &ItemKey,
) -> Result<Option<(Key, Option<String>)>, Error> {
    let Some(resource) = registry.by_kind(&item.group, &item.kind) else {
        return Ok(None);
    };
    let (group, plural) = &resource.storage;
    let key = object_key(group, plural, &item.namespace, &item.name)?;
    Ok(Some((
        key,
        resource
            .scale
            .as_ref()
            .map(|scale| scale.spec_replicas.clone()),
    )))
}

/// A template as a snapshot shows it, for whoever explains a decision: hands the plan's view of it
/// to `then`.
///
/// # Errors
/// When a record of it is damaged.
pub fn template<T>(
    snapshot: &Snapshot,
    registry: &Registry,
    world: &World,
    item: &ItemKey,
    then: impl FnOnce(&Template<'_>) -> T,
) -> Result<T, Error> {
    let located = locate(registry, item)?;
    let object: Option<Value> = match &located {
        Some((key, _)) => snapshot
            .get(key.as_str())
            .map(objects::object)
            .transpose()?,
        None => None,
    };
    let decision = match snapshot.get(decision::decision_key(item)?.as_str()) {
        Some(entry) => objects::typed(entry)?,
        None => roadstead_protocol::api::decision::Decision::default(),
    };
    let ledger = ledger::read(snapshot, item, clusters(world, &decision))?;
    let replicas_path = located.as_ref().and_then(|(_, path)| path.as_deref());
    Ok(then(&Template {
        key: item.clone(),
        object: object.as_ref(),
        replicas_path,
        former: ledger::former(&ledger, &decision),
    }))
}

/// UIDs of every cluster that is there or that a decision names, each once.
pub(crate) fn clusters<'a>(
    world: &'a World,
    decision: &'a roadstead_protocol::api::decision::Decision,
) -> impl Iterator<Item = &'a str> {
    let known: BTreeSet<&str> = world
        .clusters
        .iter()
        .map(|c| c.uid.as_str())
        .chain(decision.spec.clusters.iter().map(|t| t.uid.as_str()))
        .filter(|uid| !uid.is_empty())
        .collect();
    known.into_iter()
}
