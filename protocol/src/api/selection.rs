//! How policies choose clusters, beyond names and labels: fields, groups, tolerations, spreading.

use serde::{Deserialize, Serialize};

use super::cluster::Effect;
use super::policy::ClusterAffinity;

/// Selects by what clusters are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldSelector {
    /// Every one of these holds.
    pub match_expressions: Vec<FieldRequirement>,
}

/// One requirement on one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldRequirement {
    /// Which field.
    pub key: Field,
    /// How it relates to the values.
    pub operator: FieldOperator,
    /// The values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// What a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Field {
    /// Who provides it, as people say.
    Provider,
    /// In which region it is, as people say.
    Region,
    /// In which zone it is, as people say.
    Zone,
    /// Its Kubernetes version, as it reports.
    Version,
    /// The API groups and group versions that it serves, as it reports.
    ApiGroup,
}

/// How a field relates to values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldOperator {
    /// It is one of them; of API groups: one of them is served.
    In,
    /// It is none of them; of API groups: none of them is served.
    NotIn,
    /// It is known.
    Exists,
    /// It is not known.
    DoesNotExist,
    /// The version is later than the only value.
    Gt,
    /// The version is earlier than the only value.
    Lt,
}

/// One of several choices of clusters, of which the first that is possible is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AffinityTerm {
    /// Its name.
    pub affinity_name: String,
    /// The choice.
    #[serde(flatten)]
    pub affinity: ClusterAffinity,
}

/// Which taints are no obstacle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The taint's key; with `Exists`, empty means any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// How the taint's value relates to this one's.
    pub operator: TolerationOperator,
    /// With `Equal`, the taint's value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// The taint's effect; any where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// For how many seconds `NoExecute` is tolerated; for ever where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// How a taint's value relates to a toleration's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TolerationOperator {
    /// They are the same.
    #[default]
    Equal,
    /// Any will do.
    Exists,
}

/// Which workloads want to be together, and which apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadAffinity {
    /// With whom: what is new goes only where such are, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<WorkloadGroup>,
    /// From whom apart: what is new goes nowhere where such are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<WorkloadGroup>,
}

/// A group of workloads of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadGroup {
    /// The label whose value makes them a group.
    pub group_by_label_key: String,
}

/// Among how many groups of clusters something is spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SpreadConstraint {
    /// What makes clusters a group; this or a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread_by_field: Option<SpreadField>,
    /// The label whose value makes clusters a group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub spread_by_label: String,
    /// At least so many groups get something; 1 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_groups: Option<u32>,
    /// At most so many; any number where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_groups: Option<u32>,
}

/// What makes clusters a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpreadField {
    /// Each cluster is one.
    Cluster,
    /// Those of a region.
    Region,
    /// Those of a zone.
    Zone,
    /// Those of a provider.
    Provider,
}
