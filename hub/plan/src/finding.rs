//! What is to be said about a decision: typed, with a reason for programs and words for people.

mod text;

use roadstead_protocol::api::decision::SAMPLES_MAX;

use crate::failover;

/// Something that people should know. Lists of names are bounded samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No policy selects the template.
    NoPolicy,
    /// A policy selects no object.
    NothingSelected,
    /// The template is never sent anywhere; why.
    Reserved(&'static str),
    /// A policy that matters here cannot be read.
    Unreadable {
        /// The policy.
        policy: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another policy holds the template.
    Outranked {
        /// The template.
        template: String,
        /// The policy that holds it.
        by: String,
    },
    /// The policy selects kinds that are not served.
    UnknownKinds(Vec<String>),
    /// The policy names clusters that are not there, or that it may not name.
    UnknownClusters(Vec<String>),
    /// The policy names a cluster whose name is not one cluster's.
    AmbiguousCluster {
        /// The name.
        name: String,
        /// The clusters, as `namespace/name`.
        clusters: Vec<String>,
    },
    /// The policy chooses no cluster.
    NoCluster,
    /// None of the clusters that the policy chooses may get anything new.
    NothingOpen {
        /// How many it chooses.
        count: u32,
        /// Some of them, as `namespace/name: why not`.
        samples: Vec<String>,
    },
    /// There are not as many groups of clusters as the policy wants.
    SpreadUnmet {
        /// What makes clusters a group.
        by: String,
        /// How many groups are wanted.
        wanted: u32,
        /// How many there can be.
        found: u32,
    },
    /// Replicas are to be divided and no chosen cluster has a weight.
    ZeroWeights,
    /// The template's number of replicas is none.
    BadReplicas(String),
    /// There is no place for some replicas.
    Unplaced {
        /// How many.
        replicas: u32,
        /// What stops them, by some of the clusters.
        why: String,
    },
    /// An object cannot be made for a cluster.
    NotRendered {
        /// The cluster, as `namespace/name`.
        cluster: String,
        /// Why not.
        problem: String,
    },
    /// Clusters do not get it yet, since dispatching to them is suspended.
    Suspended {
        /// How many.
        count: u32,
        /// Some of them, as `namespace/name`.
        samples: Vec<String>,
    },
    /// Clusters do not get it, or its change, yet, since something else has to be there first.
    Awaits {
        /// What.
        on: String,
        /// How that is.
        why: String,
        /// How many.
        count: u32,
        /// Some of them, as `namespace/name`.
        samples: Vec<String>,
    },
    /// Something waits until what replaces it was seen healthy.
    Replacing {
        /// On how many clusters it waits.
        count: u32,
        /// Some of them, as `namespace/name`.
        old: Vec<String>,
        /// Some of those on which it is replaced, as `namespace/name: how it is there`.
        new: Vec<String>,
        /// Replicas that have no place elsewhere.
        unplaced: u32,
        /// The command that lets it go all the same.
        confirm: String,
    },
    /// It is not failed over though its time has come.
    FailoverHeld {
        /// Why not.
        why: failover::Held,
        /// From how many clusters.
        count: u32,
        /// Some of them, as `namespace/name`.
        samples: Vec<String>,
    },
    /// Clusters are not given what stands on the hub, but a release.
    Behind {
        /// How many.
        count: u32,
        /// Some of them, as `namespace/name`.
        samples: Vec<String>,
        /// How the rollout is, for people.
        says: String,
    },
    /// Changes or removals wait for their policy's disruption budget.
    OverBudget {
        /// On how many clusters.
        count: u32,
        /// Some of them, as `namespace/name`.
        samples: Vec<String>,
        /// Whether the budget is that of what needs the object there.
        along: bool,
        /// On how many clusters something may be unwell.
        most: u32,
        /// How many clusters hold something of the policy.
        holders: u32,
        /// On how many of them something is unwell, or is being changed.
        unwell: u32,
        /// Some of these, as `namespace/name: what is wrong there`.
        down: Vec<String>,
    },
    /// Removals (or changes) wait.
    Held {
        /// For what.
        cause: Cause,
        /// How many.
        count: u32,
        /// Some of the clusters, as `namespace/name`.
        samples: Vec<String>,
        /// The commands that confirm it: for all that waits of this object, then for all that waits
        /// because of one policy. None where nothing can be confirmed.
        confirm: Vec<String>,
    },
}

/// What a removal waits for, or why what runs is kept as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The object would be left with no cluster at all, and nobody deleted it or its policy.
    LastClusters,
    /// An edit would remove a larger share of what the fleet runs than is allowed unconfirmed.
    LargeShare,
    /// The policy names a cluster that is not there, or is not one: perhaps this one was meant.
    UnknownNames,
    /// Another policy took the object over from one that still selects it.
    Contended,
    /// The template is missing, without a record that a user deleted it.
    TemplateMissing,
    /// A policy that put it there is missing, without a record that a user deleted it.
    PolicyMissing,
    /// A policy that matters here cannot be read.
    PolicyUnreadable,
    /// The cluster is missing, without a record that a user deleted it.
    ClusterMissing,
    /// The cluster's own spec cannot be read.
    ClusterUnreadable,
    /// The policy names the cluster, and the name is also another's.
    AmbiguousName,
    /// The weights of the policy are all zero.
    ZeroWeights,
    /// The number of replicas is none.
    BadReplicas,
    /// The object cannot be made for this cluster.
    NotRendered,
    /// Dispatching is suspended.
    Suspended,
    /// Something that the object waits for is not there yet.
    Awaiting,
    /// Such an object is never sent anywhere.
    Reserved,
    /// The rollout of the change has not come so far.
    Wave,
    /// What replaces it was not seen healthy yet.
    Replacing,
    /// The cluster was declared to be stopped.
    Stopped,
    /// It was failed over from the cluster.
    FailedOver,
    /// As many clusters of its policy are unwell as its disruption budget allows.
    Budget,
}

