//! A cluster as a policy sees it, and which policies may see it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::api::cluster::{AllowedFrom, AttachedCluster, Effect, Status};
use roadstead_protocol::api::{ConditionStatus, condition};
use serde::Deserialize;
use serde_json::Value;

use crate::resources::Resources;
use crate::world::World;

/// The label that says who provides a cluster.
pub const PROVIDER_LABEL: &str = "provider";
/// The label that says in which region a cluster is.
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// The label that says in which zone a cluster is.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Reason of condition Ready of a cluster whose agent never came.
const NOT_JOINED: &str = "NotJoined";
/// Reason of condition Ready while an agent has just come.
const CONNECTING: &str = "Connecting";

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
    /// What its nodes have, as its agent last said.
    pub resources: Resources,
    /// Counts how often that was written.
    pub told: u64,
    /// What keeps away objects whose policy does not tolerate it.
    pub taints: Vec<Taint>,
    /// Whether people want nothing new there.
    pub cordoned: bool,
    /// Whether people want what is there elsewhere.
    pub drained: bool,
    /// Whether people declared that it is stopped.
    pub fenced: bool,
    /// Who provides it, by its spec or its labels.
    pub provider: Option<String>,
    /// In which region it is, by its spec or its labels.
    pub region: Option<String>,
    /// In which zone it is, by its spec or its labels.
    pub zone: Option<String>,
    /// Whether it is Ready; `None` where there is no (recent) news of it.
    pub ready: Option<bool>,
    /// Whether it joined: it was heard of at some time.
    pub joined: bool,
    /// Whether nothing has been heard of it for longer than is usual.
    pub silent: bool,
    /// Its Kubernetes version (`v1.36.3`), once it was heard of.
    pub version: Option<String>,
    /// The group versions that it serves (`v1`, `apps/v1`); empty while they are not known.
    pub api_groups: BTreeSet<String>,
}

/// What keeps away objects whose policy does not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// What tells it from others, with the effect.
    pub key: String,
    /// What tolerations may ask for.
    pub value: String,
    /// Whom it keeps away.
    pub effect: Effect,
    /// Since when this hub has seen it, counted from the hub's start. Zero where nobody counts.
    pub since: Duration,
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
        let read = AttachedCluster::deserialize(object).map_err(|error| error.to_string());
        let allowed = read.as_ref().map_err(String::clone).and_then(allowed);
        let AttachedCluster { spec, status, .. } = read.unwrap_or_default();
        let labelled = |said: Option<String>, label: &str| {
            let said = said.filter(|said| !said.is_empty());
            said.or_else(|| metadata.labels.get(label).cloned())
        };
        let taints = spec.taints.into_iter().map(|taint| Taint {
            key: taint.key,
            value: taint.value,
            effect: taint.effect,
            since: Duration::ZERO,
        });
        Self {
            taints: taints.collect(),
            cordoned: spec.unschedulable,
            drained: spec.drain,
            fenced: spec.fenced,
            provider: labelled(spec.provider, PROVIDER_LABEL),
            region: labelled(spec.region, REGION_LABEL),
            zone: labelled(spec.zone, ZONE_LABEL),
            ready: ready(&status),
            joined: unheard(&status) != Some(NOT_JOINED),
            silent: unheard(&status).is_some_and(|why| ![NOT_JOINED, CONNECTING].contains(&why)),
            version: Some(status.version.clone()).filter(|version| !version.is_empty()),
            api_groups: status.api_groups.iter().cloned().collect(),
            resources: Resources::read(&status.node_shapes),
            told: status.node_shapes_generation,
            uid: metadata.uid,
            namespace: metadata.namespace,
            name: metadata.name,
            labels: metadata.labels,
            allowed,
        }
    }

    /// Namespace and name, by which clusters are ordered.
    pub fn place(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
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

fn ready(status: &Status) -> Option<bool> {
    match condition::find(&status.conditions, "Ready")?.status {
        ConditionStatus::True => Some(true),
        ConditionStatus::False => Some(false),
        ConditionStatus::Unknown => None,
    }
}

/// Why it is not known whether it is ready, where that is not known.
fn unheard(status: &Status) -> Option<&str> {
    let Some(ready) = condition::find(&status.conditions, "Ready") else {
        return Some(NOT_JOINED);
    };
    (ready.status == ConditionStatus::Unknown).then_some(ready.reason.as_str())
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
