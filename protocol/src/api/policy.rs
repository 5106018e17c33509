//! `DistributionPolicy` and its cluster-scoped twin; the override policies are in `overriding`.

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::failover::Failover;
use super::hardware::{HardwarePreference, ResourceConstraint};
use super::meta::ObjectMeta;
use super::rollout::Strategy;
use super::selection::{
    AffinityTerm, FieldSelector, SpreadConstraint, Toleration, WorkloadAffinity,
};
use super::selector::LabelSelector;

pub use super::dispatch::*;
pub use super::overriding::*;

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
    /// Whether what the objects need goes along with them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub propagate_deps: bool,
    /// What the objects wait for on each cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependsOn>,
    /// What holds back changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// Whether what the objects are on clusters stays there when they, or the policy, are deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preserve_resources_on_deletion: bool,
    /// What happens when somebody changes the objects on a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// How changes reach the clusters; all at once where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Strategy>,
    /// How much may be taken from the clusters at a time; no bound where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,
    /// When the objects move away from a cluster without anybody's doing; never where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// Who of several policies takes an object that nobody holds: the highest.
    pub priority: i32,
    /// Whether it takes objects over from holders of a lower priority.
    pub preemption: Preemption,
}

/// Whether a policy takes objects over from holders of a lower priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preemption {
    /// It does.
    Always,
    /// Who holds an object keeps it.
    #[default]
    Never,
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

impl ResourceSelector {
    /// The group of what it selects; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }
}

/// Where objects go, and how replicas are shared out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// Which clusters; all that the policy may name where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_affinity: Option<ClusterAffinity>,
    /// Several choices instead, of which the first that is possible is used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_affinities: Vec<AffinityTerm>,
    /// Which taints are no obstacle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_tolerations: Vec<Toleration>,
    /// Among how many groups of clusters it is spread.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spread_constraints: Vec<SpreadConstraint>,
    /// Which workloads want to be together, and which apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_affinity: Option<WorkloadAffinity>,
    /// How replicas are shared out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_scheduling: Option<ReplicaScheduling>,
    /// Hardware without which a cluster gets nothing new.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_constraints: Vec<ResourceConstraint>,
    /// Hardware that is liked better, for replicas that go onto as few clusters as hold them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preference: Vec<HardwarePreference>,
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
    /// What they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_selector: Option<FieldSelector>,
    /// Fleets of which they are members.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fleets: Vec<String>,
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
    /// Onto as few clusters as hold them.
    Aggregated,
}

/// Weights of clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightPreference {
    /// A cluster has the largest weight that an entry gives it, and none where no entry does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub static_weight_list: Vec<StaticWeight>,
    /// Weights that the clusters have of themselves; these go before the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamic_weight: Option<DynamicWeight>,
}

/// Weights that clusters have of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DynamicWeight {
    /// How many replicas a cluster has room for, with those that it has.
    AvailableReplicas,
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

/// What happens to what is on a member already and is not ours; the strictest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConflictResolution {
    /// It is left alone and reported.
    #[default]
    Abort,
    /// It is taken over where it says all that it is given; else it is left alone, and reported with the
    /// places that differ.
    AdoptIfEqual,
    /// It is taken over.
    Overwrite,
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
