//! Continue tokens: where a page of a list ended, and of which revision the list is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::Revision;
use serde::{Deserialize, Serialize};

/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 4096;
/// What tokens say they are.
const VERSION: &str = "meta.k8s.io/v1";

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    v: String,
    rv: u64,
    start: String,
}

impl Token {
    /// A token for what comes after `last`, a key below the list's prefix without leading slash.
    pub(crate) fn after(revision: Revision, last: &str) -> Self {
        Self {
            v: VERSION.to_owned(),
            rv: revision.0,
            start: format!("/{last}\0"),
        }
    }

    /// The revision of the list.
    pub(crate) fn revision(&self) -> Revision {
        Revision(self.rv)
    }

    /// The last key of the page before, below the list's prefix.
    pub(crate) fn last(&self) -> &str {
        self.start.trim_start_matches('/').trim_end_matches('\0')
    }

    /// The text that clients send back.
    pub(crate) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what a client sent back.
    ///
    /// # Errors
    /// 400 when this is none of our tokens.
    pub(crate) fn decode(text: &str) -> Result<Self, Status> {
        let wrong = |why: &str| {
            Status::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        if text.len() > TOKEN_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
        let bytes = bytes.map_err(|e| wrong(&e.to_string()))?;
        let token: Self = serde_json::from_slice(&bytes).map_err(|e| wrong(&e.to_string()))?;
        let sane =
            token.v == VERSION && token.start.starts_with('/') && !token.start.contains("..");
        if sane {
            Ok(token)
        } else {
            Err(wrong("it is not of this server"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_look_like_those_of_kubernetes() {
        let token = Token::after(Revision(773), "p1");
        assert_eq!(
            token.encode(),
            "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NzczLCJzdGFydCI6Ii9wMVx1MDAwMCJ9"
        );
        assert_eq!(Token::decode(&token.encode()), Ok(token.clone()));
        assert_eq!(token.last(), "p1");
        assert_eq!(Token::decode("xyz").map_err(|s| s.code), Err(400));
    }
}
