//! Certificates for users of the REST port: a name, groups and an end, in a kubeconfig.
//!
//! What such a user may do is said by roles; nothing is remembered of the certificate, so that it cannot
//! be revoked: it ends by itself, and its rights with the bindings. Deliberately absent: who may ask for
//! one (that is the hub's), and requests with a key of one's own.

use std::time::Duration;

use jiff::Timestamp;
use roadstead_protocol::host::tls::{self, Profile, SERVER_LIFE};

use crate::{Authority, AuthorityError, kubeconfig};

/// Longest name of a user or a group, in characters: what a certificate's subject holds.
const NAME_CHARS_MAX: usize = 64;
/// Most groups of one user.
const GROUPS_MAX: usize = 16;
/// Shortest life of a user's certificate.
const LIFE_MIN: Duration = Duration::from_secs(60);
/// Longest address of a server, in bytes.
const SERVER_BYTES_MAX: usize = 1024;
/// Groups that have a meaning here and are given to users all the same.
const GIVEN: [&str; 2] = ["system:masters", "system:monitoring"];
/// What names begin with that have a meaning of their own.
const RESERVED: [&str; 2] = ["system:", "roadstead:"];

/// Who is to get a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name, as `kind: User` in bindings.
    pub name: String,
    /// Its groups, as `kind: Group` in bindings.
    pub groups: Vec<String>,
    /// For how long: a minute to a year.
    pub life: Duration,
    /// The namespace that its kubectl uses where none is said; empty: `default`.
    pub namespace: String,
}

/// A user's kubeconfig. It holds the user's key: write it with mode 0600.
#[derive(Clone)]
pub struct UserConfig {
    /// The kubeconfig, as text.
    pub text: String,
    /// Until when its certificate is good.
    pub until: Timestamp,
}

impl Authority {
    /// A kubeconfig for `user` of this hub at `server` (an `https://` URL), with a key and a certificate
    /// made now.
    ///
    /// # Errors
    /// Where the user is none that gets one; the text says what is allowed.
    pub fn user_kubeconfig(&self, server: &str, user: &User) -> Result<UserConfig, AuthorityError> {
        check(server, user)?;
        let identity = self.signed(&Profile::User {
            name: user.name.clone(),
            groups: user.groups.clone(),
            life: user.life,
        })?;
        let leaf = identity.chain.first();
        let until = match leaf {
            Some(leaf) => tls::not_after(leaf)?,
            None => Timestamp::MIN,
        };
        let trust = self.rest_authority_pem();
        let of = (user.name.as_str(), user.namespace.as_str());
        let text = kubeconfig::text(server, &trust, of, &identity)?;
        Ok(UserConfig { text, until })
    }
}

fn check(server: &str, user: &User) -> Result<(), AuthorityError> {
    let refuse = |field, value: &str, allowed| {
        Err(AuthorityError::User {
            field,
            value: value.chars().take(NAME_CHARS_MAX + 1).collect(),
            allowed,
        })
    };
    let reserved = |text: &str| RESERVED.iter().any(|prefix| text.starts_with(prefix));
    let allowed = "1 to 64 letters, digits and any of . _ : @ / - are allowed";
    if !is_name(&user.name) {
        return refuse("name", &user.name, allowed);
    }
    if reserved(&user.name) {
        let allowed = "names that begin with system: or roadstead: have a meaning of their own; choose another";
        return refuse("name", &user.name, allowed);
    }
    if let Some(group) = user.groups.iter().find(|group| !is_name(group)) {
        return refuse("group", group, allowed);
    }
    let given = |group: &&String| reserved(group) && !GIVEN.contains(&group.as_str());
    if let Some(group) = user.groups.iter().find(given) {
        let allowed = "of the groups that begin with system: or roadstead:, only system:masters and system:monitoring \
                       are given to users; choose another name";
        return refuse("group", group, allowed);
    }
    if user.groups.len() > GROUPS_MAX {
        let count = user.groups.len().to_string();
        return refuse("groups", &count, "a user is in at most 16 groups");
    }
    if !(LIFE_MIN..=SERVER_LIFE).contains(&user.life) {
        let seconds = format!("{} s", user.life.as_secs());
        return refuse(
            "ttl",
            &seconds,
            "a user's certificate is good for 1m to 365d",
        );
    }
    let plain =
        |text: &str| text.len() <= SERVER_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic());
    if !server.starts_with("https://") || !plain(server) {
        return refuse(
            "server",
            server,
            "must be the hub's address, as in https://hub.example.org:6443",
        );
    }
    let dns = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if user.namespace.len() >= NAME_CHARS_MAX || !user.namespace.bytes().all(dns) {
        return refuse("namespace", &user.namespace, "must be a namespace's name");
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._:@/-".contains(&b);
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(fits)
}
