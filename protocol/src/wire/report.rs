//! What an agent says about the objects and the cluster it looks after.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::item::ItemKey;
use super::stamp::Stamp;

/// What has become of one item on the member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemReport {
    /// Which item.
    pub key: ItemKey,
    /// The stamp of what is applied, or of what was tried.
    pub stamp: Stamp,
    /// How far it got.
    pub state: ItemState,
    /// A CamelCase reason, as in a Kubernetes condition.
    pub reason: String,
    /// For people; the member's API server's own words where there are any. Bounded.
    pub message: String,
    /// The object's `metadata.generation` on the member when this was observed; 0 where unknown.
    pub generation: i64,
    /// How the object is.
    pub health: Health,
    /// The raw JSON of the object's `.status`, empty where there is none or it exceeds its bound.
    pub status: Bytes,
}

/// How far an item got on the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemState {
    /// Known and durable at the agent, not yet on the member.
    Pending,
    /// The member's API has it as it was given.
    Applied,
    /// Something is there that is not ours, or owns our fields, and the policy does not say Overwrite.
    Conflict,
    /// The member's API refused it; it is tried again with back-off.
    Failed,
    /// The agent refuses to act over something from another history, or newer.
    Held,
    /// A tombstone was carried out: the object is gone, or was let go.
    Removed,
    /// On the member under our label and in no list of either side.
    Unclaimed,
}

/// How an object is, judged by its kind's own rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Nothing is known.
    Unknown,
    /// On its way.
    Progressing,
    /// As it should be.
    Healthy,
    /// It failed, or is stuck.
    Degraded,
    /// Paused or suspended on purpose.
    Suspended,
}
