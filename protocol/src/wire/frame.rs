//! The frames, one enum per direction.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::bounded;
use super::item::{Digest, ItemKey, Meta};
use super::limits::{ADDRESSES_MAX, AUTHORITIES_MAX, META_MAX, REPORTS_MAX, SUMMARY_ENTRIES_MAX};
use super::report::ItemReport;
use super::stamp::{Epoch, Lineage, Revision, Stamp};

mod later;

pub use later::{Delta, Fetch, Fetched, Freeze, Part, WantOver};

/// A stream of its own, so that one kind of traffic does not delay another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// Hello, acknowledgements, wants, refusals: small and prompt. Both directions.
    Control,
    /// The welcome, then puts and tombstones in revision order. Hub to agent.
    Desired,
    /// Contents in chunks. Hub to agent.
    Content,
    /// Reports and facts. Agent to hub.
    Reports,
}

/// What a hub says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HubFrame {
    /// The session is on.
    Welcome(Welcome),
    /// It is not, and why. The last frame of a session.
    Refused(Refused),
    /// The cluster is to have this.
    Put(Put),
    /// The cluster is to lose this.
    Tombstone(Tombstone),
    /// A piece of a content.
    Content(Content),
    /// A part of the whole desired set, for comparison after a lost place.
    Summary(Summary),
    /// Everything up to this revision has been sent.
    Synced(Synced),
    /// The hub goes down on purpose.
    Restarting(Restarting),
    /// A put that was announced is superseded and its content is gone.
    Withdrawn(Withdrawn),
    /// Nothing on the cluster is to be touched from now on, or may be again. Needs
    /// [`features::FREEZE`].
    Freeze(Freeze),
    /// The object as it is on the member is asked for. Needs [`features::FETCH`].
    Fetch(Fetch),
    /// A content, as what differs from one that the agent has. Needs [`features::DELTA`].
    Delta(Delta),
}

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentFrame {
    /// The first frame of a session.
    Hello(Hello),
    /// Everything up to this revision is durable at the agent.
    Ack(Ack),
    /// Content that the agent lacks.
    Want(Want),
    /// What became of items. Newest wins.
    Reports(#[serde(deserialize_with = "bounded::list::<REPORTS_MAX, _, _>")] Vec<ItemReport>),
    /// What the cluster is like.
    Facts(Facts),
    /// A piece of an object that was fetched, or why there is none. Needs [`features::FETCH`].
    Fetched(Fetched),
    /// Content that the agent lacks, and one that it has. Needs [`features::DELTA`].
    WantOver(WantOver),
}

impl HubFrame {
    /// The lane it travels on.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Refused(_) | Self::Restarting(_) | Self::Fetch(_) => Lane::Control,
            // Lanes are not ordered among each other: neither a welcome nor a freeze must be
            // overtaken by a put.
            Self::Welcome(_)
            | Self::Put(_)
            | Self::Tombstone(_)
            | Self::Summary(_)
            | Self::Synced(_)
            | Self::Withdrawn(_)
            | Self::Freeze(_) => Lane::Desired,
            Self::Content(_) | Self::Delta(_) => Lane::Content,
        }
    }

    /// Its variant's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Welcome(_) => "welcome",
            Self::Refused(_) => "refused",
            Self::Put(_) => "put",
            Self::Tombstone(_) => "tombstone",
            Self::Content(_) => "content",
            Self::Summary(_) => "summary",
            Self::Synced(_) => "synced",
            Self::Restarting(_) => "restarting",
            Self::Withdrawn(_) => "withdrawn",
            Self::Freeze(_) => "freeze",
            Self::Fetch(_) => "fetch",
            Self::Delta(_) => "delta",
        }
    }
}

impl HubFrame {
    /// The features without which the agent must not get it; 0 for those of the first release.
    pub fn needs(&self) -> u64 {
        match self {
            Self::Freeze(_) => features::FREEZE,
            Self::Fetch(_) => features::FETCH,
            Self::Delta(_) => features::DELTA,
            Self::Welcome(_)
            | Self::Refused(_)
            | Self::Put(_)
            | Self::Tombstone(_)
            | Self::Content(_)
            | Self::Summary(_)
            | Self::Synced(_)
            | Self::Restarting(_)
            | Self::Withdrawn(_) => 0,
        }
    }
}

impl AgentFrame {
    /// The features without which the hub must not get it; 0 for those of the first release.
    pub fn needs(&self) -> u64 {
        match self {
            Self::Fetched(_) => features::FETCH,
            Self::WantOver(_) => features::DELTA,
            Self::Hello(_) | Self::Ack(_) | Self::Want(_) | Self::Reports(_) | Self::Facts(_) => 0,
        }
    }

    /// The lane it travels on.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Hello(_) | Self::Ack(_) | Self::Want(_) | Self::WantOver(_) => Lane::Control,
            Self::Reports(_) | Self::Facts(_) | Self::Fetched(_) => Lane::Reports,
        }
    }

    /// Its variant's name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Ack(_) => "ack",
            Self::Want(_) => "want",
            Self::Reports(_) => "reports",
            Self::Facts(_) => "facts",
            Self::Fetched(_) => "fetched",
            Self::WantOver(_) => "want over",
        }
    }
}

