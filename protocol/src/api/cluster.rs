//! `AttachedCluster`: a Kubernetes cluster that joined the hub.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::facts::NodeShape;
use super::meta::ObjectMeta;
use super::selector::LabelSelector;

/// The kind's name.
pub const KIND: &str = "AttachedCluster";

/// A joined cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttachedCluster {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What people say.
    pub spec: Spec,
    /// What is so.
    pub status: Status,
}

/// What people say about a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// A Secret of the same namespace with a kubeconfig; the hub then needs no agent there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<SecretKey>,
    /// Which namespaces' policies may name this cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// Who provides the cluster; its label `provider` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Where it is; its label `topology.kubernetes.io/region` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where in the region; its label `topology.kubernetes.io/zone` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether nothing new goes there; what is there stays.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unschedulable: bool,
    /// Whether what is there goes elsewhere, as far as there is another place for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drain: bool,
    /// Whether people declare that it is stopped, so that what it has counts no more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
    /// What keeps objects away whose policy does not tolerate it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

/// What keeps objects away whose policy does not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taint {
    /// What tells it from others, with the effect.
    pub key: String,
    /// What tolerations may ask for; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Whom it keeps away.
    pub effect: Effect,
}

/// Whom a taint keeps away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Effect {
    /// What is not there yet.
    NoSchedule,
    /// Also what is there.
    NoExecute,
}

/// One key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretKey {
    /// The Secret's name.
    pub name: String,
    /// The key in its data; `value` where nothing is said.
    pub key: String,
}

/// Which namespaces' policies may name a cluster, beside its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AllowedNamespaces {
    /// All, the cluster's own, or those selected.
    pub from: AllowedFrom,
    /// With `Selector`: the labels of the namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How namespaces are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AllowedFrom {
    /// Every namespace.
    All,
    /// The cluster's own.
    #[default]
    Same,
    /// Those whose labels are selected.
    Selector,
}

/// What is so about a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Whether condition Ready is True.
    pub ready: bool,
    /// The generation that this is about.
    pub observed_generation: i64,
    /// Conditions: Ready; and Frozen, Held and Deleting once they were so.
    pub conditions: Vec<Condition>,
    /// The cluster's Kubernetes version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The agent's release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub agent_release: String,
    /// While the agent is away: when it was last heard of, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_heard_time: Option<String>,
    /// Nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Nodes that are Ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_nodes: Option<u32>,
    /// Sum over the nodes, by resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, String>,
    /// What pods can be given, by resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub allocatable: BTreeMap<String, String>,
    /// Served group versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// The nodes, by what they are like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_shapes: Vec<NodeShape>,
    /// Counts how often these were written.
    #[serde(skip_serializing_if = "is_zero")]
    pub node_shapes_generation: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
