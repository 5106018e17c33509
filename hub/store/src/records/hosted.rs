//! Clusters that the hub looks after itself, by kubeconfig: kept in a store in memory.
//!
//! - `/hosted/<cluster-uid>`: a [`HostedRecord`].

use serde::{Deserialize, Serialize};

use crate::{InvalidKey, Key};

use super::join;

/// What all records of hosted clusters begin with.
pub const HOSTED_PREFIX: &str = "/hosted/";
/// The reason of a [`HostedProblem`] that says nothing against the cluster: its own agent looks after
/// it, and the kubeconfig is not used.
pub const AGENT_JOINED: &str = "AgentJoined";

/// How it goes with a cluster whose kubeconfig the hub was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostedRecord {
    /// What keeps the hub from the cluster, while something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<HostedProblem>,
}

/// What keeps the hub from a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostedProblem {
    /// In CamelCase, for programs.
    pub reason: String,
    /// For people, with the way out.
    pub message: String,
}

/// The key of a hosted cluster's record.
pub fn hosted_key(cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(HOSTED_PREFIX, &[cluster_uid])
}
