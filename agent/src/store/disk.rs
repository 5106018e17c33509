//! Reading and writing the database, beside the event loop.
//!
//! A task owns the writing end: it takes all that waits, writes it in one transaction and answers
//! everybody after the sync. A caller that goes away does not undo its write. After an error the
//! database is dropped and opened again for the next write, since redb refuses a handle that has seen
//! one.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use redb::{Database, ReadableDatabase, TableDefinition, TableHandle as _};
use roadstead_protocol::env::Env;
use roadstead_protocol::seal::Keyring;
use roadstead_protocol::wire::item::{Digest, ItemKey};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::error::{DiskError, OpenError};
use super::load::{Loaded, load_sealed};
use super::record::{
    Boot, Clock, Former, Freeze, Identity, Inventory, Item, Joining, Past, Position, RecordError,
    Spent, encode, encode_key, open_bytes, seal_bytes,
};
use super::vault::Vault;
use crate::Opener;

pub(super) type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(super) const META: Table = TableDefinition::new("meta");
pub(super) const ITEMS: Table = TableDefinition::new("items");
pub(super) const CONTENTS: Table = TableDefinition::new("contents");
pub(super) const INVENTORY: Table = TableDefinition::new("inventory");

pub(super) const IDENTITY: &[u8] = b"identity";
pub(super) const JOINING: &[u8] = b"joining";
pub(super) const SPENT: &[u8] = b"spent";
pub(super) const PAST: &[u8] = b"past";
pub(super) const BOOT: &[u8] = b"boot";
pub(super) const POSITION: &[u8] = b"position";
pub(super) const FREEZE: &[u8] = b"freeze";
pub(super) const FORMER: &[u8] = b"former";
pub(super) const CLOCK: &[u8] = b"clock";

/// Most commits that wait to be written.
const QUEUE_MAX: usize = 256;

/// Who the agent is and was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// Who it is; `None` before it joined.
    pub identity: Option<Identity>,
    /// Who it was, and whom it believed.
    pub former: Former,
    /// The tokens that it has joined with.
    pub spent: Spent,
    /// The clusters that it was before.
    pub past: Past,
    /// Whether its hub said that the cluster was detached.
    pub detached: bool,
}

/// One thing to write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Who the agent is.
    Identity(Identity),
    /// With which key it joins.
    Joining(Joining),
    /// It has joined.
    DropJoining,
    /// With which tokens it has joined.
    Spent(Spent),
    /// Which clusters it was before.
    Past(Past),
    /// What it knew and had before.
    Former(Former),
    /// How late it is at least.
    Clock(Clock),
    /// It belongs to another cluster now: what the hub said of the one before is gone, what was put on
    /// the member stays known.
    Forget,
    /// It belongs to another hub now: what was put on the member for the one before is none of its.
    ForgetInventory,
    /// A start.
    Boot(Boot),
    /// Where it is in the hub's history.
    Position(Position),
    /// Whether anything may be touched.
    Freeze(Freeze),
    /// An item.
    Item(ItemKey, Item),
    /// An item whose stamp no longer counts.
    DropItem(ItemKey),
    /// A content.
    Content(Digest, Bytes),
    /// A content that no item names any more.
    DropContent(Digest),
    /// What was put on the member.
    Inventory(ItemKey, Inventory),
    /// What is no longer there, or no longer ours.
    DropInventory(ItemKey),
}

impl Write {
    /// Takes into `who` what of it this writes.
    fn tell(&self, who: &mut Who) {
        if let Self::Identity(identity) = self {
            who.identity = Some(identity.clone());
        } else if let Self::Former(former) = self {
            who.former = former.clone();
        } else if let Self::Spent(spent) = self {
            who.spent = spent.clone();
        } else if let Self::Past(past) = self {
            who.past = past.clone();
        } else if let Self::Position(position) = self {
            who.detached = position.detached;
        } else if matches!(self, Self::Forget) {
            who.detached = false;
        }
    }
}

struct Job {
    writes: Vec<Write>,
    done: oneshot::Sender<Result<(), DiskError>>,
}

type Shared = Arc<Mutex<Option<Arc<Database>>>>;

/// The agent's disk. Cheap to clone.
#[derive(Clone)]
pub struct Disk {
    env: Env,
    opener: Opener,
    vault: Vault,
    database: Shared,
    jobs: mpsc::Sender<Job>,
    who: Arc<watch::Sender<Who>>,
}

