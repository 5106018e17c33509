//! What a member cluster is like, as its agent reports it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an agent says about its cluster; travels as JSON within `limits::FACTS_BYTES_MAX`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// The Kubernetes version (`v1.36.3`); empty while unknown.
    pub version: String,
    /// The UID of the member's `kube-system` namespace; empty while unknown.
    pub member_uid: String,
    /// Nodes.
    pub nodes: u32,
    /// Nodes whose condition Ready is True.
    pub ready_nodes: u32,
    /// Sum over the nodes, by resource name, as Kubernetes quantities.
    pub capacity: BTreeMap<String, String>,
    /// Sum over the nodes of what pods can be given, by resource name, as Kubernetes quantities.
    pub allocatable: BTreeMap<String, String>,
    /// Served group versions, sorted: `v1`, `apps/v1`.
    pub api_groups: Vec<String>,
    /// The nodes, by what they are like; see [`SHAPES_MAX`]. Empty from agents that do not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shapes: Vec<NodeShape>,
    /// What keeps the agent from its cluster's API, while something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Most shapes of nodes in one cluster's facts.
pub const SHAPES_MAX: usize = 64;
/// Most resources, models and taints of one shape, of each.
pub const SHAPE_ENTRIES_MAX: usize = 16;

/// Nodes that are alike. Quantities are Kubernetes', for each of the nodes, and rounded down.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeShape {
    /// How many there are.
    pub count: u32,
    /// What pods can be given.
    pub allocatable: BTreeMap<String, String>,
    /// What of it no pod has asked for; empty on a node that takes no pods. Absent where the agent
    /// cannot see pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<BTreeMap<String, String>>,
    /// What labels say about the models of their devices, by label.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// Taints that keep pods away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<NodeTaint>,
}

/// A taint of nodes that keeps away the pods that do not tolerate it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeTaint {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// `NoSchedule` or `NoExecute`.
    pub effect: String,
}

/// What keeps an agent from its cluster's API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// In CamelCase, for programs.
    pub reason: String,
    /// For people.
    pub message: String,
}
