//! Whether a cluster was detached, or its identity replaced: by somebody's act, which left a mark,
//! and never by its absence.
//!
//! A hub that merely does not know a cluster, as after it was restored from a backup, says nothing
//! about it.

use jiff::Timestamp;
use roadstead_protocol::api::names;
use roadstead_store::Snapshot;
use roadstead_store::records::{self, SeenRecord};
use serde_json::Value;

/// Whether a user detached the cluster: its identity was revoked, or its object's deletion is on
/// record or under way.
pub fn is_detached(snapshot: &Snapshot, cluster_uid: &str) -> bool {
    let seen = records::seen_key(cluster_uid).ok();
    let revoked = seen
        .and_then(|key| snapshot.get(key.as_str()).cloned())
        .and_then(|entry| records::decode::<SeenRecord>(&entry).ok())
        .is_some_and(|seen| seen.revoked);
    let recorded =
        records::deletion_key(cluster_uid).is_ok_and(|key| snapshot.get(key.as_str()).is_some());
    revoked || recorded || is_leaving(snapshot, cluster_uid)
}

/// Since when another identity stands in the place of one whose certificate was made at `issued`:
/// the cluster was joined anew. The folder that the older one is in may turn up again.
pub fn superseded(seen: &SeenRecord, issued: Timestamp) -> Option<Timestamp> {
    seen.since.filter(|since| issued < *since)
}

/// Whether the cluster's object is there and being deleted.
fn is_leaving(snapshot: &Snapshot, cluster_uid: &str) -> bool {
    let prefix = records::objects_prefix(names::CLUSTER_GROUP, names::ATTACHED_CLUSTERS);
    snapshot.range(&prefix).any(|entry| {
        let object = records::decode::<Value>(entry).unwrap_or_default();
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
        let leaving = object.pointer("/metadata/deletionTimestamp");
        uid == Some(cluster_uid) && leaving.is_some_and(|at| !at.is_null())
    })
}
