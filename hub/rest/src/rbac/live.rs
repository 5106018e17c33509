//! The grants as they are now: read anew when a role or a binding was written, and else not.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_store::records::OBJECTS_PREFIX;
use roadstead_store::{Store, Watch};

use super::{GROUP, Grants};

/// The grants as they are now. One state of them is kept, from when somebody who is no administrator
/// asked first.
#[derive(Default)]
pub(crate) struct Live(Mutex<Option<Known>>);

/// Grants, and what tells that they are no longer so.
struct Known {
    grants: Arc<Grants>,
    watch: Watch,
}

impl Live {
    /// The grants of what the store shows now. They are read with the lock let go: who needs none of
    /// them, or has them already, waits for nobody.
    pub(crate) fn grants(&self, store: &Store) -> Arc<Grants> {
        if let Some(known) = &mut *self.known()
            && known.watch.try_next().is_none()
        {
            return Arc::clone(&known.grants);
        }
        let snapshot = store.snapshot();
        let grants = Arc::new(Grants::read(&snapshot));
        let watch = store.watch(&format!("{OBJECTS_PREFIX}{GROUP}/"), snapshot.revision());
        *self.known() = watch.ok().map(|watch| Known {
            grants: Arc::clone(&grants),
            watch,
        });
        grants
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}
