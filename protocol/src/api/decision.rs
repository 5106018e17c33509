//! `Decision`: what the hub decided about one template, and what became of it.

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::meta::ObjectMeta;

/// The kind's name.
pub const KIND: &str = "Decision";
/// Most samples that one refusal names.
pub const SAMPLES_MAX: usize = 5;

/// One decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// The decision.
    pub spec: Spec,
    /// What became of it.
    pub status: Status,
}

/// The decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The template.
    pub template: TemplateRef,
    /// The policy that distributes it; none where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// Policies that select it too and have to give way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contenders: Vec<PolicyRef>,
    /// Policies that change it on some cluster, in the order in which they are applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<PolicyRef>,
    /// The clusters that are to have it, by namespace and name.
    pub clusters: Vec<Target>,
    /// The clusters that are not, by reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
}

/// A template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateRef {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for a cluster-scoped template.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// The generation that was decided about.
    pub generation: i64,
    /// Whether it asks that its removal deletes what is inside on the members.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete_contents: bool,
}

/// A policy, at a generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRef {
    /// Kind.
    pub kind: String,
    /// Namespace; empty for a cluster-scoped policy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// The generation that was decided by.
    pub generation: i64,
}

/// A cluster that is to have the object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// The cluster's namespace.
    pub namespace: String,
    /// The cluster's name.
    pub name: String,
    /// The cluster's UID.
    pub uid: String,
    /// Its share of the replicas, where they are divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Why it was chosen, or why it is kept though it no longer is.
    pub reason: String,
    /// Whether it is kept as it is because its removal (or change) waits; `reason` says for what.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

/// Clusters that were refused for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// The reason.
    pub reason: String,
    /// How many.
    pub count: u32,
    /// Some of them, as `namespace/name`.
    pub samples: Vec<String>,
}

/// What became of a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The decision's generation that this is about.
    pub observed_generation: i64,
    /// Clusters that are to have the object.
    pub desired: u32,
    /// Clusters on which it is applied as decided.
    pub applied: u32,
    /// Clusters on which it is applied as decided and healthy.
    pub ready: u32,
    /// Replicas over all clusters, where the kind has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u64>,
    /// Ready replicas over all clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<u64>,
    /// Conditions: Placed, Applied, Ready.
    pub conditions: Vec<Condition>,
    /// Each cluster that has it, is to have it, or is to lose it.
    pub clusters: Vec<ClusterStatus>,
}

/// What became of it on one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// The cluster's namespace.
    pub namespace: String,
    /// The cluster's name.
    pub name: String,
    /// The revision that the cluster is to have.
    pub revision: u64,
    /// `Pending`, `Applied`, `Conflict`, `Failed`, `Held`, `Removing`, or `Unknown` without news.
    pub state: String,
    /// `Healthy`, `Progressing`, `Degraded`, `Suspended` or `Unknown`.
    pub health: String,
    /// Replicas that the member's object has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u64>,
    /// Of these, ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<u64>,
    /// The member's own words, where something is not right.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}
