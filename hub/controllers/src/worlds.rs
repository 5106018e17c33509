//! The world as it was read last, brought up to date by what changed since: thousands of clusters are
//! not read again because one of them said something.
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
}

/// Clusters by namespace and name; `None` for one that is gone.
type Turned = BTreeMap<(String, String), Option<Arc<Cluster>>>;

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
        let (turned, rest) = match last {
            Some((before, _)) => self.turned(snapshot, before)?,
            None => self.turned(snapshot, &Snapshot::default())?,
        };
        let mut world = match last {
            Some((_, last)) if turned.is_empty() && !rest => {
                let last = Arc::clone(last);
                self.keep(snapshot, &last);
                return Ok(last);
            }
            Some((_, last)) if !rest => World::clone(last),
            Some(_) | None => world::without_clusters(snapshot, limits)?,
        };
        let before = last.map(|(_, last)| last.clusters.clone());
        let read = turned.values().flatten().count();
        world.give(merged(before.unwrap_or_default(), turned));
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

    /// The clusters that differ between two states, and whether anything else of the world does.
    fn turned(&self, now: &Snapshot, before: &Snapshot) -> Result<(Turned, bool), Error> {
        let (mut turned, mut rest) = (Turned::new(), false);
        if now.revision() == before.revision() {
            return Ok((turned, rest));
        }
        let clusters = objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS);
        let others = world::prefixes();
        let mut others: Vec<&str> = others.iter().map(String::as_str).collect();
        others.push(DELETIONS_PREFIX);
        for (old, new) in now.since(before) {
            let Some(key) = new.or(old).map(|entry| entry.key.as_str()) else {
                continue;
            };
            if !key.starts_with(&clusters) {
                rest |= others.iter().any(|prefix| key.starts_with(prefix));
            } else if let Some(at) = parse_object_key(key) {
                let cluster = new.map(cluster).transpose()?;
                turned.insert((at.namespace, at.name), cluster);
            }
        }
        Ok((turned, rest))
    }

    fn keep(&mut self, snapshot: &Snapshot, world: &Arc<World>) {
        // Whoever works on an older snapshot does not make the others read again what is newer.
        let older = |(last, _): &(Snapshot, Arc<World>)| snapshot.revision() < last.revision();
        if !self.last.as_ref().is_some_and(older) {
            self.last = Some((snapshot.clone(), Arc::clone(world)));
        }
    }
}

fn cluster(entry: &Entry) -> Result<Arc<Cluster>, Error> {
    Ok(Arc::new(Cluster::read(&objects::object(entry)?)))
}

/// The clusters there were, with what became of some of them.
fn merged(before: Vec<Arc<Cluster>>, turned: Turned) -> Vec<Arc<Cluster>> {
    let gone: BTreeSet<(&str, &str)> = turned
        .keys()
        .map(|(namespace, name)| (namespace.as_str(), name.as_str()))
        .collect();
    let mut clusters = before;
    clusters.retain(|cluster| !gone.contains(&cluster.place()));
    clusters.extend(turned.into_values().flatten());
    clusters
}