/// Opens a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What the agent understands beyond the first release; see [`features`].
    pub features: u64,
    /// The agent's release, for people.
    pub release: String,
    /// The UID of the member's `kube-system` namespace: the identity is bound to it.
    pub member_uid: String,
    /// How often this identity was started: the newer of two wins.
    pub boot: u64,
    /// A random number of this start: two with the same boot counter are told apart.
    pub nonce: u64,
    /// The newest stamp up to which everything is durable here; `None` on an empty disk.
    pub position: Option<Stamp>,
    /// Whether the agent knows that its disk is behind what its member has seen.
    pub rewound: bool,
}

/// Answers a hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// What the hub understands beyond the first release, cut to what the agent does.
    pub features: u64,
    /// The hub's release, for people.
    pub release: String,
    /// A random identity that a hub keeps for life; it is in the owner label on members.
    pub hub: String,
    /// The cluster's UID, as in the certificate.
    pub cluster: String,
    /// The life that the hub is in.
    pub epoch: Epoch,
    /// The lives that its history has had.
    pub lineage: Lineage,
    /// Where the hub begins.
    pub mode: Mode,
    /// Addresses at which this hub is to be found from now on, as `host:port`.
    #[serde(deserialize_with = "bounded::list::<ADDRESSES_MAX, _, _>")]
    pub addresses: Vec<String>,
    /// PEM of the authorities that sign hubs and agents, current ones first.
    #[serde(deserialize_with = "bounded::list::<AUTHORITIES_MAX, _, _>")]
    pub authorities: Vec<String>,
}

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Puts and tombstones after the agent's position follow.
    Resume,
    /// The whole set follows as summaries.
    Compare,
}

/// Turns an agent away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why, for programs.
    pub code: RefusalCode,
    /// Why, and what to do, for people. Bounded.
    pub message: String,
}

/// Why an agent is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The cluster was detached: stop applying, leave everything as it is.
    Detached,
    /// A newer start of the same identity is there, or was.
    OlderBoot,
    /// The identity belongs to another member cluster.
    OtherMember,
    /// The frames were not understood.
    Protocol,
    /// The hub has as many sessions as it can carry; come back later.
    Busy,
    /// A newer session of the same agent takes over.
    Replaced,
    /// The hub does not know the cluster, and nobody detached it: nothing changes, come back later.
    UnknownCluster,
}

/// The cluster is to have an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// Which.
    pub key: ItemKey,
    /// Given when.
    pub stamp: Stamp,
    /// The digest of its content.
    pub digest: Digest,
    /// How long the content is, in bytes.
    pub size: u32,
    /// How to treat it.
    #[serde(deserialize_with = "bounded::list::<META_MAX, _, _>")]
    pub meta: Vec<Meta>,
}

/// The cluster is to lose an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Which.
    pub key: ItemKey,
    /// Given when.
    pub stamp: Stamp,
    /// How to treat it.
    #[serde(deserialize_with = "bounded::list::<META_MAX, _, _>")]
    pub meta: Vec<Meta>,
}

/// A piece of a content that was asked for. Pieces of one content come in order, without gaps, and
/// without pieces of others in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Of which content.
    pub digest: Digest,
    /// Where the piece begins.
    pub offset: u32,
    /// How long the whole is, in bytes.
    pub total: u32,
    /// The piece.
    pub bytes: Bytes,
}

/// An announced put is to be passed over: its content is gone, because something newer of the same
/// key has superseded it and follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// Which item.
    pub key: ItemKey,
    /// At which revision.
    pub revision: Revision,
}

/// A part of the whole desired set, in revision order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Puts and tombstones.
    #[serde(deserialize_with = "bounded::list::<SUMMARY_ENTRIES_MAX, _, _>")]
    pub entries: Vec<SummaryEntry>,
    /// The revision that the set is of, with the last part.
    pub complete: Option<Revision>,
}

/// One entry of a summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SummaryEntry {
    /// The cluster is to have it.
    Put(Put),
    /// The cluster is to lose it.
    Tombstone(Tombstone),
}

/// Everything up to a revision has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// Up to here, in the hub's present epoch.
    pub stamp: Stamp,
}

/// The hub goes down on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarting {
    /// Come back after this many milliseconds.
    pub retry_in_ms: u64,
}

/// Everything up to a stamp is durable at the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Up to here.
    pub stamp: Stamp,
}

/// Content that the agent lacks, asked for by an item of its own set and never by bare digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Which item.
    pub key: ItemKey,
    /// At which revision.
    pub revision: Revision,
}

/// What a cluster is like: bounded JSON of `api::facts::Facts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The JSON.
    pub json: Bytes,
}

/// Bits of [`Hello::features`]. What a peer lacks is never sent to it.
pub mod features {
    /// [`HubFrame::Freeze`](super::HubFrame::Freeze).
    pub const FREEZE: u64 = 1;
    /// [`HubFrame::Fetch`](super::HubFrame::Fetch) and
    /// [`AgentFrame::Fetched`](super::AgentFrame::Fetched).
    pub const FETCH: u64 = 2;
    /// [`AgentFrame::WantOver`](super::AgentFrame::WantOver) and
    /// [`HubFrame::Delta`](super::HubFrame::Delta).
    pub const DELTA: u64 = 4;
    /// [`Meta::AdoptIfEqual`](super::Meta::AdoptIfEqual).
    pub const ADOPT: u64 = 8;
    /// What this release understands.
    pub const ALL: u64 = FREEZE | FETCH | DELTA | ADOPT;
}
