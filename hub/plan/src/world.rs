//! What all templates share: one reading of the policies, clusters, namespaces and deletions.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::{ObjectMeta, cluster, policy as api};
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::policy::{Overrides, Policy, Unreadable};

/// Everything that a decision depends on beside its template.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Distribution policies that can be read.
    pub policies: Vec<Policy>,
    /// Override policies that can be read, in the order in which they are applied.
    pub overrides: Vec<Overrides>,
    /// Policies of either sort that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Clusters by namespace and name.
    pub clusters: Vec<Cluster>,
    /// The labels of namespaces, by name.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// UIDs of which there is a deletion record: a user deleted them.
    pub deleted: BTreeSet<String>,
    /// How much a single edit may remove without being confirmed.
    pub limits: Limits,
    by_name: BTreeMap<String, Vec<usize>>,
    by_uid: BTreeMap<String, usize>,
}

/// How much a single edit may remove without being confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Share of everything that the fleet runs, in percent.
    pub removal_percent: u32,
    /// Removals up to this number are never too many.
    pub removal_min: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            removal_percent: 20,
            removal_min: 10,
        }
    }
}

impl World {
    /// Reads objects of the kinds that matter here, in any order; others are passed over.
    pub fn read<'a>(
        objects: impl IntoIterator<Item = &'a Value>,
        deleted: BTreeSet<String>,
        limits: Limits,
    ) -> Self {
        let mut world = Self {
            deleted,
            limits,
            ..Self::default()
        };
        for object in objects {
            world.add(object);
        }
        world
            .clusters
            .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        for (index, cluster) in world.clusters.iter().enumerate() {
            world
                .by_name
                .entry(cluster.name.clone())
                .or_default()
                .push(index);
            world.by_uid.insert(cluster.uid.clone(), index);
        }
        world.policies.sort_by(|a, b| a.identity.cmp(&b.identity));
        world.overrides.sort_by(|a, b| a.identity.cmp(&b.identity));
        world
    }

    fn add(&mut self, object: &Value) {
        let kind = object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if kind == api::DISTRIBUTION.0 || kind == api::CLUSTER_DISTRIBUTION.0 {
            match Policy::read(object) {
                Ok(policy) => self.policies.push(policy),
                Err(unreadable) => self.unreadable.push(*unreadable),
            }
        } else if kind == api::OVERRIDE.0 || kind == api::CLUSTER_OVERRIDE.0 {
            match Overrides::read(object) {
                Ok(overrides) => self.overrides.push(overrides),
                Err(unreadable) => self.unreadable.push(*unreadable),
            }
        } else if kind == cluster::KIND {
            self.clusters.push(Cluster::read(object));
        } else if kind == "Namespace" {
            let metadata = object.get("metadata").unwrap_or(&Value::Null);
            let metadata = ObjectMeta::deserialize(metadata).unwrap_or_default();
            self.namespaces.insert(metadata.name, metadata.labels);
        }
    }

    /// The cluster of a UID.
    pub fn cluster(&self, uid: &str) -> Option<&Cluster> {
        self.by_uid
            .get(uid)
            .and_then(|index| self.clusters.get(*index))
    }

    /// The clusters of a name, by namespace.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Cluster> {
        let places = self
            .by_name
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        places.iter().filter_map(|index| self.clusters.get(*index))
    }

    /// The readable distribution policy of a UID.
    pub fn policy(&self, uid: &str) -> Option<&Policy> {
        self.policies.iter().find(|p| p.identity.uid == uid)
    }

    /// The policy of a UID, if it cannot be read.
    pub fn unreadable(&self, uid: &str) -> Option<&Unreadable> {
        self.unreadable.iter().find(|u| u.identity.uid == uid)
    }
}
