//! What the agent keeps on its disk, and how it is written.
//!
//! Every record begins with its version and the id of the key that it is sealed with ([`PLAIN`]: not
//! sealed, as all are here; they are sealed on their way to the disk); the rest is postcard. A released struct never changes: a change is a new version beside
//! it. Samples of every version are in `golden/`.

use bytes::Bytes;
use roadstead_protocol::seal::SealError;
use roadstead_protocol::wire::item::{Digest, ItemKey, Meta};
use roadstead_protocol::wire::{Lineage, Stamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::plan::Owner;
use crate::plan::live::Mark;

/// The id of no key: the record is not sealed.
pub const PLAIN: u8 = 0;
/// The present version of every record.
pub const VERSION: u8 = 1;

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is shorter than its head.
    #[error("it is cut short")]
    Short,
    /// A later release wrote it.
    #[error(
        "it has version {0}, which this release does not know; start the release that wrote it"
    )]
    Version(u8),
    /// It is sealed, and there is no key.
    #[error("it is sealed with key {0:02x}, and no key file was given")]
    Sealed(u8),
    /// It is sealed, and does not open.
    #[error(transparent)]
    Seal(SealError),
    /// Its bytes make no sense.
    #[error("its bytes make no sense")]
    Bytes,
}

/// Who the agent is, and where its hub is to be found.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The seed of the agent's private key. Made here, never sent.
    pub key: Vec<u8>,
    /// DER of the agent's certificates, its own first.
    pub certificates: Vec<Vec<u8>>,
    /// The hub's identity.
    pub hub: String,
    /// The UID of the cluster.
    pub cluster: String,
    /// Where the hub is to be found, as `host:port`, best first.
    pub addresses: Vec<String>,
    /// DER of the authorities that vouch for the hub, current ones first.
    pub authorities: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Identity of cluster {} at hub {}",
            self.cluster, self.hub
        )
    }
}

/// A key that a join token is being redeemed for. It stays until the agent has joined, since the hub
/// gives the same token's certificate again to this key only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joining {
    /// The id of the token.
    pub token: String,
    /// The seed of the private key. Made here, never sent.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Joining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Joining with token {}", self.token)
    }
}

/// Most join tokens that are remembered as spent.
const SPENT_MAX: usize = 16;

/// The join tokens that this agent has joined with: a hub that was put back to before that would take
/// them again, and nobody has asked for that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Their ids, the last one first.
    pub tokens: Vec<String>,
}

impl Spent {
    /// Whether the agent has joined with the token `id`.
    pub fn has(&self, id: &str) -> bool {
        self.tokens.iter().any(|token| token == id)
    }

    /// With further ids behind these, each once, as many as are remembered.
    pub fn and(mut self, others: &[String]) -> Self {
        for id in others {
            if !self.has(id) {
                self.tokens.push(id.clone());
            }
        }
        self.tokens.truncate(SPENT_MAX);
        self
    }
}

/// Most clusters that are remembered which a member was before.
const PAST_MAX: usize = 8;

/// The clusters that this member was attached to the same hub as before: what it was given then and
/// nobody names any more is still there, under the label of then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Their UIDs, the last one first.
    pub clusters: Vec<String>,
}

impl Past {
    /// Whose objects these are, of whoever is `identity` now.
    pub fn owner(&self, identity: &Identity) -> Owner {
        Owner::new(&identity.hub, &identity.cluster).after(&identity.hub, &self.clusters)
    }

    /// After whoever was `before` is `now`. To another hub that is somebody else's, and forgotten.
    #[must_use]
    pub fn then(&self, before: Option<&Identity>, now: &Identity) -> Self {
        let last = match before {
            Some(before) if before.hub != now.hub => return Self::default(),
            Some(before) => Self {
                clusters: vec![before.cluster.clone()],
            },
            None => Self::default(),
        };
        let mut all = last.and(&self.clusters);
        all.clusters.retain(|cluster| *cluster != now.cluster);
        all
    }

    /// With further clusters behind these, each once, as many as are remembered.
    #[must_use]
    pub fn and(mut self, others: &[String]) -> Self {
        for cluster in others {
            if !self.clusters.contains(cluster) {
                self.clusters.push(cluster.clone());
            }
        }
        self.clusters.truncate(PAST_MAX);
        self
    }
}

/// What the agent knew and had before, for the day on which what it has now is of no use: its hub's
/// authority was replaced while it slept, or its hub was restored from before that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// DER of authorities that vouched for the hub once, newest first. Good for renewals only.
    pub authorities: Vec<Vec<u8>>,
    /// The last identity under each authority before the present one, newest first.
    pub identities: Vec<FormerIdentity>,
    /// Where the hub was met last and what it no longer names, newest first.
    pub addresses: Vec<String>,
}

/// A key and certificates that were replaced by those of another authority.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerIdentity {
    /// The seed of the private key.
    pub key: Vec<u8>,
    /// DER of the certificates, the agent's own first.
    pub certificates: Vec<Vec<u8>>,
}

impl std::fmt::Debug for FormerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormerIdentity(..)")
    }
}

