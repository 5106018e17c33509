//! The redb database behind a store: loading, one transaction per group, reopening after errors.
//!
//! Synchronous: it runs as blocking work. After an I/O error a redb handle is never used again; it is
//! dropped and the database is opened anew, and what it then says about its last revision settles
//! whether the failed commit arrived.

use std::sync::Arc;

use imbl::OrdMap;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use roadstead_protocol::seal::Sealer;
use roadstead_protocol::wire::{Epoch, Lineage, Revision};

use super::record::{self, RecordError};
use super::{Failure, Healed, Loaded, OpenDatabase};
use crate::{Entry, Event, Key, OpenError};

pub(super) const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// A commit of which nobody knows whether it arrived.
struct Doubt {
    events: Vec<Arc<Event>>,
    last: Revision,
}

/// An open database, or one that waits to be opened again.
pub(crate) struct Engine {
    open: OpenDatabase,
    sealer: Sealer,
    database: Option<Database>,
    /// The living epoch: what tells this database from any other put in its place.
    epoch: Option<Epoch>,
    /// The last revision that is surely on the disk.
    last: Option<Revision>,
    doubt: Option<Doubt>,
}

impl Engine {
    /// Opens and reads everything, then writes the epoch that begins.
    pub(crate) fn load(
        open: OpenDatabase,
        sealer: Sealer,
        begin: impl FnOnce(Lineage, Option<Revision>, &OrdMap<Key, Entry>) -> Lineage,
    ) -> Result<(Self, Loaded), OpenError> {
        let database = open().map_err(refused)?;
        let (former, last, entries) = read_all(&database, &sealer)?;
        let lineage = begin(former, last, &entries);
        write_lineage(&database, &sealer, &lineage).map_err(|e| OpenError::Disk(e.to_string()))?;
        let epoch = lineage.0.last().map(|range| range.epoch);
        let engine = Self {
            open,
            sealer,
            database: Some(database),
            epoch,
            last,
            doubt: None,
        };
        Ok((
            engine,
            Loaded {
                lineage,
                last,
                entries,
            },
        ))
    }

    /// Writes `events` in one transaction of the disk. After an error the database is reopened, and
    /// only where that fails too is the outcome in doubt.
    pub(crate) fn commit(
        &mut self,
        events: Vec<Arc<Event>>,
        last: Revision,
    ) -> Result<(), Failure> {
        let written = match &self.database {
            Some(database) => {
                write(database, &self.sealer, &events, last).map_err(|e| e.to_string())
            }
            None => Err("the file is not open".to_owned()),
        };
        let Err(text) = written else {
            self.last = Some(last);
            return Ok(());
        };
        self.doubt = Some(Doubt { events, last });
        match self.heal() {
            Ok(Healed::Landed) => Ok(()),
            Ok(Healed::NotLanded) => Err(Failure {
                text: format!("{text}; nothing of it was written"),
                in_doubt: false,
            }),
            Err(reopening) => {
                let text = format!(
                    "{text}; the file could not be opened again ({reopening}), this is tried until it works"
                );
                Err(Failure {
                    text,
                    in_doubt: true,
                })
            }
        }
    }

    /// Opens the database again, and settles what is in doubt.
    ///
    /// A commit that seems to have arrived is written once more: what a failed sync left behind may
    /// be in the system's cache only, and would never be written by a later sync.
    pub(crate) fn heal(&mut self) -> Result<Healed, String> {
        self.database = None;
        let database = (self.open)().map_err(|e| e.to_string())?;
        let (lineage, on_disk) = read_meta(&database, &self.sealer).map_err(|e| e.to_string())?;
        if lineage.0.last().map(|range| range.epoch) != self.epoch {
            return Err("another database is in its place".to_owned());
        }
        let healed = match &self.doubt {
            Some(doubt) if on_disk == Some(doubt.last) => {
                write(&database, &self.sealer, &doubt.events, doubt.last)
                    .map_err(|e| e.to_string())?;
                self.last = on_disk;
                Healed::Landed
            }
            Some(_) | None if on_disk == self.last => Healed::NotLanded,
            Some(_) | None => {
                return Err("an older state of the database is in its place".to_owned());
            }
        };
        self.doubt = None;
        self.database = Some(database);
        Ok(healed)
    }

    /// Closes the file.
    pub(crate) fn close(&mut self) {
        self.database = None;
    }
}

