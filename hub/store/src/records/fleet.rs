//! What is known of the clusters and need not survive: kept in a store in memory.
//!
//! - `/liveness/<cluster-uid>`: a [`Liveness`].
//! - `/reports/<cluster-uid>/<group|core>/<kind>/<namespace|_>/<name>`: a [`ReportRecord`].
//! - `/facts/<cluster-uid>`: the facts as the agent sent them, JSON.
//! - `/turned-away/<cluster-uid>`: a [`TurnedAway`].
//! - `/acked/<cluster-uid>`: the last acknowledged revision, a number.

use bytes::Bytes;
use jiff::Timestamp;
use roadstead_protocol::wire::report::{Health, ItemReport, ItemState};
use roadstead_protocol::wire::{ItemKey, Stamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{InvalidKey, Key};

use super::{item_key, join, parse_item_key};

/// What all liveness records' keys begin with.
pub const LIVENESS_PREFIX: &str = "/liveness/";
/// What all reports' keys begin with.
pub const REPORTS_PREFIX: &str = "/reports/";
/// What all facts' keys begin with.
pub const FACTS_PREFIX: &str = "/facts/";
/// What the keys of all agents that were turned away begin with.
pub const TURNED_AWAY_PREFIX: &str = "/turned-away/";
/// What all acknowledged revisions' keys begin with.
pub const ACKED_PREFIX: &str = "/acked/";

/// Whether a cluster's agent is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Liveness {
    /// A session is open.
    pub connected: bool,
    /// Since when it is as `connected` says.
    pub since: Timestamp,
    /// When something was heard last.
    pub last_heard: Timestamp,
    /// The agent's release.
    pub release: String,
    /// The agent's boot counter.
    pub boot: u64,
    /// The address that it comes from.
    pub remote: String,
    /// What it understands beyond the first release: bits of `wire::frame::features`.
    #[serde(default)]
    pub features: u64,
}

/// An agent that came with a cluster's identity and was turned away, because a newer one has it: a
/// copy of the agent's folder runs somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnedAway {
    /// When it came last, within a few minutes.
    pub at: Timestamp,
    /// Its boot counter.
    pub boot: u64,
    /// The address that it came from.
    pub remote: String,
    /// What it was told.
    pub message: String,
}

/// What an agent reported of one item, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportRecord {
    /// When the hub received it.
    pub received: Timestamp,
    /// Which item.
    pub key: ItemKey,
    /// The stamp of what is applied, or of what was tried.
    pub stamp: Stamp,
    /// How far it got.
    pub state: ItemState,
    /// As in a Kubernetes condition.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The object's generation on the member; 0 where unknown.
    pub generation: i64,
    /// How the object is.
    pub health: Health,
    /// The object's `.status`, where there is one and it was valid JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<RawValue>>,
}

impl ReportRecord {
    /// Of `report`, received at `received`.
    pub fn new(report: ItemReport, received: Timestamp) -> Self {
        let ItemReport {
            key,
            stamp,
            state,
            reason,
            message,
            generation,
            health,
            status,
        } = report;
        let status = serde_json::from_slice(&status).ok();
        Self {
            received,
            key,
            stamp,
            state,
            reason,
            message,
            generation,
            health,
            status,
        }
    }

    /// The raw JSON of the object's `.status`; empty where there is none.
    pub fn status_json(&self) -> Bytes {
        let raw = self
            .status
            .as_ref()
            .map(|raw| Bytes::copy_from_slice(raw.get().as_bytes()));
        raw.unwrap_or_default()
    }
}

/// The key of a cluster's liveness record.
pub fn liveness_key(cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(LIVENESS_PREFIX, &[cluster_uid])
}

/// The key of the agent that was turned away from a cluster's place.
pub fn turned_away_key(cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(TURNED_AWAY_PREFIX, &[cluster_uid])
}

/// The key of a cluster's facts.
pub fn facts_key(cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(FACTS_PREFIX, &[cluster_uid])
}

/// The key of the revision that a cluster acknowledged last.
pub fn acked_key(cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(ACKED_PREFIX, &[cluster_uid])
}

/// The key of the report of `item`.
pub fn report_key(cluster_uid: &str, item: &ItemKey) -> Result<Key, InvalidKey> {
    item_key(REPORTS_PREFIX, cluster_uid, item)
}

/// What the keys of a cluster's reports begin with.
pub fn reports_prefix(cluster_uid: &str) -> String {
    format!("{REPORTS_PREFIX}{cluster_uid}/")
}

/// The cluster's uid and the item, if `key` is a report's.
pub fn parse_report_key(key: &str) -> Option<(String, ItemKey)> {
    parse_item_key(REPORTS_PREFIX, key)
}
