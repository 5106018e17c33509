//! Since when this hub has seen which taint: a toleration's seconds count this hub's uptime, so that
//! a clock that jumps evicts nothing and a restart begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roadstead_plan::World;
use roadstead_plan::cluster::Taint;
use roadstead_protocol::api::cluster::Effect;

/// The UID of a cluster, and key and value of a taint of it.
type Seen = (String, String, String);

/// Since when each taint has been there, counted from the hub's start. Not more than the clusters
/// have now.
#[derive(Default)]
pub(crate) struct Tainted(BTreeMap<Seen, Duration>);

impl Tainted {
    /// Notes what is there at a time, and dates the taints of `world` by when they were first seen.
    pub(crate) fn date(&mut self, world: &mut World, now: Duration) {
        let mut there = BTreeMap::new();
        let counts = |taint: &&mut Taint| taint.effect == Effect::NoExecute;
        for cluster in &mut world.clusters {
            if cluster.taints.is_empty() {
                continue;
            }
            let cluster = Arc::make_mut(cluster);
            for taint in cluster.taints.iter_mut().filter(counts) {
                let seen = (cluster.uid.clone(), taint.key.clone(), taint.value.clone());
                taint.since = self.0.get(&seen).copied().unwrap_or(now);
                there.insert(seen, taint.since);
            }
        }
        self.0 = there;
    }
}