/// Why the database was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Redb(#[from] redb::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("{0}")]
    Strange(String),
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Redb(redb::Error::Io(e)) => Self::Disk(e.to_string()),
            ReadError::Record(e @ RecordError::Unknown { .. }) => Self::Newer {
                detail: e.to_string(),
            },
            ReadError::Record(e @ RecordError::Seal { .. }) => Self::Sealed {
                detail: e.to_string(),
            },
            ReadError::Redb(_) | ReadError::Record(_) | ReadError::Strange(_) => Self::Damaged {
                detail: error.to_string(),
            },
        }
    }
}

/// Why the database was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("{0}")]
    Redb(#[from] redb::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Any of redb's own errors.
pub(super) fn redb<E: Into<redb::Error>>(error: E) -> WriteError {
    WriteError::Redb(error.into())
}

pub(super) fn refused(error: redb::DatabaseError) -> OpenError {
    use redb::{DatabaseError, StorageError};
    let detail = error.to_string();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::InUse
        }
        DatabaseError::UpgradeRequired(_) => OpenError::Newer { detail },
        DatabaseError::Storage(StorageError::Io(e))
            if !matches!(
                e.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::Disk(e.to_string())
        }
        DatabaseError::Storage(StorageError::Io(_) | StorageError::Corrupted(_))
        | DatabaseError::RepairAborted => OpenError::Damaged { detail },
        DatabaseError::TransactionInProgress | DatabaseError::Storage(_) | _ => {
            OpenError::Disk(detail)
        }
    }
}

pub(super) fn read_meta(
    database: &Database,
    sealer: &Sealer,
) -> Result<(Lineage, Option<Revision>), ReadError> {
    let txn = database.begin_read().map_err(redb::Error::from)?;
    let mut tables = txn.list_tables().map_err(redb::Error::from)?;
    let strange = tables.find(|t| t.name() != ENTRIES.name() && t.name() != META.name());
    if let Some(table) = strange {
        let text = format!("it has a table {:?}, so it is no hub's store", table.name());
        return Err(ReadError::Strange(text));
    }
    let table = match txn.open_table(META) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok((Lineage::default(), None)),
        Err(e) => return Err(redb::Error::from(e).into()),
    };
    let record = |name| table.get(name).map_err(redb::Error::from);
    let lineage = match record(record::LINEAGE)? {
        Some(found) => record::decode_lineage(sealer, found.value())?,
        None => return Err(ReadError::Strange("it has no lineage".to_owned())),
    };
    let last = record(record::HEAD)?
        .map(|found| record::decode_head(sealer, found.value()))
        .transpose()?;
    Ok((lineage, last))
}

type Everything = (Lineage, Option<Revision>, OrdMap<Key, Entry>);

fn read_all(database: &Database, sealer: &Sealer) -> Result<Everything, ReadError> {
    let (lineage, last) = read_meta(database, sealer)?;
    let mut entries = OrdMap::new();
    let txn = database.begin_read().map_err(redb::Error::from)?;
    let table = match txn.open_table(ENTRIES) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok((lineage, last, entries)),
        Err(e) => return Err(redb::Error::from(e).into()),
    };
    for item in table.iter().map_err(redb::Error::from)? {
        let (name, found) = item.map_err(redb::Error::from)?;
        let entry = record::decode_entry(sealer, name.value(), found.value())?;
        if last.is_none_or(|last| entry.revision > last) {
            let text = format!("{} is newer than the last revision", entry.key);
            return Err(ReadError::Strange(text));
        }
        entries.insert(entry.key.clone(), entry);
    }
    Ok((lineage, last, entries))
}

fn write_lineage(
    database: &Database,
    sealer: &Sealer,
    lineage: &Lineage,
) -> Result<(), WriteError> {
    let record = record::encode_lineage(sealer, lineage)?;
    let txn = database.begin_write().map_err(redb)?;
    txn.open_table(META)
        .map_err(redb)?
        .insert(record::LINEAGE, record.as_slice())
        .map_err(redb)?;
    txn.commit().map_err(redb)
}

fn write(
    database: &Database,
    sealer: &Sealer,
    events: &[Arc<Event>],
    last: Revision,
) -> Result<(), WriteError> {
    let txn = database.begin_write().map_err(redb)?;
    {
        let mut entries = txn.open_table(ENTRIES).map_err(redb)?;
        for event in events {
            let name = event.key.as_str();
            let written = match &event.new {
                Some(entry) => {
                    let record = record::encode_entry(sealer, entry)?;
                    entries.insert(name, record.as_slice()).map(drop)
                }
                None => entries.remove(name).map(drop),
            };
            written.map_err(redb)?;
        }
        let head = record::encode_head(sealer, last)?;
        let mut meta = txn.open_table(META).map_err(redb)?;
        meta.insert(record::HEAD, head.as_slice()).map_err(redb)?;
    }
    txn.commit().map_err(redb)
}
