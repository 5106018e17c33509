//! What is to be said about a decision: typed, with a reason for programs and words for people.

/// Something that people should know. Lists of names are bounded samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No policy selects the template.
    NoPolicy,
    /// A policy selects no object.
    NothingSelected,
    /// A policy that matters here cannot be read.
    Unreadable {
        /// The policy.
        policy: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another policy goes first.
    Outranked {
        /// The template.
        template: String,
        /// The policy that goes first.
        by: String,
    },
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
    /// Replicas are to be divided and no chosen cluster has a weight.
    ZeroWeights,
    /// The template's number of replicas is none.
    BadReplicas(String),
    /// An object cannot be made for a cluster.
    NotRendered {
        /// The cluster, as `namespace/name`.
        cluster: String,
        /// Why not.
        problem: String,
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
            | Self::NotRendered => false,
        }
    }

    /// Whether what is kept is known to run.
    pub(crate) fn runs(self) -> bool {
        self != Self::ClusterMissing
    }
}

impl Finding {
    /// In CamelCase, for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoPolicy => "NoPolicy",
            Self::NothingSelected => "NothingSelected",
            Self::Unreadable { .. } => "Unreadable",
            Self::Outranked { .. } => "ClaimedByAnother",
            Self::UnknownClusters(_) => "UnknownClusters",
            Self::AmbiguousCluster { .. } => "AmbiguousName",
            Self::NoCluster => "NoCluster",
            Self::ZeroWeights => "ZeroWeights",
            Self::BadReplicas(_) => "BadReplicas",
            Self::NotRendered { .. } => "OverrideFailed",
            Self::Held { cause, .. } => cause.reason(),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoPolicy => f.write_str("no policy selects it"),
            Self::NothingSelected => f.write_str("it selects no object"),
            Self::Unreadable { policy, problem } => write!(f, "{policy} cannot be read: {problem}"),
            Self::Outranked { template, by } => {
                write!(f, "{template} is distributed by {by}, which goes first")
            }
            Self::UnknownClusters(names) => write!(
                f,
                "no cluster of this name is there, or allows this namespace: {}",
                names.join(", ")
            ),
            Self::AmbiguousCluster { name, clusters } => {
                write!(f, "{name} may be any of {}", clusters.join(", "))
            }
            Self::NoCluster => f.write_str("it chooses no cluster"),
            Self::ZeroWeights => f.write_str("no chosen cluster has a weight above 0"),
            Self::BadReplicas(path) => write!(f, "{path} is not a number of replicas"),
            Self::NotRendered { cluster, problem } => write!(f, "on {cluster}: {problem}"),
            Self::Held {
                cause,
                count,
                samples,
                confirm,
            } => {
                write!(
                    f,
                    "kept as it is on {}, since {}",
                    listed(*count, samples),
                    cause.text()
                )?;
                let mut commands = confirm.iter();
                if let Some(object) = commands.next() {
                    write!(f, "; to remove it there: {object}")?;
                }
                for policy in commands {
                    write!(f, "; or to let go all that waits for its policy: {policy}")?;
                }
                Ok(())
            }
        }
    }
}

/// `2 clusters (a/b, a/c)`, with an ellipsis where the samples are not all.
pub fn listed(count: u32, samples: &[String]) -> String {
    let noun = if count == 1 { "cluster" } else { "clusters" };
    let more = usize::try_from(count).is_ok_and(|count| count > samples.len());
    let dots = if more { ", …" } else { "" };
    format!("{count} {noun} ({}{dots})", samples.join(", "))
}
