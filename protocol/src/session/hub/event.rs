//! What a hub's session is told at its start, and what it asks of its shell.
//!
//! Shapes only.

use std::sync::Arc;

use bytes::Bytes;

use crate::session::Ending;
use crate::wire::frame::{Hello, Mode, Refused};
use crate::wire::report::ItemReport;
use crate::wire::{Digest, Epoch, ItemKey, Lineage, Revision, Stamp};

/// What a hub tells every agent in its welcome.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// The hub's release, for people.
    pub release: String,
    /// The identity that the hub keeps for life.
    pub hub: String,
    /// The UID of the cluster that the certificate names.
    pub cluster: String,
    /// The life that the hub is in.
    pub epoch: Epoch,
    /// The lives that its history has had; the last one is `epoch`'s.
    pub lineage: Arc<Lineage>,
    /// Addresses at which the hub is to be found, as `host:port`.
    pub addresses: Vec<String>,
    /// PEM of the authorities that sign hubs and agents.
    pub authorities: Vec<String>,
    /// What the hub understands beyond the first release.
    pub features: u64,
}

/// What the shell decides about a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Let it in.
    Welcome {
        /// The ledger may lack tombstones at and below this revision: an agent that stands before
        /// it compares. `Revision(0)` where nothing was ever removed.
        floor: Revision,
    },
    /// Turn it away.
    Refuse(Refused),
}

/// What the hub's shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubEvent {
    /// An agent says who it is: decide, then `admit`.
    Hello(Hello),
    /// The session is on. Nothing to do.
    Admitted(Mode),
    /// Read this cluster's ledger: entries with a revision above `after`, ascending, at most
    /// `room`; answer with `offer`, and then with `synced` if these were all there are.
    NeedChanges {
        /// Above this revision.
        after: Revision,
        /// At most so many; at least 1.
        room: usize,
    },
    /// Read a content and answer with `content`, or with `gone`.
    NeedContent {
        /// Which content.
        digest: Digest,
        /// Another one that the agent has: with its bytes, `content_over` is the better answer.
        base: Option<Digest>,
    },
    /// An entry that was offered cannot travel and was left out: it exceeds a bound, its stamp is
    /// not of this history, or its content is not as long as it says. A fault of this hub.
    Unsendable {
        /// Which item.
        key: ItemKey,
        /// Its stamp.
        stamp: Stamp,
        /// What is wrong with it.
        reason: String,
    },
    /// Everything up to here is durable at the agent.
    Acked(Revision),
    /// What became of items. Newest wins.
    Reports(Vec<ItemReport>),
    /// What the cluster is like: bounded JSON.
    Facts(Bytes),
    /// What became of a `fetch`.
    Fetched {
        /// Its id.
        id: u64,
        /// Which object.
        key: ItemKey,
        /// The object as it is on the member, as the agent sent it, or why there is none.
        content: Result<Bytes, String>,
    },
    /// The session is over; send what is left to send, then close the connection.
    Closed(Ending),
}
