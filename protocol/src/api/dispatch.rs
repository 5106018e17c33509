//! What a distribution policy says about how its objects are given to clusters, beside which: what
//! goes along, what they wait for, what holds them back, what stays, and whose fields are whose.

use serde::{Deserialize, Serialize};

use super::rollout::Amount;

/// How much the hub may take from the objects' clusters at a time, whatever for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DisruptionBudget {
    /// On how many of the clusters that hold something of the policy it may be missing or unhealthy before
    /// what runs on another is changed or taken. No bound where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Amount>,
}

/// An object that others wait for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DependsOn {
    /// Group and version; the version does not matter.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; that of the object that waits where nothing is said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// What holds back changes of clusters; what runs goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Suspension {
    /// Nothing is given to any cluster, and nothing is taken from any.
    pub dispatching: bool,
    /// Nothing is given to these clusters, and nothing is taken from them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatching_on_clusters: Option<SuspendedClusters>,
}

/// Clusters by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SuspendedClusters {
    /// Their names.
    pub cluster_names: Vec<String>,
}

/// What happens when somebody changes objects on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Drift {
    /// Whether it is put right.
    pub correction: DriftCorrection,
    /// JSON pointers to fields that are given once and then left to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_fields: Vec<String>,
}

/// Whether what was changed on a cluster is put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriftCorrection {
    /// It becomes what was last given.
    #[default]
    Correct,
    /// It is left so, and reported.
    Report,
}
