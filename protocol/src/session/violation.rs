//! How a session ends: a peer that breaks the rules, a refusal, a deadline.
//!
//! Loss of the connection is not here: the shell sees it first.

use crate::wire::frame::Refused;
use crate::wire::{Digest, ItemKey, Revision, Stamp};

/// A peer did what the protocol forbids. The session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A frame that does not belong to this phase.
    #[error("{frame} came {phase}")]
    OutOfPhase {
        /// The frame's name.
        frame: &'static str,
        /// Where the session was, as in "before hello".
        phase: &'static str,
    },
    /// A value beyond its bound.
    #[error("frame exceeds a bound: {0}")]
    Bound(#[from] crate::wire::codec::Exceeded),
    /// A stamp that is not of the hub's own lineage.
    #[error("stamp {stamp} of {key} is not in the hub's lineage")]
    ForeignStamp {
        /// Of which item.
        key: ItemKey,
        /// The stamp.
        stamp: Stamp,
    },
    /// Revisions must grow.
    #[error("revision {revision} came after {after}")]
    NotAscending {
        /// What came.
        revision: Revision,
        /// After what.
        after: Revision,
    },
    /// More announced and not acknowledged than the window allows.
    #[error("more than {limit} changes are unacknowledged")]
    Window {
        /// How many may be.
        limit: usize,
    },
    /// An acknowledgement of something that was not sent, or was acknowledged before.
    #[error("acknowledged {stamp} where {acked} to {sent} was possible")]
    Ack {
        /// What was acknowledged.
        stamp: Stamp,
        /// Acknowledged before.
        acked: Revision,
        /// Sent last.
        sent: Revision,
    },
    /// Content was asked for by an item that is not announced and unacknowledged.
    #[error("asked for the content of {key} at {revision}, which is not on offer")]
    Want {
        /// Which item.
        key: ItemKey,
        /// At which revision.
        revision: Revision,
    },
    /// Content that nobody asked for.
    #[error("content {digest} was not asked for")]
    Unasked {
        /// Which content.
        digest: Digest,
    },
    /// A piece of content that does not follow the one before, or is empty.
    #[error("content {digest} continued at {offset}, expected {expected}")]
    Gap {
        /// Which content.
        digest: Digest,
        /// Where the piece begins.
        offset: u32,
        /// Where it should.
        expected: u32,
    },
    /// A content is not as long as its put said.
    #[error("content {digest} is {got} bytes long where {announced} were announced")]
    Length {
        /// Which content.
        digest: Digest,
        /// What the pieces say.
        got: u32,
        /// What the put said.
        announced: u32,
    },
    /// A content whose bytes are not those of its digest.
    #[error("content {digest} has other bytes than its digest names")]
    Corrupt {
        /// Which content.
        digest: Digest,
    },
    /// A withdrawal of something that was not announced.
    #[error("withdrew {key} at {revision}, which was not announced")]
    Withdrawn {
        /// Which item.
        key: ItemKey,
        /// At which revision.
        revision: Revision,
    },
    /// An answer that does not belong to a question, or a piece of one that does not follow.
    #[error("answered the question {id} out of order, or unasked")]
    Fetched {
        /// The question's id.
        id: u64,
    },
    /// More questions than may be open, or the same twice.
    #[error("more than {limit} questions are open, or one was asked twice")]
    Fetches {
        /// How many may be.
        limit: usize,
    },
    /// A frame of a feature that was not agreed on.
    #[error("{frame} was not agreed on")]
    Feature {
        /// The frame's name.
        frame: &'static str,
    },
    /// A welcome that makes no sense for this agent.
    #[error("welcome {0}")]
    Welcome(&'static str),
}

/// Why a session ended without the connection being lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The hub turned the agent away. At the hub: the refusal has been queued for sending.
    Refused(Refused),
    /// The peer said nothing in time; the text names what was awaited.
    Late(&'static str),
}
