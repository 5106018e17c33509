//! The join token: everything that an agent needs to find a hub and to be believed, in one string.
//!
//! `rs1.` and base64url of a postcard structure with a check at its end, so that a token which lost
//! a piece on its way through a clipboard is told from a forged one.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::env::Env;
use crate::host::tls::Pin;
use crate::wire::limits::{ADDRESSES_MAX, NAME_BYTES_MAX};

/// What every token of this version begins with.
const PREFIX: &str = "rs1.";
/// Length of the check at the end, in bytes.
const CHECK_BYTES: usize = 4;
/// Longest token as text, in bytes.
pub const TOKEN_TEXT_MAX: usize = 16 * 1024;
/// Longest address in a token, in bytes: a DNS name and a port.
const ADDRESS_BYTES_MAX: usize = NAME_BYTES_MAX + 8;

/// The secret in a token. Its `Debug` shows nothing.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenSecret(pub [u8; 32]);

impl TokenSecret {
    /// A new one.
    pub fn generate(env: &Env) -> Self {
        Self(env.random())
    }

    /// Its blake3 hash in hexadecimal: what a hub keeps.
    pub fn hash(&self) -> String {
        blake3::hash(&self.0).to_hex().to_string()
    }
}

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSecret(..)")
    }
}

/// What a join token says. Released: fields are never changed, a new version gets a new prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// Where the hub is to be found, as `host:port`, best first.
    pub addresses: Vec<String>,
    /// The authorities that may stand behind it.
    pub pins: Vec<Pin>,
    /// The token's public name, under which the hub keeps it.
    pub id: String,
    /// What proves it.
    pub secret: TokenSecret,
    /// The namespace of the cluster at the hub, for people.
    pub namespace: String,
    /// The name of the cluster at the hub, for people.
    pub name: String,
}

/// Why a text is no join token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin as one.
    #[error(
        "this is not a join token: one begins with {PREFIX} (make one with `roadstead join NAME`)"
    )]
    NotAToken,
    /// It is of a version that this release does not know.
    #[error("this join token is of a newer release; update the agent")]
    Newer,
    /// It is longer than any token.
    #[error("this join token is longer than {TOKEN_TEXT_MAX} bytes; copy it again, alone")]
    TooLong,
    /// It lost or gained something on its way.
    #[error("this join token is damaged or cut short; copy it again, whole")]
    Damaged,
    /// It is whole, and yet says something impossible.
    #[error("this join token is not usable: {0}")]
    Unusable(&'static str),
}

impl JoinToken {
    /// The token as text. It holds the secret: show it once, log it never.
    pub fn encode(&self) -> Result<String, TokenError> {
        self.check()?;
        let mut bytes = postcard::to_allocvec(self)
            .map_err(|_| TokenError::Unusable("it cannot be encoded"))?;
        let check = check_of(&bytes);
        bytes.extend_from_slice(&check);
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    fn check(&self) -> Result<(), TokenError> {
        let unusable = |when: bool, why| {
            if when {
                Err(TokenError::Unusable(why))
            } else {
                Ok(())
            }
        };
        unusable(self.addresses.is_empty(), "it names no address")?;
        unusable(
            self.addresses.len() > ADDRESSES_MAX,
            "it names too many addresses",
        )?;
        unusable(
            self.addresses.iter().any(|a| a.len() > ADDRESS_BYTES_MAX),
            "an address is too long",
        )?;
        unusable(self.pins.is_empty(), "it pins no authority")?;
        unusable(
            self.pins.len() > ADDRESSES_MAX,
            "it pins too many authorities",
        )?;
        let named = [&self.id, &self.namespace, &self.name];
        unusable(
            named.iter().any(|n| n.len() > NAME_BYTES_MAX),
            "a name is too long",
        )
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > TOKEN_TEXT_MAX {
            return Err(TokenError::TooLong);
        }
        let Some(encoded) = text.strip_prefix(PREFIX) else {
            return Err(if is_newer(text) {
                TokenError::Newer
            } else {
                TokenError::NotAToken
            });
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| TokenError::Damaged)?;
        let (body, check) = bytes
            .split_last_chunk::<CHECK_BYTES>()
            .ok_or(TokenError::Damaged)?;
        if *check != check_of(body) {
            return Err(TokenError::Damaged);
        }
        let token: Self = postcard::from_bytes(body).map_err(|_| TokenError::Damaged)?;
        token.check()?;
        Ok(token)
    }
}

/// Whether `text` begins like a token of another version: `rs`, digits, a dot.
fn is_newer(text: &str) -> bool {
    let version = text
        .strip_prefix("rs")
        .and_then(|rest| rest.split_once('.'))
        .map(|(version, _)| version);
    version.is_some_and(|v| !v.is_empty() && v.len() <= 4 && v.bytes().all(|b| b.is_ascii_digit()))
}

fn check_of(body: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::hash(body);
    let mut check = [0; CHECK_BYTES];
    for (to, from) in check.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    check
}
