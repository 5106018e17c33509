//! Who asks.
//!
//! Established by whoever accepts the connection (a client certificate, a token, a simulation's
//! word); here it is only believed.

/// The group whose members may do everything.
pub const ADMINS: &str = "system:masters";
/// The group of agents, which may do nothing here.
pub const AGENTS: &str = "roadstead:agents";
/// The user that nobody vouches for.
const ANONYMOUS: &str = "system:anonymous";
/// The group of users that nobody vouches for.
const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group of users that somebody vouches for.
const AUTHENTICATED: &str = "system:authenticated";

/// A user and the groups that the user is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
}

impl Identity {
    /// A named user in `groups`, and among the authenticated.
    pub fn new(user: impl Into<String>, groups: impl IntoIterator<Item = String>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().collect();
        if !groups.iter().any(|g| g == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Self {
            user: user.into(),
            groups,
        }
    }

    /// Whom somebody takes the place of: as [`Self::new`], but nobody vouches for the user that nobody
    /// vouches for.
    pub(crate) fn impersonated(user: String, mut groups: Vec<String>) -> Self {
        if user != ANONYMOUS {
            return Self::new(user, groups);
        }
        if !groups.iter().any(|g| g == UNAUTHENTICATED) {
            groups.push(UNAUTHENTICATED.to_owned());
        }
        Self { user, groups }
    }

    /// Somebody who may do everything.
    pub fn admin() -> Self {
        Self::new("admin", [ADMINS.to_owned()])
    }

    /// Somebody that nobody vouches for: may see versions and health.
    pub fn anonymous() -> Self {
        Self {
            user: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
        }
    }

    /// The agent of the cluster with this uid: may do nothing.
    pub fn agent(cluster_uid: &str) -> Self {
        Self::new(
            format!("roadstead:agent:{cluster_uid}"),
            [AGENTS.to_owned()],
        )
    }

    /// Whether the user is in `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Whether nobody vouches for the user.
    pub fn is_anonymous(&self) -> bool {
        self.is_in(UNAUTHENTICATED)
    }

    /// Whether everything is allowed.
    pub fn is_admin(&self) -> bool {
        self.is_in(ADMINS)
    }
}
