//! Which weight a cluster has.

use roadstead_protocol::api::policy::StaticWeight;

use crate::affinity::Reading;
use crate::cluster::{Cluster, Viewpoint};
use crate::world::World;

/// The weights of `clusters`, in their order: the largest that an entry gives, 0 where none does,
/// and 1 for each where there is no list.
pub fn weigh(
    world: &World,
    from: Viewpoint<'_>,
    list: Option<&[StaticWeight]>,
    clusters: &[&Cluster],
) -> Vec<u32> {
    let Some(list) = list else {
        return vec![1; clusters.len()];
    };
    let mut weights = vec![0; clusters.len()];
    for entry in list {
        let target = Reading::new(world, from, &entry.target_cluster);
        for (weight, cluster) in weights.iter_mut().zip(clusters) {
            if target.judge(cluster).is_ok() {
                *weight = entry.weight.max(*weight);
            }
        }
    }
    weights
}
