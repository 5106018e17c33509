//! What there is to work on.

use roadstead_protocol::wire::ItemKey;

/// One thing to be looked at as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Where a template goes.
    Placement(ItemKey),
    /// A cluster's conditions.
    Cluster(Name),
    /// What became of a template's decision.
    Status(ItemKey),
    /// A fleet's conditions.
    Fleet(Name),
    /// A policy's conditions.
    Policy {
        /// The policy's group.
        group: String,
        /// The policy's plural.
        plural: String,
        /// The policy.
        name: Name,
    },
    /// How a policy's changes go out.
    Rollout {
        /// The policy's group.
        group: String,
        /// The policy's plural.
        plural: String,
        /// The policy.
        name: Name,
    },
    /// What nothing needs any more.
    Garbage,
}

/// A namespaced (or, with an empty namespace, cluster-scoped) name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Placement(key) => write!(f, "placement of {key}"),
            Self::Cluster(name) => write!(f, "cluster {name}"),
            Self::Status(key) => write!(f, "status of {key}"),
            Self::Fleet(name) => write!(f, "fleet {name}"),
            Self::Policy {
                group,
                plural,
                name,
            } => write!(f, "{plural}.{group} {name}"),
            Self::Rollout {
                group,
                plural,
                name,
            } => write!(f, "rollouts of {plural}.{group} {name}"),
            Self::Garbage => f.write_str("garbage"),
        }
    }
}
