//! The kinds that people write and read: their manifests, as they are served, and the Rust types
//! that controllers read them with.
//!
//! The manifests in `crds/` are the truth about what is accepted; they go through the API
//! machinery as any user's CRD does. The Rust types are lenient readers: a field they do not know
//! is passed over, so that a newer object does not stop an older hub. This module deliberately
//! holds no admission, no clock and no I/O.

pub mod cluster;
pub mod condition;
pub mod decision;
pub mod dispatch;
pub mod facts;
pub mod failover;
pub mod fleet;
pub mod hardware;
pub mod interpreter;
pub mod meta;
pub mod names;
pub mod overriding;
pub mod policy;
pub mod quantity;
pub mod reconciliation;
pub mod requests;
pub mod rollout;
pub mod selection;
pub mod selector;
pub mod token;

#[cfg(test)]
mod tests;

pub use condition::{Condition, ConditionStatus};
pub use facts::Facts;
pub use meta::ObjectMeta;
pub use selector::LabelSelector;

/// The manifests (YAML, one CustomResourceDefinition each) of the kinds that the hub serves beside
/// Kubernetes' own.
pub const CRDS: &[&str] = &[
    include_str!("crds/attachedclusters.cluster.kurator.dev.yaml"),
    include_str!("crds/fleets.fleet.kurator.dev.yaml"),
    include_str!("crds/distributionpolicies.policy.kurator.dev.yaml"),
    include_str!("crds/clusterdistributionpolicies.policy.kurator.dev.yaml"),
    // After its twin, so that `kubectl get distributionpolicies` finds the twin.
    include_str!("crds/distributionpolicies.apps.kurator.dev.yaml"),
    include_str!("crds/overridepolicies.policy.kurator.dev.yaml"),
    include_str!("crds/clusteroverridepolicies.policy.kurator.dev.yaml"),
    include_str!("crds/decisions.roadstead.dev.yaml"),
    include_str!("crds/rollouts.roadstead.dev.yaml"),
    include_str!("crds/resourceinterpreters.roadstead.dev.yaml"),
];
