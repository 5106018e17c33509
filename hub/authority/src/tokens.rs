//! Join tokens: issued with an expiry, redeemed once.

use std::time::Duration;

use roadstead_protocol::api::token;
use roadstead_protocol::host::JoinToken;
use roadstead_protocol::host::enrol::TokenSecret;
use roadstead_store::records::{self, JoinTokenRecord};
use roadstead_store::{Check, CommitError, InvalidKey, Key, Snapshot, Txn};

use crate::{Authority, AuthorityError};

/// How long a join token is good where nothing is said.
pub const TOKEN_LIFE_DEFAULT: Duration =
    Duration::from_secs(token::EXPIRATION_SECONDS_DEFAULT.unsigned_abs());
/// How long a join token may be good at most.
pub const TOKEN_LIFE_MAX: Duration =
    Duration::from_secs(token::EXPIRATION_SECONDS_MAX.unsigned_abs());
/// How long a join token must be good at least.
pub const TOKEN_LIFE_MIN: Duration =
    Duration::from_secs(token::EXPIRATION_SECONDS_MIN.unsigned_abs());
/// Length of a token's public id, in bytes before it is written in hexadecimal.
const TOKEN_ID_BYTES: usize = 8;
/// How long a used or expired token is remembered, so that it is refused with its own words, in seconds.
const REMEMBERED_SECONDS: i64 = 30 * 24 * 3600;
/// Most forgotten tokens that are removed when a new one is issued.
const FORGOTTEN_MAX: usize = 256;

/// For whom a token is, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The UID of the cluster's object.
    pub cluster_uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where agents find this hub, as `host:port`.
    pub addresses: Vec<String>,
    /// How long the token is good.
    pub life: Duration,
}

/// Where it is kept for which public key a token was redeemed (the blake3 hash in hexadecimal), so
/// that an agent whose answer was lost may ask again: `/redemptions/<token-id>`.
pub(crate) fn redemption_key(token_key: &str) -> Result<Key, InvalidKey> {
    let id = token_key
        .strip_prefix(records::TOKENS_PREFIX)
        .unwrap_or(token_key);
    Key::parse(&format!("/redemptions/{id}"))
}

impl Authority {
    /// Makes a join token for a cluster. Who may ask for one is the caller's to decide.
    pub async fn issue_token(&self, issue: Issue) -> Result<JoinToken, AuthorityError> {
        if !(TOKEN_LIFE_MIN..=TOKEN_LIFE_MAX).contains(&issue.life) {
            return Err(AuthorityError::TokenLife {
                asked: issue.life.as_secs(),
            });
        }
        let secret = TokenSecret::generate(self.env());
        let id = hex::encode(self.env().random::<TOKEN_ID_BYTES>());
        let now = self.env().clock.now();
        let life = jiff::SignedDuration::try_from(issue.life).unwrap_or(jiff::SignedDuration::ZERO);
        let expires_at = now
            .checked_add(life)
            .map_err(|_| roadstead_protocol::host::tls::TlsError::Moment(now))?;
        let record = JoinTokenRecord {
            cluster_uid: issue.cluster_uid,
            namespace: issue.namespace.clone(),
            name: issue.name.clone(),
            secret_hash: secret.hash(),
            expires_at,
            used_at: None,
        };
        let token = JoinToken {
            addresses: issue.addresses,
            pins: self.agents_pins(),
            id: id.clone(),
            secret,
            namespace: issue.namespace,
            name: issue.name,
        };
        token.encode()?;
        let key = records::token_key(&id).map_err(|e| AuthorityError::Record(e.to_string()))?;
        let value = records::encode(&record).map_err(|e| AuthorityError::Record(e.to_string()))?;
        let made = Txn::new().check(Check::Absent(key.clone())).put(key, value);
        let tidied = self.without_forgotten(made.clone(), now);
        let committed = match self.store().commit(tidied).await {
            // Someone else forgot the same tokens a moment earlier.
            Err(CommitError::Conflict { .. }) => self.store().commit(made).await,
            settled => settled,
        };
        committed.map_err(AuthorityError::Write)?;
        Ok(token)
    }

    /// Adds to a transaction that tokens which are remembered no longer go.
    fn without_forgotten(&self, mut txn: Txn, now: jiff::Timestamp) -> Txn {
        let snapshot = self.store().snapshot();
        for token in forgotten(&snapshot, now) {
            let redemption = redemption_key(token.as_str()).ok();
            if let Some(key) = redemption.filter(|key| snapshot.get(key.as_str()).is_some()) {
                txn = txn.delete(key);
            }
            txn = txn.delete(token);
        }
        txn
    }
}

/// Tokens that are remembered no longer, at most [`FORGOTTEN_MAX`].
fn forgotten(snapshot: &Snapshot, now: jiff::Timestamp) -> Vec<Key> {
    let old = snapshot.range(records::TOKENS_PREFIX).filter(|entry| {
        let record = records::decode::<JoinTokenRecord>(entry);
        record.is_ok_and(|r| now.as_second() - r.expires_at.as_second() > REMEMBERED_SECONDS)
    });
    old.take(FORGOTTEN_MAX)
        .map(|entry| entry.key.clone())
        .collect()
}
