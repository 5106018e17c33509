//! Where a store's bytes are: in redb, or nowhere.
//!
//! Everything that touches the disk runs as blocking work of the environment. Knows nothing of
//! transactions' checks nor of watchers.

mod engine;
mod file;
mod record;
mod renew;
mod restore;

use std::path::PathBuf;
use std::sync::Arc;

use imbl::OrdMap;
use roadstead_protocol::env::Env;
use roadstead_protocol::seal::{Keyring, Sealer};
use roadstead_protocol::wire::{Lineage, Revision};

pub use file::file;
pub use renew::Renewal;
pub use restore::restore;

use crate::{Entry, Event, Key, OpenError};
use engine::Engine;

/// Opens a database; called again after an I/O error, and must then open the same one.
pub type OpenDatabase = Arc<dyn Fn() -> Result<redb::Database, redb::DatabaseError> + Send + Sync>;

/// Where a store's bytes are.
#[derive(Clone)]
pub enum Backend {
    /// Nowhere: they are gone with the process.
    Memory,
    /// In a redb database.
    Redb(OpenDatabase),
    /// In a redb database, sealed with a key file.
    Sealed {
        /// Opens it.
        open: OpenDatabase,
        /// Its first key seals all that is written; what the others sealed before is read.
        keyring: Keyring,
    },
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Redb(_) => f.write_str("Redb"),
            Self::Sealed { keyring, .. } => write!(f, "Sealed({keyring:?})"),
        }
    }
}

/// What was found on the disk.
pub(crate) struct Loaded {
    /// With the epoch that begins now.
    pub(crate) lineage: Lineage,
    /// The last revision; `None` where nothing was ever written.
    pub(crate) last: Option<Revision>,
    pub(crate) entries: OrdMap<Key, Entry>,
}

/// A commit that the disk did not take.
pub(crate) struct Failure {
    /// For people.
    pub(crate) text: String,
    /// The file could not be reopened, so it is unknown whether the commit arrived.
    pub(crate) in_doubt: bool,
}

/// What became of a commit in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Healed {
    /// It had arrived.
    Landed,
    /// It had not.
    NotLanded,
}

/// The writer's half of the disk.
pub(crate) enum Durable {
    /// There is none.
    Memory,
    /// The database; `None` only while work on it was lost with a cancelled job.
    Disk(Option<Box<Engine>>),
}

/// Why blocking work came back without a result.
const LOST: &str = "the work on the disk was cut off; restart the hub";

/// Opens the database, reads it whole, and writes the epoch that `begin` makes of its lineage and
/// last revision.
pub(crate) async fn load(
    env: &Env,
    open: OpenDatabase,
    keyring: Keyring,
    begin: impl FnOnce(Lineage, Option<Revision>, &OrdMap<Key, Entry>) -> Lineage + Send + 'static,
) -> Result<(Durable, Loaded), OpenError> {
    let sealer = Sealer::new(keyring, Arc::clone(&env.entropy));
    let job = move || Engine::load(open, sealer, begin);
    let result = blocking(env, job)
        .await
        .unwrap_or_else(|| Err(OpenError::Disk(LOST.to_owned())));
    result.map(|(engine, loaded)| (Durable::Disk(Some(Box::new(engine))), loaded))
}

/// Makes the file of [`file`] anew, before it is opened, where that is due: where something in it is
/// not sealed with `keyring`'s first key, and where it has become much longer than what is in it.
/// The one needs as much room again as it takes; without that room it fails. For the other it is not
/// worth failing.
///
/// # Errors
/// When the file is in use or cannot be read, or its records do not open; it is left as it is.
pub async fn renew(env: &Env, path: PathBuf, keyring: Keyring) -> Result<Renewal, OpenError> {
    let sealer = Sealer::new(keyring, Arc::clone(&env.entropy));
    blocking(env, move || renew::renew(&path, &sealer))
        .await
        .unwrap_or_else(|| Err(OpenError::Disk(LOST.to_owned())))
}

impl Durable {
    /// Makes `events` durable, as a whole; `last` is the last one's revision.
    pub(crate) async fn commit(
        &mut self,
        env: &Env,
        events: Vec<Arc<Event>>,
        last: Revision,
    ) -> Result<(), Failure> {
        let Self::Disk(slot) = self else {
            return Ok(());
        };
        let lost = || {
            Err(Failure {
                text: LOST.to_owned(),
                in_doubt: true,
            })
        };
        with(slot, env, move |engine| engine.commit(events, last))
            .await
            .unwrap_or_else(lost)
    }

    /// Opens the database again after a failure that left a commit in doubt.
    pub(crate) async fn heal(&mut self, env: &Env) -> Result<Healed, String> {
        let Self::Disk(slot) = self else {
            return Ok(Healed::NotLanded);
        };
        with(slot, env, Engine::heal)
            .await
            .unwrap_or_else(|| Err(LOST.to_owned()))
    }

    /// Lets go of the file.
    pub(crate) async fn close(&mut self, env: &Env) {
        let Self::Disk(slot) = self else { return };
        if with(slot, env, Engine::close).await.is_none() {
            tracing::warn!("{LOST}");
        }
    }
}

/// Runs `work` on the engine as blocking work; `None` where it got lost.
async fn with<T: Send + 'static>(
    slot: &mut Option<Box<Engine>>,
    env: &Env,
    work: impl FnOnce(&mut Engine) -> T + Send + 'static,
) -> Option<T> {
    let mut engine = slot.take()?;
    let job = move || {
        let result = work(&mut engine);
        (engine, result)
    };
    let (engine, result) = blocking(env, job).await?;
    *slot = Some(engine);
    Some(result)
}

async fn blocking<T: Send + 'static>(
    env: &Env,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    env.blocking
        .run(Box::new(move || drop(reply.send(work()))))
        .await;
    answer.try_recv().ok()
}

#[cfg(test)]
mod tests;
