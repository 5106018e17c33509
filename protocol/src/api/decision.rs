//! `Decision`: what the hub decided about one template, and what became of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::failover::FailedOver;
use super::meta::ObjectMeta;
use super::names::POLICY_GROUP;
use crate::wire::ItemKey;

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
    /// Policies that select it too and have to give way, the next in line first; not more than 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contenders: Vec<PolicyRef>,
    /// Policies that change it on some cluster, in the order in which they are applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<PolicyRef>,
    /// The clusters that are to have it, by namespace and name.
    pub clusters: Vec<Target>,
    /// Replicas over all of them, with those that override policies pin; by this number it is judged
    /// whether enough are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u64>,
    /// What it needs beside it, which goes along.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
    /// Some of the objects that need it where it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_by: Vec<ItemRef>,
    /// What its policy has it wait for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<ItemRef>,
    /// What the division of its replicas went by, as a digest: while it is the same, no share moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// The policy's group of clusters in use, where it has several.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub affinity: String,
    /// The groups of workloads that it belongs to, as the label's key and value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
    /// What tells the last rebalancing that was asked for from others; empty where none ever was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rebalance: String,
    /// Counts when something began to wait for what replaces it, and when that ended: odd while it does.
    #[serde(skip_serializing_if = "is_zero")]
    pub moves: u32,
    /// The clusters that it was failed over from, and does not go back to for now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_over: Vec<FailedOver>,
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
    /// Of a kind whose objects have no generation: what tells what was decided about from what people
    /// wrote before and after it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Whether it asks that its removal deletes what is inside on the members.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete_contents: bool,
}

impl TemplateRef {
    /// The template's key.
    pub fn item(&self) -> ItemKey {
        let group = self.api_version.split_once('/');
        ItemKey {
            group: group.map_or("", |(group, _)| group).to_owned(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// A policy, at a generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRef {
    /// Group; empty for `policy.kurator.dev`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
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

impl PolicyRef {
    /// The policy's group.
    pub fn group(&self) -> &str {
        if self.group.is_empty() {
            POLICY_GROUP
        } else {
            &self.group
        }
    }
}

impl std::fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
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
    /// What override policies make of its number of replicas, where they do: so many run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<u32>,
    /// Which rules of override policies that go by what the cluster reports were in force when its number of
    /// replicas was made, as marks: while only reports change, it does not fall.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub facts: String,
    /// The release that it is given, where its policy has rollouts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub release: String,
    /// Whether that says something else than what stands on the hub.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub behind: bool,
    /// Why it was chosen, or why it is kept though it no longer is.
    pub reason: String,
    /// Whether it is kept as it is because its removal (or change) waits; `reason` says for what.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// For how many seconds its taints were tolerated, where these have passed and its removal waits: a
    /// hub that starts anew does not count them again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_seconds: Option<u64>,
    /// Replicas that it keeps beyond its share, until what replaces them was seen healthy elsewhere.
    #[serde(skip_serializing_if = "is_zero")]
    pub extra: u32,
    /// How many replicas it was given, where its share was decided anew and waits to be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<u32>,
    /// Whether what it has comes up for what goes elsewhere, and was not seen healthy yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub arriving: bool,
    /// Whether what it has counts no more: it goes as soon as what replaces it is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Something that an object needs beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// What.
    #[serde(flatten)]
    pub item: ItemRef,
    /// UIDs of the clusters on which it does; on all of the decision's where they are not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<String>>,
    /// UIDs of the clusters on which it was let go together with the object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<String>,
}

/// An object, whatever the version.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemRef {
    /// Group; empty for the core group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for a cluster-scoped object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Replicas for which there is no place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unplaced {
    /// How many.
    pub replicas: u32,
    /// What stops them, by some of the clusters.
    pub why: String,
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
    /// The clusters that are not to have it, by reason. They come and go with what clusters report, and
    /// are no part of what is decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// Replicas for which there is no place. As for those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unplaced: Option<Unplaced>,
}

/// Of how many replicas what a cluster says is free accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counted {
    /// Of so many.
    pub replicas: u64,
    /// As long as the cluster's `nodeShapesGeneration` is this.
    pub generation: u64,
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
    /// Where replicas came up and what the cluster says is free did not account for them yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
    /// The member's own words, where something is not right.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}