impl Cause {
    /// In CamelCase, for programs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::LastClusters => "RemovalNeedsConfirmation",
            Self::LargeShare => "LargeRemovalNeedsConfirmation",
            Self::UnknownNames => "UnknownNames",
            Self::Contended => "Contended",
            Self::TemplateMissing => "TemplateMissing",
            Self::PolicyMissing => "PolicyMissing",
            Self::PolicyUnreadable => "PolicyUnreadable",
            Self::ClusterMissing => "ClusterMissing",
            Self::ClusterUnreadable => "ClusterUnreadable",
            Self::AmbiguousName => "AmbiguousName",
            Self::ZeroWeights => "ZeroWeights",
            Self::BadReplicas => "BadReplicas",
            Self::NotRendered => "OverrideFailed",
            Self::Suspended => "Suspended",
            Self::Awaiting => "Awaiting",
            Self::Reserved => "NeverPropagated",
            Self::Wave => "RollingOut",
            Self::Replacing => "Replacing",
            Self::Stopped => "Stopped",
            Self::FailedOver => "FailedOver",
            Self::Budget => "DisruptionBudget",
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::LastClusters => "no cluster would be left that runs it",
            Self::LargeShare => "the change would remove a large share of what the fleet runs",
            Self::UnknownNames => {
                "the policy (its clusterNames, exclude or staticWeightList) names a cluster that is \
                 not there, or is not one, and may mean another"
            }
            Self::Contended => {
                "two policies claim it: the one that put it there still selects it, and another \
                 goes first"
            }
            Self::TemplateMissing => "the object is missing, but nobody deleted it",
            Self::PolicyMissing => "the policy that put it there is missing, but nobody deleted it",
            Self::PolicyUnreadable => "a policy cannot be read",
            Self::ClusterMissing => "the cluster is missing, but nobody deleted it",
            Self::ClusterUnreadable => "the cluster's spec cannot be read",
            Self::AmbiguousName => "the policy names the cluster, but so is another one called",
            Self::ZeroWeights => "all weights of the policy are zero",
            Self::BadReplicas => "its number of replicas cannot be read",
            Self::NotRendered => "an override cannot be applied",
            Self::Suspended => "its policy suspends dispatching",
            Self::Awaiting => "what it waits for is not there yet",
            Self::Reserved => "such an object is never sent to a cluster",
            Self::Wave => "the rollout of the change has not come so far",
            Self::Replacing => "what replaces it was not seen healthy yet",
            Self::Stopped => {
                "the cluster is fenced, and it is not replaced or the cluster is not back"
            }
            Self::FailedOver => {
                "it was failed over from the cluster, and what replaces it was not seen healthy yet or \
                 there is no news of the cluster"
            }
            Self::Budget => "as many clusters are unwell as its policy's disruption budget allows",
        }
    }

    /// Whether a user's confirmation lets it happen.
    pub fn confirmable(self) -> bool {
        match self {
            Self::LastClusters | Self::LargeShare | Self::UnknownNames | Self::Contended => true,
            Self::TemplateMissing
            | Self::PolicyMissing
            | Self::PolicyUnreadable
            | Self::ClusterMissing
            | Self::ClusterUnreadable
            | Self::AmbiguousName
            | Self::ZeroWeights
            | Self::BadReplicas
            | Self::NotRendered
            | Self::Suspended
            | Self::Awaiting
            | Self::Reserved
            | Self::Wave
            | Self::Replacing
            | Self::Stopped
            | Self::FailedOver
            | Self::Budget => false,
        }
    }

    /// Whether what is kept is known to run.
    pub(crate) fn runs(self) -> bool {
        !matches!(
            self,
            Self::ClusterMissing | Self::Stopped | Self::FailedOver
        )
    }

    /// Whether what is kept counts no more.
    pub(crate) fn is_outside(self) -> bool {
        matches!(self, Self::Replacing | Self::Stopped | Self::FailedOver)
    }
}

