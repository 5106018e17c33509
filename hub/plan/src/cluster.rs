//! A cluster as a policy sees it, and which policies may see it.

use std::collections::BTreeMap;

use roadstead_protocol::api::cluster::{AllowedFrom, AttachedCluster};
use serde::Deserialize;
use serde_json::Value;

use crate::world::World;

/// A joined cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// UID.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whose policies may name it; what cannot be read here is an error.
    pub allowed: Result<Allowed, String>,
}

/// Whose policies may name a cluster, beside those of its own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Everybody's.
    All,
    /// Nobody's.
    Same,
    /// Those of namespaces with these labels.
    Selector(roadstead_protocol::api::LabelSelector),
}

/// From where clusters are looked at: a namespace, or (`None`) from above, where all are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewpoint<'a>(pub Option<&'a str>);

/// What a cluster's name means from somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// This cluster.
    One(&'a Cluster),
    /// None that can be seen from there.
    Unknown,
    /// Several, none of which comes first.
    Ambiguous(Vec<&'a Cluster>),
}

impl Cluster {
    /// Reads an `AttachedCluster`. What is unreadable about it is remembered, not dropped.
    pub fn read(object: &Value) -> Self {
        let metadata = roadstead_protocol::api::ObjectMeta::deserialize(
            object.get("metadata").unwrap_or(&Value::Null),
        )
        .unwrap_or_default();
        let allowed = AttachedCluster::deserialize(object)
            .map_err(|error| error.to_string())
            .and_then(|cluster| allowed(&cluster));
        Self {
            uid: metadata.uid,
            namespace: metadata.namespace,
            name: metadata.name,
            labels: metadata.labels,
            allowed,
        }
    }

    /// `namespace/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether a policy at `from` may name it.
    pub fn visible(&self, from: Viewpoint<'_>, world: &World) -> bool {
        let Some(namespace) = from.0 else {
            return true;
        };
        if namespace == self.namespace {
            return true;
        }
        match &self.allowed {
            Ok(Allowed::All) => true,
            Ok(Allowed::Same) | Err(_) => false,
            Ok(Allowed::Selector(selector)) => world
                .namespaces
                .get(namespace)
                .is_some_and(|labels| selector.matches(labels)),
        }
    }
}

fn allowed(cluster: &AttachedCluster) -> Result<Allowed, String> {
    let Some(said) = &cluster.spec.allowed_namespaces else {
        return Ok(Allowed::Same);
    };
    match said.from {
        AllowedFrom::All => Ok(Allowed::All),
        AllowedFrom::Same => Ok(Allowed::Same),
        AllowedFrom::Selector => {
            let selector = said.selector.clone().unwrap_or_default();
            match selector.problem() {
                None => Ok(Allowed::Selector(selector)),
                Some(problem) => Err(format!("spec.allowedNamespaces.selector.{problem}")),
            }
        }
    }
}

/// What `name` means to a policy at `from`: the cluster of its own namespace where there is one,
/// else the only visible one.
pub fn resolve<'a>(world: &'a World, from: Viewpoint<'_>, name: &str) -> Resolved<'a> {
    let found: Vec<&Cluster> = world
        .named(name)
        .filter(|c| c.visible(from, world))
        .collect();
    if let Some(own) = found.iter().find(|c| Some(c.namespace.as_str()) == from.0) {
        return Resolved::One(own);
    }
    match found.as_slice() {
        [] => Resolved::Unknown,
        [one] => Resolved::One(one),
        [_, _, ..] => Resolved::Ambiguous(found),
    }
}
