//! How a policy's changes reach clusters in waves, and `Rollout`: one such change on its way.

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::decision::PolicyRef;
use super::meta::ObjectMeta;
use super::policy::ClusterAffinity;

/// The kind's name.
pub const KIND: &str = "Rollout";
/// The kind's plural.
pub const ROLLOUTS: &str = "rollouts";
/// The subresource by which a stage is approved.
pub const APPROVE: &str = "approve";
/// Most stages that a policy names.
pub const STAGES_MAX: usize = 32;
/// Most gates of a stage.
pub const GATES_MAX: usize = 16;
/// What the last stage is called: that of the clusters that no other takes.
pub const REST: &str = "rest";

/// How a policy's changes reach clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    /// The stages, one after another; what none of them takes comes last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// On how many of the clusters that run something of the policy it may be unhealthy; no bound where
    /// nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Amount>,
    /// For how many seconds nothing may move on before the change has failed. 600 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<u32>,
    /// What happens then.
    pub on_failure: OnFailure,
    /// Whether clusters of which there is no news are waited for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wait_for_away: bool,
    /// How many rollouts that are over are kept. 10 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<u32>,
    /// Nothing goes on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// Some of the clusters, which get a change together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Which clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_affinity: Option<ClusterAffinity>,
    /// How many clusters are to have the change when the stage is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Amount>,
    /// How many of its clusters change at once; all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<Amount>,
    /// For how many seconds all must be well on all of them before the next stage begins.
    pub soak_seconds: u32,
    /// Whether somebody has to approve of it before it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What must be so on a cluster; that all objects are healthy where nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
}

/// Whether a stage has to be approved of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Approval {
    /// It does not begin before.
    Required,
}

/// Something that must be so on a cluster: exactly one of `healthy`, `condition` and `expression`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gate {
    /// Only of objects of this kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The objects are healthy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub healthy: bool,
    /// The objects have a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<GateCondition>,
    /// A CEL expression is true for each of the objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expression: String,
}

/// A condition that objects must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateCondition {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its status; True where nothing is said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
}

/// A number of clusters, or a share of them such as `25%`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// So many.
    Number(i64),
    /// A share in percent.
    Text(String),
}

/// What happens to a change that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// It goes no further, and somebody looks at it.
    #[default]
    Halt,
    /// The clusters that have it get again what was good.
    Rollback,
}

/// One change on its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What it is, and what people want of it.
    pub spec: Spec,
    /// How far it is.
    pub status: Status,
}

/// What a rollout is, and what people want of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Whose change.
    pub policy: PolicyRef,
    /// Which of the policy's rollouts it is, counted from 1.
    pub number: u64,
    /// The release that clusters get.
    pub release: String,
    /// The release that they come from.
    pub from: String,
    /// Why it began.
    pub cause: Cause,
    /// Nothing goes on. The hub says so itself of one that failed and was halted.
    pub paused: bool,
    /// It is over, and the clusters that have it get again what was good.
    pub aborted: bool,
}

/// Why a rollout began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Something was changed on the hub.
    #[default]
    Change,
    /// Somebody wanted a former release back.
    Undo,
}

/// How far a rollout is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// How far as a whole.
    pub phase: Phase,
    /// What it waits for, or how it ended, for people.
    pub message: String,
    /// The stage that it is at.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stage: String,
    /// Clusters that are to get the release.
    pub clusters: u32,
    /// Of these, those that were let to it.
    pub updated: u32,
    /// Of these, those where all is well.
    pub ready: u32,
    /// The stages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageStatus>,
    /// Who approved of which stage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approved>,
    /// When it began.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub started_at: String,
    /// When it was over.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub finished_at: String,
    /// Condition Complete.
    pub conditions: Vec<Condition>,
}

/// How far a rollout is as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// Clusters are being changed.
    #[default]
    Progressing,
    /// The next stage has to be approved of.
    WaitingForApproval,
    /// All is well, and has to be so for a while.
    Soaking,
    /// Somebody stopped it.
    Paused,
    /// It failed, and waits for somebody.
    Halted,
    /// It failed, and the clusters get again what was good.
    RolledBack,
    /// All clusters have it.
    Succeeded,
    /// Another change came.
    Superseded,
    /// Somebody ended it.
    Aborted,
}

impl Phase {
    /// Whether nothing more becomes of it.
    pub fn is_over(self) -> bool {
        match self {
            Self::Progressing
            | Self::WaitingForApproval
            | Self::Soaking
            | Self::Paused
            | Self::Halted => false,
            Self::RolledBack | Self::Succeeded | Self::Superseded | Self::Aborted => true,
        }
    }

    /// In CamelCase, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Progressing => "Progressing",
            Self::WaitingForApproval => "WaitingForApproval",
            Self::Soaking => "Soaking",
            Self::Paused => "Paused",
            Self::Halted => "Halted",
            Self::RolledBack => "RolledBack",
            Self::Succeeded => "Succeeded",
            Self::Superseded => "Superseded",
            Self::Aborted => "Aborted",
        }
    }
}

/// How far a stage is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StageStatus {
    /// Its name.
    pub name: String,
    /// `Waiting`, `WaitingForApproval`, `Progressing`, `Soaking` or `Passed`.
    pub state: String,
    /// Its clusters.
    pub clusters: u32,
    /// Of these, those that were let to the release.
    pub updated: u32,
    /// Of these, those where all is well.
    pub ready: u32,
    /// Clusters of which there is no news.
    #[serde(skip_serializing_if = "is_zero")]
    pub away: u32,
    /// What is waited for on some of the clusters, as `namespace/name: why`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// That somebody approved of a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Approved {
    /// The stage.
    pub stage: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: String,
}
