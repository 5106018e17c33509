//! The redb database behind a store: loading, one transaction per group, reopening after errors.
//!
//! Synchronous: it runs as blocking work. After an I/O error a redb handle is never used again; it is
//! dropped and the database is opened anew, and what it then says about its last revision settles
//! whether the failed commit arrived.

use std::sync::Arc;

use imbl::OrdMap;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use roadstead_protocol::wire::{Epoch, Lineage, Revision};

use super::record::{self, RecordError};
use super::{Failure, Healed, Loaded, OpenDatabase};
use crate::{Entry, Event, Key, OpenError};

const ENTRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("entries");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// A commit of which nobody knows whether it arrived.
struct Doubt {
    events: Vec<Arc<Event>>,
    last: Revision,
}

/// An open database, or one that waits to be opened again.
pub(crate) struct Engine {
    open: OpenDatabase,
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
        begin: impl FnOnce(Lineage, Option<Revision>) -> Lineage,
    ) -> Result<(Self, Loaded), OpenError> {
        let database = open().map_err(refused)?;
        let (former, last, entries) = read_all(&database)?;
        let lineage = begin(former, last);
        write_lineage(&database, &lineage).map_err(|e| OpenError::Disk(e.to_string()))?;
        let epoch = lineage.0.last().map(|range| range.epoch);
        let engine = Self {
            open,
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
            Some(database) => write(database, &events, last).map_err(|e| e.to_string()),
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
        let (lineage, on_disk) = read_meta(&database).map_err(|e| e.to_string())?;
        if lineage.0.last().map(|range| range.epoch) != self.epoch {
            return Err("another database is in its place".to_owned());
        }
        let healed = match &self.doubt {
            Some(doubt) if on_disk == Some(doubt.last) => {
                write(&database, &doubt.events, doubt.last).map_err(|e| e.to_string())?;
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
enum ReadError {
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
            ReadError::Redb(_) | ReadError::Record(_) | ReadError::Strange(_) => Self::Damaged {
                detail: error.to_string(),
            },
        }
    }
}

fn refused(error: redb::DatabaseError) -> OpenError {
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

fn read_meta(database: &Database) -> Result<(Lineage, Option<Revision>), ReadError> {
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
        Some(found) => record::decode_lineage(found.value())?,
        None => return Err(ReadError::Strange("it has no lineage".to_owned())),
    };
    let last = record(record::HEAD)?
        .map(|found| record::decode_head(found.value()))
        .transpose()?;
    Ok((lineage, last))
}

type Everything = (Lineage, Option<Revision>, OrdMap<Key, Entry>);

fn read_all(database: &Database) -> Result<Everything, ReadError> {
    let (lineage, last) = read_meta(database)?;
    let mut entries = OrdMap::new();
    let txn = database.begin_read().map_err(redb::Error::from)?;
    let table = match txn.open_table(ENTRIES) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok((lineage, last, entries)),
        Err(e) => return Err(redb::Error::from(e).into()),
    };
    for item in table.iter().map_err(redb::Error::from)? {
        let (name, found) = item.map_err(redb::Error::from)?;
        let entry = record::decode_entry(name.value(), found.value())?;
        if last.is_none_or(|last| entry.revision > last) {
            let text = format!("{} is newer than the last revision", entry.key);
            return Err(ReadError::Strange(text));
        }
        entries.insert(entry.key.clone(), entry);
    }
    Ok((lineage, last, entries))
}

fn write_lineage(database: &Database, lineage: &Lineage) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    txn.open_table(META)?
        .insert(record::LINEAGE, record::encode_lineage(lineage).as_slice())?;
    txn.commit()?;
    Ok(())
}

fn write(database: &Database, events: &[Arc<Event>], last: Revision) -> Result<(), redb::Error> {
    let txn = database.begin_write()?;
    {
        let mut entries = txn.open_table(ENTRIES)?;
        for event in events {
            let name = event.key.as_str();
            match &event.new {
                Some(entry) => drop(entries.insert(name, record::encode_entry(entry).as_slice())?),
                None => drop(entries.remove(name)?),
            }
        }
        txn.open_table(META)?
            .insert(record::HEAD, record::encode_head(last).as_slice())?;
    }
    txn.commit()?;
    Ok(())
}