/// The latest time that agent and hub agreed to be past: the clock is never believed to be earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Seconds since 1970.
    pub seconds: i64,
}

/// A start of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// How often this identity was started.
    pub counter: u64,
    /// A random number of the latest start.
    pub nonce: u64,
    /// The UID of the member's `kube-system` namespace; empty before it was first read.
    pub member_uid: String,
}

/// Where the agent is in its hub's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Up to here everything is on this disk.
    pub stamp: Option<Stamp>,
    /// The history, as the hub told it last.
    pub lineage: Lineage,
    /// Whether the hub said that the cluster was detached: nothing is applied then.
    pub detached: bool,
}

impl Position {
    /// From where a hub can go on: `None` where a hub of another history was met since and did not get
    /// to its end, so that what is here is of two histories and has to be compared.
    pub fn resumable(&self) -> Option<Stamp> {
        self.stamp.filter(|stamp| self.lineage.contains(*stamp))
    }
}

/// One item of the desired set. A tombstone stays, for its stamp counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Given when.
    pub stamp: Stamp,
    /// Its content; `None` for a tombstone.
    pub digest: Option<Digest>,
    /// How to treat it.
    pub meta: Vec<Meta>,
    /// Whether the hub names it. One that it does not name is kept as it is, and shown.
    pub listed: bool,
    /// What the hub offered in its place and the agent refused.
    pub held: Option<Offer>,
}

impl Item {
    /// Whether it is a tombstone.
    pub fn is_tombstone(&self) -> bool {
        self.digest.is_none()
    }
}

/// What a hub offered and the agent refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its stamp.
    pub stamp: Stamp,
    /// Its content; `None` for a tombstone.
    pub digest: Option<Digest>,
    /// Whether it has the stamp of what is here and differs from it, which no hub may do.
    pub same_stamp: bool,
}

/// An object that the agent put on the member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The object's uid; empty while an apply is under way whose answer has not come.
    pub uid: String,
    /// The stamp of what was applied.
    pub stamp: Stamp,
    /// The content that was applied.
    pub digest: Digest,
    /// What the object looked like after that.
    pub mark: Mark,
    /// Which fields were the agent's after that.
    pub fields: Mark,
}

/// Whether the hub said that nothing on the member is to be touched. Stays when it is lifted, for its
/// stamp counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Given when.
    pub stamp: Stamp,
    /// Whether it holds or was lifted.
    pub frozen: bool,
    /// Why, in the words of whoever did it.
    pub reason: String,
    /// The stamp of what the hub offered in its place and the agent refused.
    pub held: Option<Stamp>,
}

/// Writes a record.
pub fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION, PLAIN];
    // Writing to memory fails for types that postcard cannot express, and none of ours is one: the
    // golden samples prove it. A record that came out empty would be refused when it is read.
    if let Ok(body) = postcard::to_allocvec(record) {
        bytes.extend(body);
    }
    bytes
}

/// Reads a record.
///
/// # Errors
/// Where it is not one of this release.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    let [version, key, body @ ..] = bytes else {
        return Err(RecordError::Short);
    };
    if *version != VERSION {
        return Err(RecordError::Version(*version));
    }
    if *key != PLAIN {
        return Err(RecordError::Sealed(*key));
    }
    match postcard::take_from_bytes(body) {
        Ok((record, [])) => Ok(record),
        Ok(_) | Err(_) => Err(RecordError::Bytes),
    }
}

/// A content as it is written.
pub fn seal_bytes(content: &[u8]) -> Vec<u8> {
    [&[VERSION, PLAIN], content].concat()
}

/// A content as it was before it was written.
///
/// # Errors
/// Where it was not written by this release.
pub fn open_bytes(bytes: &[u8]) -> Result<Bytes, RecordError> {
    match bytes {
        [VERSION, PLAIN, content @ ..] => Ok(Bytes::copy_from_slice(content)),
        [VERSION, key, ..] => Err(RecordError::Sealed(*key)),
        [version, _, ..] => Err(RecordError::Version(*version)),
        [] | [_] => Err(RecordError::Short),
    }
}

/// The database key of an item.
pub fn encode_key(key: &ItemKey) -> Vec<u8> {
    [&key.group, &key.kind, &key.namespace, &key.name]
        .map(String::as_str)
        .join("\0")
        .into_bytes()
}

/// Reads a database key of an item.
///
/// # Errors
/// Where it is not four parts of text.
pub fn decode_key(bytes: &[u8]) -> Result<ItemKey, RecordError> {
    let text = std::str::from_utf8(bytes).map_err(|_| RecordError::Bytes)?;
    let parts: Vec<&str> = text.split('\0').collect();
    let [group, kind, namespace, name] = parts.as_slice() else {
        return Err(RecordError::Bytes);
    };
    Ok(ItemKey {
        group: (*group).to_owned(),
        kind: (*kind).to_owned(),
        namespace: (*namespace).to_owned(),
        name: (*name).to_owned(),
    })
}

#[cfg(test)]
mod tests;