impl Finding {
    /// In CamelCase, for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoPolicy => "NoPolicy",
            Self::NothingSelected => "NothingSelected",
            Self::Reserved(_) => "NeverPropagated",
            Self::Unreadable { .. } => "Unreadable",
            Self::Outranked { .. } => "ClaimedByAnother",
            Self::UnknownKinds(_) => "UnknownKinds",
            Self::UnknownClusters(_) => "UnknownClusters",
            Self::AmbiguousCluster { .. } => "AmbiguousName",
            Self::NoCluster => "NoCluster",
            Self::NothingOpen { .. } => "NothingOpen",
            Self::SpreadUnmet { .. } => "SpreadUnmet",
            Self::ZeroWeights => "ZeroWeights",
            Self::BadReplicas(_) => "BadReplicas",
            Self::Unplaced { .. } => "Unplaced",
            Self::NotRendered { .. } => "OverrideFailed",
            Self::Suspended { .. } => "Suspended",
            Self::Awaits { .. } => "Awaiting",
            Self::Replacing { .. } => "Replacing",
            Self::FailoverHeld { .. } => "FailoverHeld",
            Self::Behind { .. } => "RollingOut",
            Self::OverBudget { .. } => "DisruptionBudget",
            Self::Held { cause, .. } => cause.reason(),
        }
    }
}

/// How many there are, and some of them, the first by name.
pub(crate) fn sampled(all: impl IntoIterator<Item = String>) -> (u32, Vec<String>) {
    let mut samples: Vec<String> = all.into_iter().collect();
    let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    samples.sort();
    samples.truncate(SAMPLES_MAX);
    (count, samples)
}

/// `2 clusters (a/b, a/c)`, with an ellipsis where the samples are not all.
pub fn listed(count: u32, samples: &[String]) -> String {
    let noun = if count == 1 { "cluster" } else { "clusters" };
    let more = usize::try_from(count).is_ok_and(|count| count > samples.len());
    let dots = if more { ", …" } else { "" };
    format!("{count} {noun} ({}{dots})", samples.join(", "))
}
