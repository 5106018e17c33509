//! Ready means ready (invariant 7): a cluster that nobody can have heard of for longer than the grace
//! period is not said to be ready, and after faults healed everything is said to be as it is.

use std::time::Duration;

use roadstead_protocol::api::ConditionStatus;
use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::condition;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP, DECISIONS, OWN_GROUP};
use roadstead_store::records::objects_prefix;
use roadstead_store::{Snapshot, Store};
use serde::de::DeserializeOwned;

use crate::world::{World, lock};

/// What a hub may need beside its grace period to notice and to write: 40 s from the last word on.
const SLACK: Duration = Duration::from_secs(3);

/// When each cluster could last be heard of, and since when the hub runs.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    last: Vec<Duration>,
    hub_since: Option<Duration>,
}

/// The longest that a cluster may be called ready after its agent fell silent.
pub fn patience() -> Duration {
    roadstead_controllers::Options::default().grace + SLACK
}

/// Looks at the clusters' conditions. `reachable` says for each site whether its agent runs and
/// nothing is between it and the hub; `hub` whether that runs.
pub fn watch(
    world: &World,
    clusters: &[AttachedCluster],
    now: Duration,
    hub: bool,
    reachable: &[bool],
) {
    let mut contact = lock(&world.checks.contact);
    contact.last.resize(reachable.len(), now);
    contact.hub_since = match (hub, contact.hub_since) {
        (true, None) => Some(now),
        (true, since) => since,
        (false, _) => None,
    };
    for (last, reachable) in contact.last.iter_mut().zip(reachable) {
        if *reachable {
            *last = now;
        }
    }
    let contact = contact.clone();
    let Some(since) = contact.hub_since else {
        return;
    };
    for (site, last) in world.sites.iter().zip(&contact.last) {
        // A hub that just started gives everybody the grace period.
        let silent = now.saturating_sub((*last).max(since));
        if silent <= patience() {
            continue;
        }
        if said(clusters, &site.name, "Ready") == Some(ConditionStatus::True) {
            let what = format!("{} is called ready after {silent:?} of silence", site.name);
            world.checks.violation("ready means ready", &what);
        }
    }
}

/// Condition Ready of a cluster, as the hub says it; `None` where there is no hub or no condition.
pub fn ready(world: &World, name: &str) -> Option<ConditionStatus> {
    said(&all(world), name, "Ready")
}

/// All clusters, as the hub says they are; none where there is no hub.
pub fn all(world: &World) -> Vec<AttachedCluster> {
    snapshot(world).as_ref().map(clusters).unwrap_or_default()
}

/// A condition of a cluster; `None` where the cluster is not there, or does not have it.
pub fn said(clusters: &[AttachedCluster], name: &str, kind: &str) -> Option<ConditionStatus> {
    let found = clusters.iter().find(|c| c.metadata.name == name)?;
    status_of(&found.status.conditions, kind)
}

/// Whether every cluster and every decision is said to be ready, as they are once faults healed.
///
/// # Errors
/// The first that is not.
pub fn settled(world: &World) -> Result<(), String> {
    let snapshot = snapshot(world).ok_or("the hub is not up")?;
    for cluster in clusters(&snapshot) {
        let name = &cluster.metadata.name;
        is(&cluster.status.conditions, "Ready", name)?;
        let frozen = status_of(&cluster.status.conditions, "Frozen");
        if frozen.is_some_and(|frozen| frozen != ConditionStatus::False) {
            return Err(format!("{name} is not said to be thawed"));
        }
        if cluster.status.observed_generation != cluster.metadata.generation {
            return Err(format!("{name} says something about an older generation"));
        }
    }
    let prefix = objects_prefix(OWN_GROUP, DECISIONS);
    for decision in typed::<Decision>(&snapshot, &prefix) {
        if decision.status.desired == 0 {
            continue;
        }
        for kind in ["Placed", "Applied", "Ready"] {
            is(&decision.status.conditions, kind, &decision.metadata.name)?;
        }
    }
    Ok(())
}

fn is(
    conditions: &[roadstead_protocol::api::Condition],
    kind: &str,
    of: &str,
) -> Result<(), String> {
    match condition::find(conditions, kind) {
        Some(found) if found.status == ConditionStatus::True => Ok(()),
        Some(found) => Err(format!(
            "{of}: {kind} is {:?}, {}: {}",
            found.status, found.reason, found.message
        )),
        None => Err(format!("{of} has no condition {kind}")),
    }
}

fn status_of(
    conditions: &[roadstead_protocol::api::Condition],
    kind: &str,
) -> Option<ConditionStatus> {
    condition::find(conditions, kind).map(|found| found.status)
}

fn snapshot(world: &World) -> Option<Snapshot> {
    lock(&world.hub.store).as_ref().map(Store::snapshot)
}

fn clusters(snapshot: &Snapshot) -> Vec<AttachedCluster> {
    typed(snapshot, &objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS))
}

fn typed<T: DeserializeOwned>(snapshot: &Snapshot, prefix: &str) -> Vec<T> {
    snapshot
        .range(prefix)
        .filter_map(|entry| serde_json::from_slice(&entry.value).ok())
        .collect()
}
