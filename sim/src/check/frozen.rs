//! Frozen means frozen, and detached means left alone: once a user was told so, the agent writes
//! nothing of ours to the member, whatever it missed.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_protocol::api::ConditionStatus;
use roadstead_protocol::api::cluster::AttachedCluster;

use crate::check::ready;
use crate::trace;
use crate::world::{Site, World, lock};

/// What a request that was under way may take.
const SLACK: Duration = Duration::from_secs(1);

/// What users were told about clusters.
#[derive(Debug, Default)]
pub struct Frozen {
    /// Since when the hub has said that a cluster is frozen.
    since: BTreeMap<String, Duration>,
    /// Since when a cluster is detached.
    pub detached: BTreeMap<String, Duration>,
}

impl Frozen {
    /// A user lifts the freeze of a cluster: from here on it may be heard of.
    pub fn thaw(&mut self, cluster: &str) {
        self.since.remove(cluster);
    }
}

/// Looks at the conditions of all clusters.
pub fn watch(world: &World, clusters: &[AttachedCluster], now: Duration) {
    for site in &world.sites {
        let said = ready::said(clusters, &site.name, "Frozen");
        let user = lock(&world.user);
        let wanted = user.model.frozen.contains(&site.name);
        let steady = wanted && user.pending.is_none();
        drop(user);
        let mut frozen = lock(&world.checks.frozen);
        if said == Some(ConditionStatus::True) && steady {
            frozen.since.entry(site.name.clone()).or_insert_with(|| {
                trace::count("sometimes: a cluster was said to be frozen");
                now
            });
        } else if said.is_some() {
            frozen.since.remove(&site.name);
        }
    }
}

/// Looks at a write of ours that an agent sent at `sent`.
pub fn write(world: &World, site: &Site, sent: Duration, what: &str) {
    let frozen = lock(&world.checks.frozen);
    let after = |since: &Duration| sent > *since + SLACK;
    if frozen.since.get(&site.name).is_some_and(after) {
        let what = format!("{what} on {}, which is said to be frozen", site.name);
        world.checks.violation("frozen means frozen", &what);
    }
    if frozen.detached.get(&site.name).is_some_and(after) {
        let what = format!("{what} on {}, which was detached", site.name);
        world.checks.violation("detached means left alone", &what);
    }
}
