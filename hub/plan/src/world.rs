//! What all templates share: one reading of the policies, clusters, namespaces and deletions.

mod policies;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use roadstead_protocol::api::interpreter::RESOURCE_INTERPRETER;
use roadstead_protocol::api::{ObjectMeta, cluster, decision, fleet};
use roadstead_protocol::wire::ItemKey;
use serde::Deserialize;
use serde_json::Value;

use self::policies::Index;
use crate::cluster::Cluster;
use crate::interpreter::{self, Interpreter};
use crate::policy::{Overrides, Policy, Unreadable};

/// Everything that a decision depends on beside its template.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Distribution policies that can be read, in order.
    pub policies: Vec<Arc<Policy>>,
    /// Override policies that can be read, in the order in which they are applied.
    pub overrides: Vec<Overrides>,
    /// Policies of either sort that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Clusters by namespace and name.
    pub clusters: Vec<Arc<Cluster>>,
    /// Fleets, by namespace and name.
    pub fleets: Vec<Fleet>,
    /// UIDs of the clusters that are given a definition of a kind, by the group of the kind.
    pub defined: BTreeMap<String, BTreeSet<String>>,
    /// The labels of namespaces, by name.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// UIDs of which there is a deletion record: a user deleted them.
    pub deleted: BTreeSet<String>,
    /// Of these, those of which the record says that what they put on clusters stays there.
    pub preserved: BTreeSet<String>,
    /// What people tell of kinds, by group and kind; what is not understood is an error.
    pub interpreters: BTreeMap<(String, String), Result<Interpreter, interpreter::Error>>,
    /// How much a single edit may remove without being confirmed.
    pub limits: Limits,
    index: Arc<Index>,
    places: Arc<Places>,
}

/// A named set of clusters of its namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fleet {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Names of its clusters.
    pub members: Vec<String>,
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

/// Where which cluster stands. The same as long as no cluster comes or goes.
#[derive(Debug, Default)]
struct Places {
    by_name: BTreeMap<String, Vec<usize>>,
    by_uid: BTreeMap<String, usize>,
}

impl Places {
    fn of(clusters: &[Arc<Cluster>]) -> Self {
        let mut places = Self::default();
        for (index, cluster) in clusters.iter().enumerate() {
            let named = places.by_name.entry(cluster.name.clone()).or_default();
            named.push(index);
            places.by_uid.insert(cluster.uid.clone(), index);
        }
        places
    }
}

impl World {
    /// Reads objects of the kinds that matter here, in any order; others are passed over. What is
    /// given by value is dropped one by one: thousands of clusters are never in memory at once.
    pub fn read(
        objects: impl IntoIterator<Item = impl Borrow<Value>>,
        deleted: BTreeSet<String>,
        limits: Limits,
    ) -> Self {
        let mut world = Self {
            deleted,
            limits,
            ..Self::default()
        };
        for object in objects {
            world.add(object.borrow());
        }
        let clusters = std::mem::take(&mut world.clusters);
        world.give(clusters);
        world.fleets.sort();
        world.order();
        world
    }

    fn add(&mut self, object: &Value) {
        if self.policed(object) {
            return;
        }
        let kind = object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if kind == fleet::KIND {
            self.fleet(object);
        } else if kind == decision::KIND {
            self.definition(object);
        } else if kind == cluster::KIND {
            self.clusters.push(Arc::new(Cluster::read(object)));
        } else if kind == RESOURCE_INTERPRETER.0 {
            let told = Interpreter::read(object);
            self.interpreters.insert(interpreter::target(object), told);
        } else if kind == "Namespace" {
            let metadata = object.get("metadata").unwrap_or(&Value::Null);
            let metadata = ObjectMeta::deserialize(metadata).unwrap_or_default();
            self.namespaces.insert(metadata.name, metadata.labels);
        }
    }

    fn fleet(&mut self, object: &Value) {
        // What the hub's API let in can be read; what cannot has no members.
        let Ok(read) = fleet::Fleet::deserialize(object) else {
            return;
        };
        let members = read.spec.clusters.into_iter().map(|member| member.name);
        self.fleets.push(Fleet {
            namespace: read.metadata.namespace,
            name: read.metadata.name,
            members: members.collect(),
        });
    }

    /// Takes note of who is given a definition, by its Decision.
    fn definition(&mut self, object: &Value) {
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let Ok(spec) = decision::Spec::deserialize(spec) else {
            return;
        };
        if spec.template.kind != "CustomResourceDefinition" {
            return;
        }
        // Such an object is called <plural>.<group>.
        let Some((_, group)) = spec.template.name.split_once('.') else {
            return;
        };
        let clusters = spec.clusters.into_iter().map(|target| target.uid);
        self.defined
            .entry(group.to_owned())
            .or_default()
            .extend(clusters);
    }

    /// Makes these its clusters, in any order. Cheap where they are those that it had, as they are now.
    pub fn give(&mut self, mut clusters: Vec<Arc<Cluster>>) {
        clusters.sort_by(|a, b| a.place().cmp(&b.place()));
        let same = |(a, b): (&Arc<Cluster>, &Arc<Cluster>)| {
            Arc::ptr_eq(a, b) || (a.place(), &a.uid) == (b.place(), &b.uid)
        };
        let stays = clusters.len() == self.clusters.len()
            && clusters.iter().zip(&self.clusters).all(same)
            && self.places.by_uid.len() == clusters.len();
        self.clusters = clusters;
        if !stays {
            self.places = Arc::new(Places::of(&self.clusters));
        }
    }

    /// The cluster of a UID.
    pub fn cluster(&self, uid: &str) -> Option<&Cluster> {
        let place = self.places.by_uid.get(uid)?;
        self.clusters.get(*place).map(|cluster| &**cluster)
    }

    /// Namespace and name of the cluster of a UID, for people; the UID of one that is not there.
    pub(crate) fn path(&self, uid: &str) -> String {
        self.cluster(uid)
            .map_or_else(|| uid.to_owned(), Cluster::path)
    }

    /// The clusters of a name, by namespace.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Cluster> {
        let places = self.places.by_name.get(name).map(Vec::as_slice);
        let places = places.unwrap_or_default().iter();
        places.filter_map(|place| self.clusters.get(*place).map(|cluster| &**cluster))
    }

    /// What people tell of the kind of `key`, where they do and it is understood.
    pub fn interpreter(&self, key: &ItemKey) -> Option<&Interpreter> {
        self.told(key).ok().flatten()
    }

    /// As [`interpreter`](Self::interpreter).
    ///
    /// # Errors
    /// Why it is not understood.
    pub(crate) fn told(&self, key: &ItemKey) -> Result<Option<&Interpreter>, &interpreter::Error> {
        if self.interpreters.is_empty() {
            return Ok(None);
        }
        let kind = (key.group.clone(), key.kind.clone());
        self.interpreters.get(&kind).map(Result::as_ref).transpose()
    }
}
