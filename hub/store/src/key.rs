//! Names of entries: paths with `/` before every segment.
//!
//! Says nothing about which paths mean what.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::MAX_KEY_BYTES;

/// The name of an entry, as in `/objects/apps/deployments/default/web`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// A text that is no key, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid store key {key:?}: {problem}")]
pub struct InvalidKey {
    /// The text, cut to a readable length.
    pub key: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Most characters of a refused key that an error repeats.
const SHOWN_CHARS: usize = 200;

impl Key {
    /// Takes `text` as a key: at most [`MAX_KEY_BYTES`], `/` before every segment, no empty segment
    /// and no control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        match problem(text) {
            Some(problem) => Err(InvalidKey {
                key: text.chars().take(SHOWN_CHARS).collect(),
                problem,
            }),
            None => Ok(Self(text.into())),
        }
    }

    /// The text of the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn problem(text: &str) -> Option<&'static str> {
    let Some(rest) = text.strip_prefix('/') else {
        return Some("it does not begin with '/'");
    };
    if text.len() > MAX_KEY_BYTES {
        return Some("it is too long");
    }
    if rest.split('/').any(str::is_empty) {
        return Some("it has an empty segment");
    }
    text.chars()
        .any(char::is_control)
        .then_some("it has a control character")
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for Key {
    type Error = InvalidKey;

    fn try_from(text: &str) -> Result<Self, InvalidKey> {
        Self::parse(text)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(
            Key::parse(text).err().map(|e| e.problem),
            expected,
            "{text:?}"
        );
    }

    #[test]
    fn keys_are_absolute_paths_without_holes() {
        check("/a", None);
        check("/objects/core/configmaps/default/a.b-c:d", None);
        check("", Some("it does not begin with '/'"));
        check("a/b", Some("it does not begin with '/'"));
        check("/", Some("it has an empty segment"));
        check("/a//b", Some("it has an empty segment"));
        check("/a/", Some("it has an empty segment"));
        check("/a\nb", Some("it has a control character"));
        check(
            &format!("/{}", "x".repeat(MAX_KEY_BYTES)),
            Some("it is too long"),
        );
    }
}
