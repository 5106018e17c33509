//! Turns the generated tables into resources, and puts resources in discovery order.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Resource;
use crate::tables;

/// Who serves the built-in kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The hub: workloads are templates.
    Hub,
    /// A simulated member cluster: everything is live.
    Member,
}

/// The built-in kinds.
pub(super) fn builtin(side: Side) -> Result<Vec<Resource>, tables::Error> {
    let _ = side;
    Ok(Vec::new())
}

/// Sorts into discovery order; keeps the order of kinds inside a version.
pub(super) fn order(resources: &mut [Arc<Resource>]) {
    let _ = resources;
}

/// Kubernetes' order of versions, the preferred one first: `v2`, `v1`, `v1beta2`, `v1alpha1`, then
/// anything else by name.
pub(super) fn version_order(a: &str, b: &str) -> Ordering {
    a.cmp(b)
}
