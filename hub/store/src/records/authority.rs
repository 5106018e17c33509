//! Who may come in: join tokens, authorities, and the agents that were seen.
//!
//! - `/tokens/<id>`: a [`JoinTokenRecord`].
//! - `/authority/<name>`: an [`AuthorityRecord`].
//! - `/seen/<cluster-uid>`: a [`SeenRecord`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{InvalidKey, Key};

use super::join;

/// What all join tokens' keys begin with.
pub const TOKENS_PREFIX: &str = "/tokens/";
/// What all seen agents' keys begin with.
pub const SEEN_PREFIX: &str = "/seen/";

/// A join token. The secret itself is nowhere but with whoever it was given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinTokenRecord {
    /// The uid of the AttachedCluster that it lets in.
    pub cluster_uid: String,
    /// The AttachedCluster's namespace.
    pub namespace: String,
    /// The AttachedCluster's name.
    pub name: String,
    /// The blake3 hash of the secret, in hexadecimal.
    pub secret_hash: String,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// When it was used; it works once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// A key and its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityRecord {
    /// The private key, PKCS #8 in PEM.
    pub key_pem: String,
    /// The certificate in PEM.
    pub cert_pem: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is remembered of a cluster's agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenRecord {
    /// The highest boot counter that was seen.
    pub boot: u64,
    /// The nonce of the writer with that boot counter, in hexadecimal.
    pub nonce: String,
    /// The uid of the member's `kube-system` namespace, which the identity is bound to.
    pub member_uid: String,
    /// The cluster was detached, and its identity is worth nothing any more.
    #[serde(default)]
    pub revoked: bool,
    /// Certificates that were made earlier are worth nothing: the cluster was joined anew then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What that start of the agent understood beyond the first release.
    #[serde(default)]
    pub features: u64,
}

/// The key of a join token.
pub fn token_key(id: &str) -> Result<Key, InvalidKey> {
    join(TOKENS_PREFIX, &[id])
}

/// The key of an authority, or of another certificate.
pub fn authority_key(name: &str) -> Result<Key, InvalidKey> {
    join("/authority/", &[name])
}

/// The key of what is remembered of a cluster's agent.
pub fn seen_key(cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(SEEN_PREFIX, &[cluster_uid])
}