impl Disk {
    /// Opens the database and reads what is in it; starts the task that writes, which ends, and closes
    /// the database, after the last clone of the disk was dropped.
    ///
    /// # Errors
    /// Where the file cannot be used. It is left as it is.
    pub async fn open(
        env: Env,
        opener: Opener,
    ) -> Result<(Self, Loaded, JoinHandle<()>), OpenError> {
        Self::open_sealed(env, opener, Keyring::default()).await
    }

    /// As [`open`](Self::open), with keys: the first one seals all that is written, what the others
    /// sealed is read.
    ///
    /// # Errors
    /// Where the file cannot be used, or a record does not open. It is left as it is.
    pub async fn open_sealed(
        env: Env,
        opener: Opener,
        keyring: Keyring,
    ) -> Result<(Self, Loaded, JoinHandle<()>), OpenError> {
        let vault = Vault::new(&env, keyring);
        let (open, opens) = (opener.clone(), vault.clone());
        let opened = blocking(&env, move || {
            let database = open()?;
            let loaded = load_sealed(&database, &opens)?;
            Ok::<_, OpenError>((database, loaded))
        });
        let Some(opened) = opened.await else {
            return Err(OpenError::Other("the work was dropped".to_owned()));
        };
        let (database, loaded) = opened?;
        let database: Shared = Arc::new(Mutex::new(Some(Arc::new(database))));
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let writer = tokio::spawn(write_all(
            env.clone(),
            (opener.clone(), vault.clone()),
            database.clone(),
            queue,
        ));
        Ok((
            Self {
                env,
                opener,
                vault,
                database,
                jobs,
                who: Arc::new(watch::Sender::new(Who {
                    identity: loaded.identity.clone(),
                    former: loaded.former.clone(),
                    spent: loaded.spent.clone(),
                    past: loaded.past.clone(),
                    detached: loaded.position.detached,
                })),
            },
            loaded,
            writer,
        ))
    }

    /// Writes all of `writes` or nothing; resolves after the sync.
    ///
    /// # Errors
    /// Where the disk does not take it; it may be given again.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), DiskError> {
        if writes.is_empty() {
            return Ok(());
        }
        let before = self.who.borrow().clone();
        let mut who = before.clone();
        for write in &writes {
            write.tell(&mut who);
        }
        let (done, answer) = oneshot::channel();
        self.jobs
            .send(Job { writes, done })
            .await
            .map_err(|_| DiskError::Closed)?;
        answer.await.unwrap_or(Err(DiskError::Closed))?;
        if who != before {
            self.who.send_replace(who);
        }
        Ok(())
    }

    /// Who the agent is and was, as the disk has it, and whenever that changes.
    pub fn who(&self) -> watch::Receiver<Who> {
        self.who.subscribe()
    }

    /// The content of `digest`, if it is here and whole.
    ///
    /// # Errors
    /// Where the disk does not give it.
    pub async fn content(&self, digest: Digest) -> Result<Option<Bytes>, DiskError> {
        let (opener, shared) = (self.opener.clone(), self.database.clone());
        let read = blocking(&self.env, move || {
            with(&opener, &shared, |database| {
                let read = database.begin_read().map_err(|e| e.to_string())?;
                let table = read.open_table(CONTENTS).map_err(|e| e.to_string())?;
                let found = table.get(digest.0.as_slice()).map_err(|e| e.to_string())?;
                Ok(found.map(|bytes| Bytes::copy_from_slice(bytes.value())))
            })
        });
        let content = read.await.unwrap_or(Err(DiskError::Closed))?;
        Ok(content.and_then(|bytes| {
            let record = self.vault.open(CONTENTS.name(), &digest.0, &bytes);
            match record.and_then(|record| open_bytes(&record)) {
                Ok(body) if Digest::of(&body) == digest => Some(body),
                Ok(_) | Err(_) => None,
            }
        }))
    }
}

