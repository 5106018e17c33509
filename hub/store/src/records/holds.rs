//! What waits for a user on the clusters: an extract of the reports, so that nobody has to read them
//! all to find the few that matter. Kept in memory, beside the reports and by the same transactions.
//!
//! - `/holds/<cluster-uid>/<group|core>/<kind>/<namespace|_>/<name>`: a [`HoldRecord`].
//!
//! And durable, so that a hub that starts knows what it showed, whoever is away:
//! - `/shown/<cluster-uid>`: a [`ShownRecord`].

use roadstead_protocol::wire::frame::Freeze;
use roadstead_protocol::wire::report::{ItemReport, ItemState};
use roadstead_protocol::wire::{ItemKey, Stamp};
use serde::{Deserialize, Serialize};

use crate::{InvalidKey, Key};

use super::{item_key, join, parse_item_key};

/// What all holds' keys begin with.
pub const HOLDS_PREFIX: &str = "/holds/";
/// What all keys of what was shown begin with.
pub const SHOWN_PREFIX: &str = "/shown/";
/// Most holds of one cluster that are remembered over a start of the hub.
pub const SHOWN_MAX: usize = 1000;
/// Reason of a report of a delete that was acknowledged and hangs: finalizers, or the member refuses.
pub const DELETION_PENDING: &str = "DeletionPending";
/// Reason of a report about an item that the hub does not name.
pub const NOT_IN_HUB: &str = "NotInHub";

/// What a report says that somebody has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldRecord {
    /// How far it got.
    pub state: ItemState,
    /// Why, in CamelCase.
    pub reason: String,
    /// For people.
    pub message: String,
    /// What is on the spot.
    pub stamp: Stamp,
}

impl HoldRecord {
    /// Of a report that somebody has to look at; `None` of any other.
    pub fn of(report: &ItemReport) -> Option<Self> {
        let waits = match report.state {
            ItemState::Held | ItemState::Unclaimed => true,
            ItemState::Pending => report.reason == DELETION_PENDING,
            ItemState::Applied => report.key == Freeze::key(),
            ItemState::Conflict | ItemState::Failed | ItemState::Removed => false,
        };
        waits.then(|| Self {
            state: report.state,
            reason: report.reason.clone(),
            message: report.message.clone(),
            stamp: report.stamp,
        })
    }

    /// Whether it ends by an order that names its stamp.
    pub fn is_hold(&self) -> bool {
        matches!(self.state, ItemState::Held | ItemState::Unclaimed)
    }
}

/// What was shown of a cluster last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownRecord {
    /// What waits, in the order of the keys; at most [`SHOWN_MAX`].
    pub holds: Vec<(ItemKey, HoldRecord)>,
}

/// The key of what was shown of a cluster.
pub fn shown_key(cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(SHOWN_PREFIX, &[cluster_uid])
}

/// The key of the hold on `item` on a cluster.
pub fn hold_key(cluster_uid: &str, item: &ItemKey) -> Result<Key, InvalidKey> {
    item_key(HOLDS_PREFIX, cluster_uid, item)
}

/// What the keys of a cluster's holds begin with.
pub fn holds_prefix(cluster_uid: &str) -> String {
    format!("{HOLDS_PREFIX}{cluster_uid}/")
}

/// The cluster's uid and the item, if `key` is a hold's.
pub fn parse_hold_key(key: &str) -> Option<(String, ItemKey)> {
    parse_item_key(HOLDS_PREFIX, key)
}
