//! Who else looks after a cluster, or after the same member under another name.

use std::time::Duration;

use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP};
use roadstead_store::Snapshot;
use roadstead_store::records::{
    self, AGENT_JOINED, HostedProblem, Liveness, SEEN_PREFIX, SeenRecord,
};
use tokio::time::Instant;

use super::kubeconfig::problem;
use super::{AGENTS_CALL_WITHIN, Shared};

/// How long the session of an agent that ended may still seem to be there.
const AFTERGLOW: Duration = Duration::from_secs(40);
/// Most detached clusters of one member that an agent is told of.
const PAST_MAX: usize = 8;

/// Whether a cluster has an agent of its own.
pub(super) enum Rival {
    /// It has none.
    None,
    /// It may have one: it has to be waited a little.
    Wait,
    /// It has one.
    There(HostedProblem),
}

/// Looks whether the cluster `uid` has an agent of its own; `own` is when one of the hub's ended.
pub(super) fn look(shared: &Shared, uid: &str, own: Option<Instant>) -> Rival {
    let context = &shared.context;
    let volatile = context.volatile.snapshot();
    let key = records::liveness_key(uid).ok();
    let entry = key.and_then(|key| volatile.get(key.as_str()).cloned());
    let liveness: Option<Liveness> = entry.and_then(|entry| records::decode(&entry).ok());
    if liveness.as_ref().is_some_and(|l| l.connected) {
        return match own {
            Some(ended) if ended.elapsed() < AFTERGLOW => Rival::Wait,
            Some(_) | None => Rival::There(joined()),
        };
    }
    if own.is_some() || context.hosting.disks.is_there(uid) {
        return Rival::None;
    }
    let snapshot = context.store.snapshot();
    if seen(&snapshot, uid).is_none_or(|seen| seen.boot == 0) {
        return Rival::None;
    }
    let silent = match liveness {
        // How long by the wall clock: at worst an agent that comes back is the later one, and wins.
        Some(liveness) => {
            let now = context.env.clock.now();
            let seconds = now.as_second().saturating_sub(liveness.since.as_second());
            Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
        }
        None => shared.began.elapsed(),
    };
    if silent < context.hosting.calls_within {
        Rival::Wait
    } else {
        Rival::None
    }
}

/// What is said of a cluster with an agent of its own.
pub(super) fn joined() -> HostedProblem {
    problem(
        AGENT_JOINED,
        format!(
            "an agent of this cluster's own has joined and looks after it, so spec.kubeconfig is not used: either take \
             spec.kubeconfig away, or stop that agent (on the cluster: kubectl -n roadstead-system delete deployment \
             roadstead-agent), and the hub takes its place within {} s",
            AGENTS_CALL_WITHIN.as_secs()
        ),
    )
}

fn seen(snapshot: &Snapshot, uid: &str) -> Option<SeenRecord> {
    let key = records::seen_key(uid).ok()?;
    records::decode(snapshot.get(key.as_str())?).ok()
}

/// The member that the cluster `uid` is bound to, by the uid of its `kube-system` namespace.
pub(super) fn member_of(snapshot: &Snapshot, uid: &str) -> Option<String> {
    seen(snapshot, uid).map(|seen| seen.member_uid)
}

/// The detached clusters that `member` was before it became the cluster `uid`: what they were given may
/// still be there.
pub(super) fn past_of(snapshot: &Snapshot, uid: &str, member: &str) -> Vec<String> {
    let all = snapshot.range(SEEN_PREFIX).filter_map(|entry| {
        let other = entry.key.as_str().strip_prefix(SEEN_PREFIX)?;
        let record: SeenRecord = records::decode(entry).ok()?;
        (other != uid && record.revoked && record.member_uid == member).then(|| other.to_owned())
    });
    all.take(PAST_MAX).collect()
}

/// Namespace and name of another cluster than `uid` that is bound to `member`.
pub(super) fn other_of(snapshot: &Snapshot, uid: &str, member: &str) -> Option<String> {
    let bound = snapshot.range(SEEN_PREFIX).filter_map(|entry| {
        let other = entry.key.as_str().strip_prefix(SEEN_PREFIX)?;
        let record: SeenRecord = records::decode(entry).ok()?;
        (other != uid && !record.revoked && record.member_uid == member).then(|| other.to_owned())
    });
    let bound: Vec<String> = bound.collect();
    let prefix = records::objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS);
    snapshot.range(&prefix).find_map(|entry| {
        if bound.is_empty() {
            return None;
        }
        let AttachedCluster { metadata, .. } = records::decode(entry).ok()?;
        bound
            .contains(&metadata.uid)
            .then(|| format!("{}/{}", metadata.namespace, metadata.name))
    })
}
