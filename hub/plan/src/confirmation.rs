//! What a user confirms with an annotation: one set of removals, and nothing else.
//!
//! The value is a token of exactly what was shown, `<number>-<hash>`. Another set has another token,
//! so what is left over from an earlier confirmation says nothing about a later removal.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_protocol::api::names::{CONFIRM_AT_ONCE_ANNOTATION, CONFIRM_REMOVAL_ANNOTATION};
use roadstead_protocol::wire::{Digest, ItemKey};

/// How many hexadecimal digits of the hash a token has.
const HASH_DIGITS: usize = 8;

/// How many hexadecimal digits a loss's mark has.
pub const MARK_DIGITS: usize = 16;

/// One object that one cluster would lose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// UID of the cluster.
    pub cluster: String,
    /// What names the object.
    pub item: ItemKey,
    /// UID of the template that it came from.
    pub template: String,
}

impl Loss {
    /// What tells it from all others, as one line.
    fn line(&self) -> String {
        let Self {
            cluster,
            item,
            template,
        } = self;
        let ItemKey {
            group,
            kind,
            namespace,
            name,
        } = item;
        // No part has a NUL or a line end in it.
        let line = [cluster, group, kind, namespace, name, template].map(String::as_str);
        line.join("\0")
    }

    /// A short name for it, of [`MARK_DIGITS`] hexadecimal digits, for a record of what was confirmed.
    pub fn mark(&self) -> String {
        let digest = Digest::of(self.line().as_bytes()).to_string();
        digest.chars().take(MARK_DIGITS).collect()
    }
}

/// What confirms that exactly `losses` happen.
pub fn token(losses: &BTreeSet<Loss>) -> String {
    let mut text = String::new();
    for loss in losses {
        text.push_str(&loss.line());
        text.push('\n');
    }
    let digest = Digest::of(text.as_bytes()).to_string();
    let hash: String = digest.chars().take(HASH_DIGITS).collect();
    format!("{}-{hash}", losses.len())
}

/// The token that an object bears.
pub fn borne(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations
        .get(CONFIRM_REMOVAL_ANNOTATION)
        .map(|token| token.trim())
}

/// The token that an object bears for what is to leave before what replaces it is healthy.
pub(crate) fn borne_at_once(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations
        .get(CONFIRM_AT_ONCE_ANNOTATION)
        .map(|token| token.trim())
}

/// The command that makes an object bear `token`: to be copied whole.
pub fn command(kind: &str, namespace: Option<&str>, name: &str, token: &str) -> String {
    annotate((kind, namespace, name), CONFIRM_REMOVAL_ANNOTATION, token)
}

/// The command that lets what `token` is of leave at once.
pub(crate) fn command_at_once(
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    token: &str,
) -> String {
    annotate((kind, namespace, name), CONFIRM_AT_ONCE_ANNOTATION, token)
}

fn annotate(
    (kind, namespace, name): (&str, Option<&str>, &str),
    annotation: &str,
    token: &str,
) -> String {
    let at = namespace.map(|ns| format!("-n {ns} ")).unwrap_or_default();
    let kind = kind.to_lowercase();
    format!("kubectl {at}annotate {kind} {name} --overwrite {annotation}={token}")
}
