//! Reads what the plan wants from a snapshot of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_machinery::resource::{Registry, Resource};
use roadstead_plan::failover::Failing;
use roadstead_plan::{Decided, Limits, Template, World};
use roadstead_protocol::api::decision::PolicyRef;
use roadstead_protocol::api::interpreter::RESOURCE_INTERPRETER;
use roadstead_protocol::api::names::{
    APPS_GROUP, ATTACHED_CLUSTERS, CLUSTER_GROUP, DECISIONS, FLEET_GROUP, FLEETS, OWN_GROUP,
    POLICY_GROUP,
};
use roadstead_protocol::api::policy::{
    CLUSTER_DISTRIBUTION, CLUSTER_OVERRIDE, DISTRIBUTION, OVERRIDE,
};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{
    DELETIONS_PREFIX, DeletionRecord, ObjectKey, decode, object_key, objects_namespace_prefix,
    objects_prefix,
};
use roadstead_store::{Entry, InvalidKey, Key, Snapshot};
use serde_json::Value;

use crate::error::Error;
use crate::rollout::waves;
use crate::{around, decision, ledger, objects};

/// Group, kind and plural of the policies.
pub(crate) const POLICIES: [(&str, &str, &str); 5] = [
    (POLICY_GROUP, DISTRIBUTION.0, DISTRIBUTION.1),
    (POLICY_GROUP, CLUSTER_DISTRIBUTION.0, CLUSTER_DISTRIBUTION.1),
    (APPS_GROUP, DISTRIBUTION.0, DISTRIBUTION.1),
    (POLICY_GROUP, OVERRIDE.0, OVERRIDE.1),
    (POLICY_GROUP, CLUSTER_OVERRIDE.0, CLUSTER_OVERRIDE.1),
];

/// Group and plural of the kind of a policy that is named; `None` of one that is no policy's.
pub(crate) fn policy_kind(policy: &PolicyRef) -> Option<(&'static str, &'static str)> {
    let named = (policy.group(), policy.kind.as_str());
    let mut kinds = POLICIES.iter();
    let found = kinds.find(|(group, kind, _)| (*group, *kind) == named);
    found.map(|(group, _, plural)| (*group, *plural))
}

/// Whether these are the group and the plural of policies.
pub(crate) fn is_policy(key: &ObjectKey) -> bool {
    let at = (key.group.as_str(), key.plural.as_str());
    let mut kinds = POLICIES.iter();
    kinds.any(|(group, _, plural)| (*group, *plural) == at)
}

/// Where a policy stands that is named; `None` where its kind is no policy's.
pub(crate) fn policy_key(policy: &PolicyRef) -> Result<Option<Key>, InvalidKey> {
    let kind = policy_kind(policy);
    let key =
        kind.map(|(group, plural)| object_key(group, plural, &policy.namespace, &policy.name));
    key.transpose()
}

/// The prefixes that a world is read from, beside that of the clusters and of the deletions.
pub(crate) fn prefixes() -> Vec<String> {
    let others = [
        objects_prefix(FLEET_GROUP, FLEETS),
        definitions_prefix(),
        objects_prefix(OWN_GROUP, RESOURCE_INTERPRETER.1),
        objects_prefix("", "namespaces"),
    ];
    policy_prefixes().into_iter().chain(others).collect()
}

/// Whether what people explained of their kinds differs in these states.
pub(crate) fn is_explained_anew(snapshot: &Snapshot, older: &Snapshot) -> bool {
    let told = objects_prefix(OWN_GROUP, RESOURCE_INTERPRETER.1);
    snapshot.since(older).any(|(old, new)| {
        let entry = new.or(old);
        entry.is_some_and(|entry| entry.key.as_str().starts_with(&told))
    })
}

/// Those of them under which policies stand.
pub(crate) fn policy_prefixes() -> Vec<String> {
    let prefix = |(group, _, plural): &(&str, &str, &str)| objects_prefix(group, plural);
    POLICIES.iter().map(prefix).collect()
}

