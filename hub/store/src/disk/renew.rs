//! Making a store's file anew before it is opened: to seal what was written before there was a key
//! (or under a former one), and to give room back that redb keeps.
//!
//! A copy is made beside the file and takes its name once it is on the disk, so a crash leaves
//! either one. Nothing is rewritten in place: what was plain must not stay in some free page.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable};
use roadstead_protocol::seal::{Sealer, UNSEALED};

use super::engine::{ENTRIES, META, ReadError, WriteError, read_meta, redb, refused};
use super::file::{self, NEW, PlaceError};
use super::record;
use crate::OpenError;

/// A file that is shorter is never made anew for its length, in bytes.
const SHRINK_FROM_BYTES: u64 = 64 * 1024 * 1024;
/// How many times as long as what is in it a file may be.
const SHRINK_FACTOR: u64 = 4;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It is as it was.
    NotNeeded,
    /// It was made anew.
    Made {
        /// How long it was, in bytes.
        before: u64,
        /// How long it is now, in bytes.
        after: u64,
    },
}

/// What is in a file.
#[derive(Default)]
struct Census {
    /// Of keys and records.
    bytes: u64,
    /// Some record is not sealed with the key that seals now.
    stale: bool,
}

/// Makes the file at `path` anew where that is due; where there is none, nothing is.
pub(super) fn renew(path: &Path, sealer: &Sealer) -> Result<Renewal, OpenError> {
    let length = |path: &Path| std::fs::metadata(path).map(|about| about.len());
    let before = match length(path) {
        Ok(length) => length,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Renewal::NotNeeded),
        Err(e) => return Err(OpenError::Disk(format!("{}: {e}", path.display()))),
    };
    if sealer.current() == UNSEALED && before < SHRINK_FROM_BYTES {
        return Ok(Renewal::NotNeeded);
    }
    let database = file::open(path).map_err(refused)?;
    let census = census(&database, sealer)?;
    let loose = before >= SHRINK_FROM_BYTES && before / SHRINK_FACTOR > census.bytes;
    if !census.stale && !loose {
        return Ok(Renewal::NotNeeded);
    }
    let copied = file::place(path, NEW, |to| copy(&database, to, sealer));
    match copied {
        Ok(()) => {}
        Err(PlaceError::Write(WriteError::Record(e))) => return Err(ReadError::Record(e).into()),
        Err(error) if census.stale => {
            return Err(OpenError::Disk(format!(
                "what is in it could not be sealed anew, which needs as much room again as it takes: {error}"
            )));
        }
        Err(error) => {
            tracing::warn!(%error, "the store's file could not be made shorter; it stays as it is");
            return Ok(Renewal::NotNeeded);
        }
    }
    drop(database);
    let after = length(path).map_err(|e| OpenError::Disk(format!("{}: {e}", path.display())))?;
    Ok(Renewal::Made { before, after })
}

fn census(database: &Database, sealer: &Sealer) -> Result<Census, OpenError> {
    read_meta(database, sealer)?;
    let mut census = Census::default();
    let mut count = |name: &str, record: &[u8]| {
        census.bytes += (name.len() + record.len()) as u64;
        census.stale |= sealer.current() != UNSEALED && record::key_id(record) != sealer.current();
        Ok(())
    };
    for table in [META, ENTRIES] {
        each(database, table, &mut count).map_err(|error| match error {
            WriteError::Redb(e) => OpenError::from(ReadError::Redb(e)),
            WriteError::Record(e) => ReadError::Record(e).into(),
        })?;
    }
    Ok(census)
}

type Table = redb::TableDefinition<'static, &'static str, &'static [u8]>;

fn each(
    database: &Database,
    table: Table,
    mut work: impl FnMut(&str, &[u8]) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let txn = database.begin_read().map_err(redb)?;
    let table = match txn.open_table(table) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(e) => return Err(redb(e)),
    };
    for item in table.iter().map_err(redb)? {
        let (name, found) = item.map_err(redb)?;
        work(name.value(), found.value())?;
    }
    Ok(())
}

/// All records, sealed as they would be now.
fn copy(from: &Database, to: &Database, sealer: &Sealer) -> Result<(), WriteError> {
    let txn = to.begin_write().map_err(redb)?;
    for table in [META, ENTRIES] {
        let mut target = txn.open_table(table).map_err(redb)?;
        each(from, table, |name, found| {
            let anew = record::rewrite(sealer, name, found)?;
            target.insert(name, anew.as_slice()).map_err(redb)?;
            Ok(())
        })?;
    }
    txn.commit().map_err(redb)
}
