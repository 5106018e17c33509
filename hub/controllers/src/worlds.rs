//! The world as it was read last, brought up to date by what changed since: thousands of clusters and
//! policies are not read again because one of them said something.
//!
//! What is kept is never the truth: it is compared with the snapshot it is asked for, entry by entry
//! where both do not share them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use roadstead_plan::cluster::Cluster;
use roadstead_plan::{Limits, World};
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP};
use roadstead_store::records::{DELETIONS_PREFIX, objects_prefix, parse_object_key};
use roadstead_store::{Entry, Snapshot};
use serde_json::Value;

use crate::error::Error;
use crate::objects;
use crate::tainted::Tainted;
use crate::world;

/// The world that was read last.
#[derive(Default)]
pub(crate) struct Worlds {
    last: Option<(Snapshot, Arc<World>)>,
    tainted: Tainted,
    /// How many clusters were read from what the store has, for tests.
    pub(crate) read: usize,
    /// How often all policies were read, and how many of them were exchanged, for tests.
    pub(crate) policies: (usize, usize),
}

/// What differs between two states.
#[derive(Default)]
struct Turned {
    /// Clusters by namespace and name; `None` for one that is gone.
    clusters: BTreeMap<(String, String), Option<Arc<Cluster>>>,
    /// Policies as they were and as they are.
    policies: Vec<(Option<Value>, Option<Value>)>,
    /// Deletion records by UID: whether what was put on clusters stays there; `None` for one that is gone.
    deletions: BTreeMap<String, Option<bool>>,
    /// Whether anything else does.
    rest: bool,
}

impl Turned {
    fn is_nothing(&self) -> bool {
        self.clusters.is_empty()
            && self.policies.is_empty()
            && self.deletions.is_empty()
            && !self.rest
    }
}

impl Worlds {
    /// What the plan wants of `snapshot`. The same `Arc` as long as it is the same.
    ///
    /// # Errors
    /// When an object in the store is not JSON: a damaged store decides nothing.
    pub(crate) fn of(
        &mut self,
        snapshot: &Snapshot,
        limits: Limits,
        uptime: Duration,
    ) -> Result<Arc<World>, Error> {
        let last = self.last.as_ref();
        let turned = match last {
            Some((before, last)) => turned(snapshot, before, Some(&**last))?,
            None => turned(snapshot, &Snapshot::default(), None)?,
        };
        let mut world = match last {
            Some((_, last)) if turned.is_nothing() => {
                let last = Arc::clone(last);
                self.keep(snapshot, &last);
                return Ok(last);
            }
            Some((_, last)) if !turned.rest => {
                let mut world = World::clone(last);
                if !turned.policies.is_empty() {
                    world.exchange_policies(&turned.policies);
                    self.policies.1 += turned.policies.len();
                }
                delete(&mut world, turned.deletions);
                world
            }
            Some(_) | None => {
                self.policies.0 += 1;
                world::without_clusters(snapshot, limits)?
            }
        };
        let before = last.map(|(_, last)| last.clusters.clone());
        let read = turned.clusters.values().flatten().count();
        world.give(merged(before.unwrap_or_default(), turned.clusters));
        self.read += read;
        self.tainted.date(&mut world, uptime);
        let world = Arc::new(world);
        self.keep(snapshot, &world);
        Ok(world)
    }

    /// The world that was read last, if it is this one.
    pub(crate) fn shared(&self, world: &World) -> Option<Arc<World>> {
        let (_, last) = self.last.as_ref()?;
        std::ptr::eq(Arc::as_ptr(last), world).then(|| Arc::clone(last))
    }

    fn keep(&mut self, snapshot: &Snapshot, world: &Arc<World>) {
        // Whoever works on an older snapshot does not make the others read again what is newer.
        let older = |(last, _): &(Snapshot, Arc<World>)| snapshot.revision() < last.revision();
        if !self.last.as_ref().is_some_and(older) {
            self.last = Some((snapshot.clone(), Arc::clone(world)));
        }
    }
}

/// What differs between two states, the former of which is this world.
fn turned(now: &Snapshot, before: &Snapshot, world: Option<&World>) -> Result<Turned, Error> {
    let mut turned = Turned::default();
    if now.revision() == before.revision() {
        return Ok(turned);
    }
    let clusters = objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS);
    let policies = world::policy_prefixes();
    let others = world::prefixes();
    let named = |key: &str, prefixes: &[String]| prefixes.iter().any(|p| key.starts_with(p));
    for (old, new) in now.since(before) {
        let Some(key) = new.or(old).map(|entry| entry.key.as_str()) else {
            continue;
        };
        if key.starts_with(&clusters) {
            if let Some(at) = parse_object_key(key) {
                let cluster = new.map(cluster).transpose()?;
                turned.clusters.insert((at.namespace, at.name), cluster);
            }
        } else if let Some(world) = world.filter(|_| named(key, &policies)) {
            let now = new.map(objects::object).transpose()?;
            if !now.as_ref().is_some_and(|now| world.has_policy(now)) {
                let former = old.map(objects::object).transpose()?;
                turned.policies.push((former, now));
            }
        } else if let Some(uid) = key.strip_prefix(DELETIONS_PREFIX) {
            let preserves = new.map(world::preserves);
            turned.deletions.insert(uid.to_owned(), preserves);
        } else {
            turned.rest |= named(key, &others);
        }
    }
    turned.rest |= world.is_none();
    Ok(turned)
}

fn delete(world: &mut World, deletions: BTreeMap<String, Option<bool>>) {
    for (uid, preserves) in deletions {
        world.preserved.remove(&uid);
        world.deleted.remove(&uid);
        if preserves == Some(true) {
            world.preserved.insert(uid.clone());
        }
        if preserves.is_some() {
            world.deleted.insert(uid);
        }
    }
}

fn cluster(entry: &Entry) -> Result<Arc<Cluster>, Error> {
    Ok(Arc::new(Cluster::read(&objects::object(entry)?)))
}

/// The clusters there were, with what became of some of them.
fn merged(
    before: Vec<Arc<Cluster>>,
    turned: BTreeMap<(String, String), Option<Arc<Cluster>>>,
) -> Vec<Arc<Cluster>> {
    let gone: BTreeSet<(&str, &str)> = turned
        .keys()
        .map(|(namespace, name)| (namespace.as_str(), name.as_str()))
        .collect();
    let mut clusters = before;
    clusters.retain(|cluster| !gone.contains(&cluster.place()));
    clusters.extend(turned.into_values().flatten());
    clusters
}
