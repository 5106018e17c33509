//! One thing that a cluster is to have: its key, its content's digest, and how to treat it.

use serde::{Deserialize, Serialize};

use super::bounded;
use super::frame::features;
use super::limits::IGNORED_FIELDS_MAX;
use super::stamp::Stamp;

/// What names an object in a cluster's desired set. The API version is content, not key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemKey {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind, as in `Deployment`.
    pub kind: String,
    /// Namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for ItemKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// The blake3 hash of an object's canonical JSON (keys sorted, no white space).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`, which must be canonical already.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// How an item is to be treated, beyond the defaults. Extended by appending variants; a sender uses
/// only those that the receiver's features name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meta {
    /// On a tombstone: let go of the object (strip our label and fields' ownership) and leave it.
    Release,
    /// The propagation policy of a delete; background where nothing is said.
    Propagation(Propagation),
    /// Act as this service account of the member.
    ActAs {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// What exists already and is not ours is taken over (`conflictResolution: Overwrite`).
    Overwrite,
    /// JSON pointers that are left to whoever sets them on the member. The empty one leaves the whole
    /// object: what is changed there is only reported.
    IgnoreFields(
        #[serde(deserialize_with = "bounded::list::<IGNORED_FIELDS_MAX, _, _>")] Vec<String>,
    ),
    /// This order names the stamp that it replaces, and so ends a hold on it.
    Replaces(Stamp),
    /// What exists already and is not ours is taken over where it says all that is given
    /// (`conflictResolution: AdoptIfEqual`). Needs
    /// [`features::ADOPT`](super::frame::features::ADOPT).
    AdoptIfEqual,
}

impl Meta {
    /// The features without which a peer must not get it; 0 for those of the first release.
    pub fn needs(&self) -> u64 {
        match self {
            Self::AdoptIfEqual => features::ADOPT,
            Self::Release
            | Self::Propagation(_)
            | Self::ActAs { .. }
            | Self::Overwrite
            | Self::IgnoreFields(_)
            | Self::Replaces(_) => 0,
        }
    }
}

/// What happens to the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay.
    Orphan,
}
