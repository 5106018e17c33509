//! Freezes, and what users answered to holds.
//!
//! Durable:
//! - `/freeze/<cluster-uid>`: a [`FreezeRecord`]. Its entry's revision is the revision of the stamp
//!   that travels; it stays, with `frozen: false`, when the freeze is lifted.
//! - `/answers/<cluster-uid>/<group|core>/<kind>/<namespace|_>/<name>`: an [`Answer`]; the next
//!   ledger entry of that key names what it replaces, and ends it in the same transaction.
//!
//! In memory, so that a member's object can be asked for:
//! - `/fetches/<cluster-uid>/<id>`: a [`FetchRequest`].
//! - `/fetched/<cluster-uid>/<id>`: its [`FetchResult`]. Whoever asked deletes both.

use bytes::Bytes;
use roadstead_protocol::wire::{ItemKey, Stamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{InvalidKey, Key};

use super::{item_key, join, parse_item_key};

/// What all freezes' keys begin with.
pub const FREEZE_PREFIX: &str = "/freeze/";
/// What all answers' keys begin with.
pub const ANSWERS_PREFIX: &str = "/answers/";
/// What all requests for a member's object begin with.
pub const FETCHES_PREFIX: &str = "/fetches/";
/// What all results of such requests begin with.
pub const FETCHED_PREFIX: &str = "/fetched/";
/// Most stamps that an answer, and a ledger entry, names as replaced: the newest.
pub const REPLACES_MAX: usize = 4;
/// Most requests for objects of one cluster that wait at a time.
pub const FETCHES_WAITING_MAX: usize = 16;

/// Whether a cluster is frozen: nothing is applied, deleted or repaired there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreezeRecord {
    /// It is.
    pub frozen: bool,
    /// Why, in the user's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The stamp of another history's freeze that this one replaces by a user's act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Stamp>,
}

/// A user's answer to a hold: the hub's word for this key may act over these stamps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// What was shown as being there; at most [`REPLACES_MAX`], the newest last.
    pub replaces: Vec<Stamp>,
}

impl Answer {
    /// Adds `stamp` as the newest; the oldest makes room.
    pub fn add(&mut self, stamp: Stamp) {
        self.replaces.retain(|known| *known != stamp);
        self.replaces.push(stamp);
        let over = self.replaces.len().saturating_sub(REPLACES_MAX);
        self.replaces.drain(..over);
    }
}

/// A request for an object as it is on the member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchRequest {
    /// Which object.
    pub key: ItemKey,
}

/// What came of such a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FetchResult {
    /// The object's JSON, as the member's API gave it.
    Content(Box<RawValue>),
    /// Why there is none.
    Problem(String),
}

impl FetchResult {
    /// Of what an agent sent; what is no JSON is a problem.
    pub fn new(content: Result<Bytes, String>) -> Self {
        match content.map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(raw)) => Self::Content(raw),
            Ok(Err(error)) => Self::Problem(format!("the agent sent no JSON: {error}")),
            Err(problem) => Self::Problem(problem),
        }
    }
}

/// The key of a cluster's freeze.
pub fn freeze_key(cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(FREEZE_PREFIX, &[cluster_uid])
}

/// The key of the answer about `item` on a cluster.
pub fn answer_key(cluster_uid: &str, item: &ItemKey) -> Result<Key, InvalidKey> {
    item_key(ANSWERS_PREFIX, cluster_uid, item)
}

/// What the keys of a cluster's answers begin with.
pub fn answers_prefix(cluster_uid: &str) -> String {
    format!("{ANSWERS_PREFIX}{cluster_uid}/")
}

/// The cluster's uid and the item, if `key` is an answer's.
pub fn parse_answer_key(key: &str) -> Option<(String, ItemKey)> {
    parse_item_key(ANSWERS_PREFIX, key)
}

/// The key of a request; the id is the asker's, unique among those that wait.
pub fn fetch_key(cluster_uid: &str, id: u64) -> Result<Key, InvalidKey> {
    join(FETCHES_PREFIX, &[cluster_uid, &id.to_string()])
}

/// What the keys of a cluster's requests begin with.
pub fn fetches_prefix(cluster_uid: &str) -> String {
    format!("{FETCHES_PREFIX}{cluster_uid}/")
}

/// The cluster's uid and the request's id, if `key` is a request's.
pub fn parse_fetch_key(key: &str) -> Option<(String, u64)> {
    let (uid, id) = key.strip_prefix(FETCHES_PREFIX)?.split_once('/')?;
    Some((uid.to_owned(), id.parse().ok()?))
}

/// The key of a request's result.
pub fn fetched_key(cluster_uid: &str, id: u64) -> Result<Key, InvalidKey> {
    join(FETCHED_PREFIX, &[cluster_uid, &id.to_string()])
}
