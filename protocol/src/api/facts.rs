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
    /// What keeps the agent from its cluster's API, while something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
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
