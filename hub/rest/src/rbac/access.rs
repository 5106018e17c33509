//! What one user may do.

use std::sync::{Arc, OnceLock};

use roadstead_machinery::status::Status;
use roadstead_store::Store;

use super::live::Live;
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
    /// `None`: those that were given with it.
    live: Option<(&'a Live, &'a Store)>,
    /// Read when they are asked for first: what everybody may needs none.
    grants: OnceLock<Arc<Grants>>,
}

impl<'a> Access<'a> {
    /// What `who` may do by the grants of the store, which administrators do not need.
    pub(crate) fn live(who: &'a Identity, live: &'a Live, store: &'a Store) -> Self {
        Self {
            who,
            live: Some((live, store)),
            grants: OnceLock::new(),
        }
    }

    /// What `who` may do by these grants.
    pub(crate) fn by(who: &'a Identity, grants: Arc<Grants>) -> Self {
        Self {
            who,
            live: None,
            grants: OnceLock::from(grants),
        }
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
        if self.who.is_admin() {
            return Some(ADMIN.to_owned());
        }
        if self.who.is_in(AGENTS) {
            return None;
        }
        if is_public(ask) {
            return Some("everybody may see health and version".to_owned());
        }
        self.grants()?.allows(self.who, ask)
    }

    /// All rules in a namespace (empty: those of the whole cluster alone), but for what everybody may;
    /// `None` where everything is allowed.
    pub(crate) fn rules(&self, namespace: &str) -> Option<Vec<&Rule>> {
        let grants = self.grants()?;
        if self.who.is_in(AGENTS) {
            return Some(Vec::new());
        }
        Some(grants.rules(self.who, namespace))
    }

    /// The grants, where not everything is allowed.
    pub(crate) fn grants(&self) -> Option<&Grants> {
        if self.who.is_admin() {
            return None;
        }
        let read = || {
            let live = self.live.map(|(live, store)| live.grants(store));
            live.unwrap_or_default()
        };
        Some(self.grants.get_or_init(read))
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
