//! What a cluster's conditions say of its kubeconfig: whether the hub looks after it by that.

use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::{Condition, ConditionStatus};
use roadstead_store::Snapshot;
use roadstead_store::records::{AGENT_JOINED, HostedProblem, HostedRecord, decode, hosted_key};

use crate::error::Error;

/// The condition of a cluster that has a kubeconfig.
pub(crate) const HOSTED: &str = "Hosted";

/// How it goes with a cluster's kubeconfig.
pub(crate) enum Hosting {
    /// It has none.
    No,
    /// The hub has not looked at it yet.
    Unseen,
    /// The hub looks after the cluster.
    Fine,
    /// The hub does not look after it.
    Not(HostedProblem),
}

impl Hosting {
    /// Reads how it goes.
    pub(crate) fn read(volatile: &Snapshot, cluster: &AttachedCluster) -> Result<Self, Error> {
        if cluster.spec.kubeconfig.is_none() {
            return Ok(Self::No);
        }
        let record: Option<HostedRecord> = volatile
            .get(hosted_key(&cluster.metadata.uid)?.as_str())
            .map(decode)
            .transpose()?;
        Ok(match record {
            None => Self::Unseen,
            Some(HostedRecord { problem: None }) => Self::Fine,
            Some(HostedRecord {
                problem: Some(problem),
            }) => Self::Not(problem),
        })
    }

    /// What Ready is, whatever an agent says or said.
    pub(crate) fn ready(&self) -> Option<Condition> {
        match self {
            Self::Not(HostedProblem { reason, message }) if reason != AGENT_JOINED => Some(
                Condition::new("Ready", ConditionStatus::False, reason, message),
            ),
            Self::No | Self::Unseen | Self::Fine | Self::Not(_) => None,
        }
    }

    /// Leaves the condition to clusters with a kubeconfig, and says what it is there.
    pub(crate) fn condition(&self, conditions: &mut Vec<Condition>) -> Option<Condition> {
        let is = |status, reason, message| Some(Condition::new(HOSTED, status, reason, message));
        match self {
            Self::No => {
                conditions.retain(|c| c.kind != HOSTED);
                None
            }
            Self::Unseen => None,
            Self::Fine => is(
                ConditionStatus::True,
                "ByKubeconfig",
                "the hub looks after this cluster by its kubeconfig",
            ),
            Self::Not(HostedProblem { reason, message }) => {
                is(ConditionStatus::False, reason, message)
            }
        }
    }
}