/// Whether a deletion record says that what its object put on clusters stays there.
pub(crate) fn preserves(record: &Entry) -> bool {
    decode::<DeletionRecord>(record).is_ok_and(|record| record.preserve)
}

/// The prefix of the Decisions about definitions of kinds: who is given one may get objects of it.
fn definitions_prefix() -> String {
    let decisions = objects_namespace_prefix(OWN_GROUP, DECISIONS, decision::SYSTEM_NAMESPACE);
    format!("{decisions}customresourcedefinition.apiextensions.k8s.io.")
}

/// The world that a snapshot shows.
///
/// # Errors
/// When an object in the store is not JSON: a damaged store decides nothing.
pub fn world(snapshot: &Snapshot, limits: Limits) -> Result<World, Error> {
    read(
        snapshot,
        limits,
        Some(objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS)),
    )
}

/// As [`world`], but without clusters.
pub(crate) fn without_clusters(snapshot: &Snapshot, limits: Limits) -> Result<World, Error> {
    read(snapshot, limits, None)
}

fn read(snapshot: &Snapshot, limits: Limits, clusters: Option<String>) -> Result<World, Error> {
    let (mut deleted, mut preserved) = (BTreeSet::new(), BTreeSet::new());
    for entry in snapshot.range(DELETIONS_PREFIX) {
        let Some(uid) = entry.key.as_str().strip_prefix(DELETIONS_PREFIX) else {
            continue;
        };
        deleted.insert(uid.to_owned());
        if preserves(entry) {
            preserved.insert(uid.to_owned());
        }
    }
    let mut damaged = None;
    let prefixes: Vec<String> = prefixes().into_iter().chain(clusters).collect();
    let entries = prefixes.iter().flat_map(|prefix| snapshot.range(prefix));
    let found = entries.map_while(|entry| {
        objects::object(entry)
            .map_err(|error| damaged = Some(error))
            .ok()
    });
    let mut world = World::read(found, deleted, limits);
    if let Some(error) = damaged {
        return Err(error.into());
    }
    world.preserved = preserved;
    Ok(world)
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

/// Where the replicas of `item` stand: where people tell it of its kind, else where the kind's scale
/// subresource says.
pub(crate) fn replicas_path(
    world: &World,
    item: &ItemKey,
    scale: Option<String>,
) -> Option<String> {
    let told = world.interpreter(item);
    let told = told.and_then(|told| told.replicas_path.clone());
    told.or(scale)
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
    let around = around::read(
        snapshot,
        registry,
        world,
        item,
        (object.as_ref(), &decision),
    )?;
    let replicas_path = located.and_then(|(_, path)| path);
    let replicas_path = self::replicas_path(world, item, replicas_path);
    let about = (object.as_ref(), &decision, &ledger, &around);
    let rollout = waves::of_template(snapshot, world, item, about)?;
    Ok(then(&Template {
        key: item.clone(),
        object: object.as_ref(),
        replicas_path: replicas_path.as_deref(),
        former: ledger::former(world, &ledger, &decision),
        basis: decision.spec.basis.clone(),
        pledges: Vec::new(),
        around,
        decided: Decided::read(&decision.spec),
        observed: BTreeMap::new(),
        failing: Failing::default(),
        budget: None,
        rollout,
        now: Duration::ZERO,
    }))
}

/// UIDs of every cluster that is there or that a decision names, each once.
pub(crate) fn clusters<'a>(
    world: &'a World,
    decision: &'a roadstead_protocol::api::decision::Decision,
) -> impl Iterator<Item = &'a str> {
    // Whoever asks for none of them pays for none.
    std::iter::once_with(move || {
        let known: BTreeSet<&str> = world
            .clusters
            .iter()
            .map(|c| c.uid.as_str())
            .chain(decision.spec.clusters.iter().map(|t| t.uid.as_str()))
            .filter(|uid| !uid.is_empty())
            .collect();
        known
    })
    .flatten()
}
