//! Which cluster belongs to which stage: each to exactly one.
//!
//! Stages take one after another of what is left, by selector or until their share is reached. Of a
//! share those come first that have the change already, then by name: a cluster that joins or leaves
//! moves nobody back behind a stage that it was let through.

use std::collections::BTreeMap;

use crate::affinity::Reading;
use crate::cluster::{Cluster, Viewpoint};
use crate::rollout::spec::{Rollout, Takes};
use crate::world::World;

/// A cluster that is to get a change.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Whether it was let to the change.
    pub admitted: bool,
}

/// The index of each cluster's stage, by the UID of the cluster, as its policy, which looks from
/// `from`, says it.
pub fn assign<'a>(
    world: &World,
    from: Viewpoint<'_>,
    rollout: &Rollout,
    clusters: &[Candidate<'a>],
) -> BTreeMap<&'a str, usize> {
    let mut left: Vec<Candidate<'a>> = clusters.to_vec();
    left.sort_by(|a, b| order(a).cmp(&order(b)));
    left.dedup_by(|a, b| a.cluster.uid == b.cluster.uid);
    let total = left.len();
    let mut found = BTreeMap::new();
    for (index, stage) in rollout.stages.iter().enumerate() {
        let (taken, rest): (Vec<_>, Vec<_>) = match &stage.takes {
            Takes::Affinity(affinity) => {
                let reading = Reading::new(world, from, affinity);
                left.into_iter()
                    .partition(|c| reading.wanted(c.cluster).is_ok())
            }
            Takes::Share(share) => {
                let wanted = share.at_least(total).saturating_sub(found.len());
                let rest = left.split_off(wanted.min(left.len()));
                (left, rest)
            }
            Takes::Rest => (left, Vec::new()),
        };
        found.extend(taken.iter().map(|c| (c.cluster.uid.as_str(), index)));
        left = rest;
    }
    found
}

fn order<'a>(one: &Candidate<'a>) -> (bool, &'a str, &'a str, &'a str) {
    let cluster = one.cluster;
    (
        !one.admitted,
        &cluster.namespace,
        &cluster.name,
        &cluster.uid,
    )
}
