//! `Fleet`: a named set of clusters.

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::meta::ObjectMeta;

/// The kind's name.
pub const KIND: &str = "Fleet";

/// A set of clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fleet {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What people say.
    pub spec: Spec,
    /// What is so.
    pub status: Status,
}

/// The members that people list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// The members.
    pub clusters: Vec<Member>,
}

/// One member: a cluster of the fleet's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// `Cluster` or `AttachedCluster`; empty reads as `AttachedCluster`.
    pub kind: String,
}

/// What is so about a fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// `Ready`, `NotReady` or `Unknown`, as condition Ready says.
    pub phase: String,
    /// The generation that this is about.
    pub observed_generation: i64,
    /// Members that were found and are Ready.
    pub ready_clusters: u32,
    /// All others.
    pub un_ready_clusters: u32,
    /// Conditions: Ready.
    pub conditions: Vec<Condition>,
    /// Each member, in the order of the spec.
    pub members: Vec<MemberStatus>,
}

/// What is so about one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberStatus {
    /// As in the spec.
    pub name: String,
    /// The kind that was found; that of the spec where none was.
    pub kind: String,
    /// Whether it is Ready, as its own condition says: True, False or Unknown.
    pub ready: String,
    /// Why, or how it was found.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}
