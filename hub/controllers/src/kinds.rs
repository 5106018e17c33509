//! The kinds that are served as a snapshot shows them: those that are always there, and those that people
//! defined. Read anew only after a definition changed.

use std::sync::{Arc, Mutex, PoisonError};

use roadstead_machinery::resource::Registry;
use roadstead_store::records::objects_prefix;
use roadstead_store::{Revision, Snapshot};

use crate::objects;

/// The definitions that a registry was read from: their number, and the newest of their revisions, which
/// are never used again.
type Print = (usize, Revision);

/// See the module.
#[derive(Default)]
pub(crate) struct Kinds(Mutex<Option<(Print, Arc<Registry>)>>);

impl Kinds {
    /// `base` with what is defined in `snapshot`.
    pub(crate) fn of(&self, base: &Arc<Registry>, snapshot: &Snapshot) -> Arc<Registry> {
        let print = print(snapshot);
        if print.0 == 0 {
            return Arc::clone(base);
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, registry)) = known.as_ref()
            && *of == print
        {
            return Arc::clone(registry);
        }
        let registry = Arc::new(defined(base, snapshot));
        *known = Some((print, Arc::clone(&registry)));
        registry
    }
}

/// What the keys of all definitions begin with.
pub(crate) fn prefix() -> String {
    objects_prefix("apiextensions.k8s.io", "customresourcedefinitions")
}

fn print(snapshot: &Snapshot) -> Print {
    let count = |(count, newest): Print, revision: Revision| (count + 1, newest.max(revision));
    let revisions = snapshot.range(&prefix()).map(|entry| entry.revision);
    revisions.fold((0, Revision(0)), count)
}

/// `base` with every kind that is defined in `snapshot` and is served.
pub fn defined(base: &Registry, snapshot: &Snapshot) -> Registry {
    let mut registry = base.clone();
    for entry in snapshot.range(&prefix()) {
        let Ok(definition) = objects::object(entry) else {
            continue;
        };
        // As the API serves them: who comes second does not, and says so in its status.
        if registry.taken(&definition).is_none()
            && let Ok(with) = registry.with_crd(&definition)
        {
            registry = with;
        }
    }
    registry
}
