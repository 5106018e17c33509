//! What later releases say beyond the first: each sort only where both ends agreed on its feature.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::wire::bounded;
use crate::wire::limits::{META_MAX, PARTS_MAX};
use crate::wire::{Digest, ItemKey, Meta, Revision, Stamp};

/// Nothing on the cluster is to be touched while `frozen`, whatever else is said: no apply, no
/// delete, no repair. Stamped like an item, and held on a fork like one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Given when.
    pub stamp: Stamp,
    /// Whether it holds or is lifted.
    pub frozen: bool,
    /// Why, in the words of whoever did it. Bounded by `MESSAGE_BYTES_MAX`.
    pub reason: String,
    /// How to treat it; [`Meta::Replaces`] ends a hold on it, all else is ignored.
    #[serde(deserialize_with = "bounded::list::<META_MAX, _, _>")]
    pub meta: Vec<Meta>,
}

impl Freeze {
    /// The key under which an agent reports what became of a freeze.
    pub fn key() -> ItemKey {
        ItemKey {
            group: "roadstead.dev".to_owned(),
            kind: "Freeze".to_owned(),
            namespace: String::new(),
            name: "freeze".to_owned(),
        }
    }
}

/// The object as it is on the member is asked for. Answered once by [`Fetched`], in as many pieces
/// as it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Names the question within its session.
    pub id: u64,
    /// Which object.
    pub key: ItemKey,
}

/// A piece of an object that was asked for. Pieces of one object come in order, without gaps, and
/// without pieces of others in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Of which question.
    pub id: u64,
    /// Which object.
    pub key: ItemKey,
    /// Where the piece begins.
    pub offset: u32,
    /// How long the whole is, in bytes.
    pub total: u32,
    /// The piece of the object's JSON.
    pub bytes: Bytes,
    /// Why there is no content; empty where there is. It ends the answer. Bounded by
    /// `MESSAGE_BYTES_MAX`.
    pub problem: String,
}

/// As [`Want`](super::Want), by an agent that has another content. The hub answers with a [`Delta`] over that, or
/// with the whole, as it likes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantOver {
    /// Which item.
    pub key: ItemKey,
    /// At which revision.
    pub revision: Revision,
    /// What the agent has.
    pub base: Digest,
}

/// A content, as what differs from another that the agent said it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Of which content.
    pub digest: Digest,
    /// Over which.
    pub base: Digest,
    /// How long the whole is, in bytes.
    pub total: u32,
    /// What it is made of, in order.
    #[serde(deserialize_with = "bounded::list::<PARTS_MAX, _, _>")]
    pub parts: Vec<Part>,
}

/// A part of a content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Bytes of the base.
    Copy {
        /// Where they begin.
        offset: u32,
        /// How many they are.
        length: u32,
    },
    /// Other bytes.
    New(Bytes),
}
