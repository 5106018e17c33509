//! When a policy's objects move away from a cluster without anybody's doing: because its agent says that
//! they cannot run there, or because nothing is heard of it any more. Neither happens unless asked for.
//!
//! What follows from it is the plan's to say.

use serde::{Deserialize, Serialize};

/// Seconds that are waited for where nothing is said.
pub const TOLERATION_SECONDS: u32 = 300;
/// The fewest seconds that may be said.
pub const TOLERATION_SECONDS_MIN: u32 = 60;
/// The most seconds that may be said: a day.
pub const TOLERATION_SECONDS_MAX: u32 = 86_400;

/// When a policy's objects move away from a cluster without anybody's doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Failover {
    /// Where an agent says that an object cannot run on its cluster; not at all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationFailover>,
    /// Where nothing is heard of a cluster; not at all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterFailover>,
}

/// What moves an object that cannot run on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationFailover {
    /// When that is so.
    pub decision_conditions: DecisionConditions,
}

/// When an object counts as one that cannot run on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DecisionConditions {
    /// For how many seconds on end its agent has to say so.
    pub toleration_seconds: u32,
}

impl Default for DecisionConditions {
    fn default() -> Self {
        Self {
            toleration_seconds: TOLERATION_SECONDS,
        }
    }
}

/// What moves the objects of a cluster of which nothing is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterFailover {
    /// For how many seconds on end nothing has to be heard of it.
    pub toleration_seconds: u32,
    /// Whether objects may run twice meanwhile: what is behind a cut link goes on running. Without it
    /// silence moves nothing.
    pub allow_duplicates: bool,
}

impl Default for ClusterFailover {
    fn default() -> Self {
        Self {
            toleration_seconds: TOLERATION_SECONDS,
            allow_duplicates: false,
        }
    }
}

/// Why an object was failed over from a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Failure {
    /// Its agent said that the object cannot run there.
    #[default]
    Stopped,
    /// Nothing was heard of the cluster.
    Silent,
}

/// A cluster that an object was failed over from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailedOver {
    /// The cluster's namespace.
    pub namespace: String,
    /// The cluster's name.
    pub name: String,
    /// The cluster's UID.
    pub uid: String,
    /// Why.
    pub reason: Failure,
    /// The object's generation at that time: of another one it is not known that it cannot run there.
    pub generation: i64,
    /// The member's own words at that time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}
