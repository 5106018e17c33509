//! What one user may do.

use std::sync::Arc;

use roadstead_machinery::status::Status;

use super::{About, Ask, Grants, Rule};
use crate::Identity;
use crate::identity::AGENTS;

/// What everybody may look at, whom nobody vouches for too: who watches over a hub has no account there.
const PUBLIC: [&str; 4] = ["/version", "/healthz", "/livez", "/readyz"];
/// Why an administrator may.
const ADMIN: &str = "administrators may do everything";

/// What one user may do.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    who: &'a Identity,
    /// `None`: everything is allowed.
    grants: Option<Arc<Grants>>,
}

impl<'a> Access<'a> {
    /// What `who` may do by these grants, which administrators do not need.
    pub(crate) fn new(who: &'a Identity, grants: impl FnOnce() -> Arc<Grants>) -> Self {
        let grants = (!who.is_admin()).then(grants);
        Self { who, grants }
    }

    /// Who it is.
    pub fn who(&self) -> &Identity {
        self.who
    }

    /// Whether this is allowed.
    pub fn allows(&self, ask: &Ask<'_>) -> bool {
        self.reason(ask).is_some()
    }

    /// Lets this be done, or says why not.
    ///
    /// # Errors
    /// 403 in Kubernetes' words.
    pub fn check(&self, ask: &Ask<'_>) -> Result<(), Status> {
        match self.allows(ask) {
            true => Ok(()),
            false => Err(ask.refusal(self.who)),
        }
    }

    /// Why this is allowed; `None` where it is not.
    pub(crate) fn reason(&self, ask: &Ask<'_>) -> Option<String> {
        let Some(grants) = &self.grants else {
            return Some(ADMIN.to_owned());
        };
        if self.who.is_in(AGENTS) {
            return None;
        }
        if is_public(ask) {
            return Some("everybody may see health and version".to_owned());
        }
        grants.allows(self.who, ask)
    }

    /// All rules in a namespace (empty: those of the whole cluster alone), but for what everybody may;
    /// `None` where everything is allowed.
    pub(crate) fn rules(&self, namespace: &str) -> Option<Vec<&Rule>> {
        let grants = self.grants.as_ref()?;
        if self.who.is_in(AGENTS) {
            return Some(Vec::new());
        }
        Some(grants.rules(self.who, namespace))
    }

    /// The grants, where not everything is allowed.
    pub(crate) fn grants(&self) -> Option<&Grants> {
        self.grants.as_deref()
    }
}

/// The paths that everybody may look at, as rules write them.
pub(crate) fn public() -> impl Iterator<Item = String> {
    PUBLIC
        .iter()
        .flat_map(|path| [(*path).to_owned(), format!("{path}/*")])
}

fn is_public(ask: &Ask<'_>) -> bool {
    let About::Path(path) = ask.about else {
        return false;
    };
    let beneath = |public: &&str| {
        path.strip_prefix(*public)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    matches!(ask.verb, "get" | "head") && PUBLIC.iter().any(beneath)
}
