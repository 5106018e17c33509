//! What each cluster is to have, durable: decisions' ledgers, contents, and users' deletions.
//!
//! - `/ledger/<cluster-uid>/<group|core>/<kind>/<namespace|_>/<name>`: a [`LedgerEntry`]. Its
//!   entry's revision is the revision of the stamp that travels to the cluster.
//! - `/content/<digest>`: canonical JSON, once for all clusters.
//! - `/deletions/<uid>`: a [`DeletionRecord`].
//! - `/approvals/<policy-uid>`: an [`ApprovalRecord`].

use jiff::Timestamp;
use roadstead_protocol::wire::{Digest, ItemKey, Meta};
use serde::{Deserialize, Serialize};

use crate::{InvalidKey, Key};

use super::{item_key, join, parse_item_key};

/// What all ledgers' keys begin with.
pub const LEDGER_PREFIX: &str = "/ledger/";
/// What all contents' keys begin with.
pub const CONTENT_PREFIX: &str = "/content/";
/// What all deletion records' keys begin with.
pub const DELETIONS_PREFIX: &str = "/deletions/";

/// What all approvals' keys begin with.
pub const APPROVALS_PREFIX: &str = "/approvals/";
/// Most removals that an approval names. What is larger is not kept: after a restart halfway the rest
/// has to be confirmed again.
pub const APPROVED_MAX: usize = 150_000;

/// One item of a cluster's desired set, or the tombstone of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// To be there, or to go.
    pub state: LedgerState,
    /// How it is to be treated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meta: Vec<Meta>,
    /// The Decision that it belongs to.
    pub decision: ObjectRef,
    /// The uid of the template that it was rendered from.
    pub template_uid: String,
    /// The uids of the policies that sent it there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// Whether an item is to be there or to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LedgerState {
    /// It is to be there.
    Put {
        /// Of its canonical JSON.
        #[serde(with = "hexadecimal")]
        digest: Digest,
        /// Of its canonical JSON, in bytes.
        size: u64,
    },
    /// It is to go.
    Tombstone,
}

/// A namespaced object of a kind that is known from the context.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Its namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// That a user deleted a template or a policy; written in the transaction that deleted it. Only
/// this, never an absence, lets a decision remove anything from a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletionRecord {
    /// The key that the object had in the store.
    pub key: String,
    /// Its API group; empty for the core group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// When it was deleted.
    pub at: Timestamp,
    /// Whether what it put on members is to stay there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preserve: bool,
}

/// What a user confirmed on a policy, kept while it is carried out template by template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRecord {
    /// What the policy bore.
    pub token: String,
    /// Marks of the removals that it confirmed; at most [`APPROVED_MAX`].
    pub losses: Vec<String>,
}

/// The key of what was confirmed on the policy with this uid.
pub fn approval_key(policy_uid: &str) -> Result<Key, InvalidKey> {
    join(APPROVALS_PREFIX, &[policy_uid])
}

/// The key of `item` in a cluster's ledger.
pub fn ledger_key(cluster_uid: &str, item: &ItemKey) -> Result<Key, InvalidKey> {
    item_key(LEDGER_PREFIX, cluster_uid, item)
}

/// What the keys of a cluster's ledger begin with.
pub fn ledger_prefix(cluster_uid: &str) -> String {
    format!("{LEDGER_PREFIX}{cluster_uid}/")
}

/// The cluster's uid and the item, if `key` is in a ledger.
pub fn parse_ledger_key(key: &str) -> Option<(String, ItemKey)> {
    parse_item_key(LEDGER_PREFIX, key)
}

/// The key of the content with this digest.
pub fn content_key(digest: &Digest) -> Result<Key, InvalidKey> {
    join(CONTENT_PREFIX, &[&digest.to_string()])
}

/// The digest, if `key` is a content's.
pub fn parse_content_key(key: &str) -> Option<Digest> {
    parse_digest(key.strip_prefix(CONTENT_PREFIX)?)
}

fn parse_digest(hex: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if hex.len() != digest.len() * 2 {
        return None;
    }
    for (i, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(i * 2..i * 2 + 2)?, 16).ok()?;
    }
    Some(Digest(digest))
}

/// The key of the deletion record of the object with this uid.
pub fn deletion_key(uid: &str) -> Result<Key, InvalidKey> {
    join(DELETIONS_PREFIX, &[uid])
}

/// A digest as text.
mod hexadecimal {
    use roadstead_protocol::wire::Digest;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(from)?;
        super::parse_digest(&text).ok_or_else(|| D::Error::custom("not a digest"))
    }
}
