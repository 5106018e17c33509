//! `POST /roadstead.dev/users`: a kubeconfig with a certificate for a user.
//!
//! Whoever may take a user's place, and that of each group, may have one made: by the verb `impersonate`,
//! as the certificate is worth no less. What the user may do is said by roles.

#![expect(
    clippy::result_large_err,
    reason = "a status is the answer, made once per refused request"
)]

use std::time::Duration;

use roadstead_authority::{Authority, AuthorityError, User};
use roadstead_machinery::status::Status;
use roadstead_rest::{Access, Ask as Asked, Page};
use serde::{Deserialize, Serialize};

use crate::page::{Answered, posted};

/// Where it is asked for.
pub(crate) const PATH: &str = "/roadstead.dev/users";

/// What is asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Ask {
    /// The user's name.
    pub(crate) name: String,
    /// The user's groups.
    pub(crate) groups: Vec<String>,
    /// For how long, in seconds.
    pub(crate) seconds: u64,
    /// Where the user finds the hub.
    pub(crate) server: String,
    /// The namespace where none is said; empty: `default`.
    pub(crate) namespace: String,
}

/// The kubeconfig.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Answer {
    /// As text.
    pub(crate) kubeconfig: String,
    /// Until when its certificate is good.
    pub(crate) until: String,
}

/// Answers a request for a user's kubeconfig; `None` for any other path.
pub(crate) fn page(authority: &Authority, page: &Page<'_>) -> Option<Answered> {
    if page.path != PATH {
        return None;
    }
    Some(posted(page, "question for a user's kubeconfig", |ask| {
        make(authority, page.access, ask)
    }))
}

fn make(authority: &Authority, access: &Access<'_>, ask: &Ask) -> Result<Answer, Status> {
    let impersonate =
        |resource, name| access.check(&Asked::object("impersonate", ("", resource), ("", name)));
    impersonate("users", &ask.name)?;
    for group in &ask.groups {
        impersonate("groups", group)?;
    }
    let user = User {
        name: ask.name.clone(),
        groups: ask.groups.clone(),
        life: Duration::from_secs(ask.seconds),
        namespace: ask.namespace.clone(),
    };
    let made = authority.user_kubeconfig(&ask.server, &user);
    let made = made.map_err(|error| {
        if let AuthorityError::User { .. } = error {
            return Status::bad_request(error.to_string());
        }
        Status::internal(crate::chain(&error))
    })?;
    tracing::info!(by = %access.who().user, user = %ask.name, groups = ?ask.groups, until = %made.until, "a user gets a certificate");
    Ok(Answer {
        kubeconfig: made.text,
        until: made.until.to_string(),
    })
}
