//! What a distribution policy says about how its objects are given to clusters, beside which: what
//! goes along, what they wait for, what holds them back, what stays, and whose fields are whose.

use serde::{Deserialize, Serialize};

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