async fn write_all(
    env: Env,
    (opener, vault): (Opener, Vault),
    shared: Shared,
    mut queue: mpsc::Receiver<Job>,
) {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, QUEUE_MAX).await > 0 {
        let mut writes = Vec::new();
        let mut waiting = Vec::new();
        for job in jobs.drain(..) {
            writes.extend(job.writes);
            waiting.push(job.done);
        }
        let (opener, vault, shared) = (opener.clone(), vault.clone(), shared.clone());
        let written = blocking(&env, move || {
            with(&opener, &shared, |database| {
                write(database, &vault, &writes)
            })
        });
        let result = written.await.unwrap_or(Err(DiskError::Closed));
        if let Err(error) = &result {
            tracing::warn!(%error, "a write was not taken");
        }
        for done in waiting {
            // Whoever waited may be gone; the write stands.
            drop(done.send(result.clone()));
        }
    }
}

/// Runs `work` on the database, opened first where it is closed, and closed after an error.
fn with<R>(
    opener: &Opener,
    shared: &Shared,
    work: impl FnOnce(&Database) -> Result<R, String>,
) -> Result<R, DiskError> {
    let database = {
        let mut slot = shared.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.as_ref() {
            Some(database) => database.clone(),
            None => {
                let opened =
                    opener().map_err(|e| DiskError::Unavailable(OpenError::from(e).to_string()))?;
                slot.insert(Arc::new(opened)).clone()
            }
        }
    };
    work(&database).map_err(|error| {
        shared.lock().unwrap_or_else(PoisonError::into_inner).take();
        DiskError::Unavailable(error)
    })
}

fn write(database: &Database, vault: &Vault, writes: &[Write]) -> Result<(), String> {
    let transaction = database.begin_write().map_err(|e| e.to_string())?;
    for write in writes {
        write_one(&transaction, vault, write).map_err(|e| e.to_string())?;
    }
    transaction.commit().map_err(|e| e.to_string())
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("{0}")]
    Redb(#[from] redb::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn redb<E: Into<redb::Error>>(error: E) -> WriteError {
    WriteError::Redb(error.into())
}

fn write_one(
    transaction: &redb::WriteTransaction,
    vault: &Vault,
    write: &Write,
) -> Result<(), WriteError> {
    let put = |table: Table, key: &[u8], record: Vec<u8>| {
        let sealed = vault.seal(table.name(), key, record)?;
        let mut table = transaction.open_table(table).map_err(redb)?;
        table.insert(key, sealed.as_slice()).map_err(redb)?;
        Ok(())
    };
    let drop_key = |table: Table, key: &[u8]| {
        let mut table = transaction.open_table(table).map_err(redb)?;
        table.remove(key).map_err(redb)?;
        Ok(())
    };
    match write {
        Write::Identity(identity) => put(META, IDENTITY, encode(identity)),
        Write::Joining(joining) => put(META, JOINING, encode(joining)),
        Write::DropJoining => drop_key(META, JOINING),
        Write::Spent(spent) => put(META, SPENT, encode(spent)),
        Write::Past(past) => put(META, PAST, encode(past)),
        Write::Former(former) => put(META, FORMER, encode(former)),
        Write::Clock(clock) => put(META, CLOCK, encode(clock)),
        Write::Forget => {
            transaction.delete_table(ITEMS).map_err(redb)?;
            transaction.delete_table(CONTENTS).map_err(redb)?;
            drop_key(META, FREEZE)?;
            drop_key(META, POSITION)
        }
        Write::ForgetInventory => {
            transaction.delete_table(INVENTORY).map_err(redb)?;
            Ok(())
        }
        Write::Boot(boot) => put(META, BOOT, encode(boot)),
        Write::Position(position) => put(META, POSITION, encode(position)),
        Write::Freeze(freeze) => put(META, FREEZE, encode(freeze)),
        Write::Item(key, item) => put(ITEMS, &encode_key(key), encode(item)),
        Write::DropItem(key) => drop_key(ITEMS, &encode_key(key)),
        Write::Content(digest, bytes) => put(CONTENTS, &digest.0, seal_bytes(bytes)),
        Write::DropContent(digest) => drop_key(CONTENTS, &digest.0),
        Write::Inventory(key, inventory) => put(INVENTORY, &encode_key(key), encode(inventory)),
        Write::DropInventory(key) => drop_key(INVENTORY, &encode_key(key)),
    }
}

/// Runs `job` where blocking work goes; `None` where it was dropped undone.
async fn blocking<R: Send + 'static>(
    env: &Env,
    job: impl FnOnce() -> R + Send + 'static,
) -> Option<R> {
    let slot = Arc::new(Mutex::new(None));
    let filled = slot.clone();
    let run = env.blocking.run(Box::new(move || {
        let result = job();
        *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }));
    run.await;
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
