//! `DistributionPolicy`, `OverridePolicy` and their cluster-scoped twins.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::condition::Condition;
use super::meta::ObjectMeta;
use super::selector::LabelSelector;

/// Kind and plural of the namespaced distribution policy.
pub const DISTRIBUTION: (&str, &str) = ("DistributionPolicy", "distributionpolicies");
/// Kind and plural of its cluster-scoped twin.
pub const CLUSTER_DISTRIBUTION: (&str, &str) =
    ("ClusterDistributionPolicy", "clusterdistributionpolicies");
/// Kind and plural of the namespaced override policy.
pub const OVERRIDE: (&str, &str) = ("OverridePolicy", "overridepolicies");
/// Kind and plural of its cluster-scoped twin.
pub const CLUSTER_OVERRIDE: (&str, &str) = ("ClusterOverridePolicy", "clusteroverridepolicies");

/// Which clusters run what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DistributionPolicy {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What people say.
    pub spec: DistributionSpec,
    /// What is so.
    pub status: PolicyStatus,
}

/// How objects are distributed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DistributionSpec {
    /// What is distributed.
    pub resource_selectors: Vec<ResourceSelector>,
    /// Where to.
    pub placement: Placement,
    /// What happens to what is there already and is not ours.
    pub conflict_resolution: ConflictResolution,
}

/// Selects templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceSelector {
    /// Group and version; the version does not narrow the choice.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; for cluster-scoped policies only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name; where it is given, the label selector does not count.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
}

/// Where objects go, and how replicas are shared out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// Which clusters; all that the policy may name where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_affinity: Option<ClusterAffinity>,
    /// How replicas are shared out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_scheduling: Option<ReplicaScheduling>,
}

/// A choice of clusters; everything that is said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterAffinity {
    /// Their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_names: Vec<String>,
    /// Their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// Names of those that are left out in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// How replicas are shared out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaScheduling {
    /// Duplicated or Divided. Divided where only a preference is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_scheduling_type: Option<ReplicaSchedulingType>,
    /// How they are divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_division_preference: Option<ReplicaDivisionPreference>,
    /// The weights; equal ones where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_preference: Option<WeightPreference>,
}

/// Whether every cluster gets all replicas or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaSchedulingType {
    /// Every cluster gets as many as the template says.
    Duplicated,
    /// The clusters share the number that the template says.
    Divided,
}

/// How replicas are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaDivisionPreference {
    /// By weights.
    Weighted,
}

/// Weights of clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightPreference {
    /// A cluster has the largest weight that an entry gives it, and none where no entry does.
    pub static_weight_list: Vec<StaticWeight>,
}

/// The weight of some clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StaticWeight {
    /// Which clusters.
    pub target_cluster: ClusterAffinity,
    /// Their weight, each.
    pub weight: u32,
}

/// What happens to what is on a member already and is not ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictResolution {
    /// It is left alone and reported.
    #[default]
    Abort,
    /// It is taken over.
    Overwrite,
}

/// What is different on some clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverridePolicy {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What people say.
    pub spec: OverrideSpec,
    /// What is so.
    pub status: PolicyStatus,
}

/// What is different where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OverrideSpec {
    /// Which templates.
    pub resource_selectors: Vec<ResourceSelector>,
    /// What is done to them, in order.
    pub override_rules: Vec<OverrideRule>,
}

/// What is different on some clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OverrideRule {
    /// Which clusters; all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_clusters: Option<ClusterAffinity>,
    /// What is changed, in order.
    pub overrides: Vec<Override>,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Override {
    /// Where, as a JSON pointer.
    pub path: String,
    /// What; where it is not said the value is set, whether something is there or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<OverrideOp>,
    /// The value; for `remove` none. `Some(Null)` is a null that was written.
    #[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What is done at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverrideOp {
    /// The value is added (in a list: inserted before the index, or appended at `-`).
    Add,
    /// What is there is taken away.
    Remove,
    /// What is there becomes the value.
    Replace,
}

/// What is so about a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyStatus {
    /// The generation that this is about.
    pub observed_generation: i64,
    /// Templates that are selected.
    pub selected: u32,
    /// Of these, those that this policy (and no other) distributes, or that it changes.
    pub claimed: u32,
    /// Clusters that run something because of it.
    pub clusters: u32,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
