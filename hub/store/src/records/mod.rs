//! The keys and records through which the hub's parts meet, for they never call one another.
//!
//! Values are JSON. The store itself knows nothing of this.

mod answers;
mod authority;
mod fleet;
mod groups;
mod holds;
mod hosted;
mod ledger;
mod links;
mod objects;
mod rollout;
mod world;

use bytes::Bytes;
use roadstead_protocol::wire::ItemKey;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Entry, InvalidKey, Key};

pub use answers::{
    ANSWERS_PREFIX, Answer, FETCHED_PREFIX, FETCHES_PREFIX, FETCHES_WAITING_MAX, FREEZE_PREFIX,
    FetchRequest, FetchResult, FreezeRecord, REPLACES_MAX, answer_key, answers_prefix, fetch_key,
    fetched_key, fetches_prefix, freeze_key, parse_answer_key, parse_fetch_key,
};
pub use authority::{
    AuthorityRecord, JoinTokenRecord, SEEN_PREFIX, SeenRecord, TOKENS_PREFIX, authority_key,
    seen_key, token_key,
};
pub use fleet::{
    ACKED_PREFIX, FACTS_PREFIX, LIVENESS_PREFIX, Liveness, REPORTS_PREFIX, ReportRecord,
    TURNED_AWAY_PREFIX, TurnedAway, acked_key, facts_key, liveness_key, parse_report_key,
    report_key, reports_prefix, turned_away_key,
};
pub use groups::{GROUPS_PREFIX, group_key};
pub use holds::{
    DELETION_PENDING, HOLDS_PREFIX, HoldRecord, NOT_IN_HUB, SHOWN_MAX, SHOWN_PREFIX, ShownRecord,
    hold_key, holds_prefix, parse_hold_key, shown_key,
};
pub use hosted::{AGENT_JOINED, HOSTED_PREFIX, HostedProblem, HostedRecord, hosted_key};
pub use ledger::{
    APPROVALS_PREFIX, APPROVED_MAX, ApprovalRecord, CONTENT_PREFIX, DELETIONS_PREFIX,
    DeletionRecord, LEDGER_PREFIX, LedgerEntry, LedgerState, ObjectRef, approval_key, content_key,
    deletion_key, ledger_key, ledger_prefix, parse_content_key, parse_ledger_key,
};
pub use links::{AWAITS_PREFIX, Link, REQUIRES_PREFIX, link_key, links_prefix, parse_link_key};
pub use objects::{
    OBJECTS_PREFIX, ObjectKey, object_key, objects_namespace_prefix, objects_prefix,
    parse_object_key,
};
pub use rollout::{
    ADMITTED_PREFIX, BUDGET_PREFIX, RELEASES_PREFIX, ROLLOUT_PREFIX, admitted_key, admitted_prefix,
    budget_key, parse_of_policy, release_key, releases_prefix, rollout_key,
};
pub use world::{ROOM_KEY, WORLD_KEY, in_world, room_key, world_key};

/// What stands in a key for an empty group.
pub const CORE_GROUP: &str = "core";
/// What stands in a key for the namespace of a cluster-scoped object.
pub const NO_NAMESPACE: &str = "_";

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the record {key} is not readable: {source}")]
pub struct Unreadable {
    /// Which.
    pub key: Key,
    /// Why.
    pub source: serde_json::Error,
}

/// The value of `entry` as the record it should be.
pub fn decode<T: DeserializeOwned>(entry: &Entry) -> Result<T, Unreadable> {
    serde_json::from_slice(&entry.value).map_err(|source| Unreadable {
        key: entry.key.clone(),
        source,
    })
}

/// `record` as a value.
///
/// The records of this module always encode; the error is for what callers bring themselves (a map
/// with keys that are no strings).
pub fn encode<T: Serialize>(record: &T) -> Result<Bytes, serde_json::Error> {
    let mut bytes = serde_json::to_vec(record)?;
    // It stays in memory for as long as it stands in the store.
    bytes.shrink_to_fit();
    Ok(Bytes::from(bytes))
}

/// `/`-separated, each part one segment.
fn join(prefix: &str, parts: &[&str]) -> Result<Key, InvalidKey> {
    let mut text = prefix.to_owned();
    for (i, part) in parts.iter().enumerate() {
        if part.contains('/') {
            return Err(InvalidKey {
                key: (*part).to_owned(),
                problem: "a part has a '/'",
            });
        }
        if i > 0 {
            text.push('/');
        }
        text.push_str(part);
    }
    Key::parse(&text)
}

fn group_part(group: &str) -> &str {
    if group.is_empty() { CORE_GROUP } else { group }
}

fn namespace_part(namespace: &str) -> &str {
    if namespace.is_empty() {
        NO_NAMESPACE
    } else {
        namespace
    }
}

fn part_group(part: &str) -> &str {
    if part == CORE_GROUP { "" } else { part }
}

fn part_namespace(part: &str) -> &str {
    if part == NO_NAMESPACE { "" } else { part }
}

/// The key of `item` under `prefix` and a cluster's uid.
fn item_key(prefix: &str, cluster_uid: &str, item: &ItemKey) -> Result<Key, InvalidKey> {
    let (group, namespace) = (group_part(&item.group), namespace_part(&item.namespace));
    join(
        prefix,
        &[cluster_uid, group, &item.kind, namespace, &item.name],
    )
}

/// The cluster's uid and the item's key that `key` consists of.
fn parse_item_key(prefix: &str, key: &str) -> Option<(String, ItemKey)> {
    let mut parts = key.strip_prefix(prefix)?.split('/');
    let cluster_uid = parts.next()?.to_owned();
    let item = ItemKey {
        group: part_group(parts.next()?).to_owned(),
        kind: parts.next()?.to_owned(),
        namespace: part_namespace(parts.next()?).to_owned(),
        name: parts.next()?.to_owned(),
    };
    parts.next().is_none().then_some((cluster_uid, item))
}

#[cfg(test)]
mod tests;
