//! Making the agent's file anew before it is opened: to seal what was written before there was a key
//! (or under a former one), and to give room back that redb keeps.
//!
//! A copy takes the file's name once it is on the disk; nothing that was plain stays in a free page.

use redb::{Database, ReadableDatabase, ReadableTable, TableHandle as _};

use super::disk::{CONTENTS, INVENTORY, ITEMS, META, Table};
use super::error::OpenError;
use super::record::RecordError;
use super::vault::Vault;

/// A file that is shorter is never made anew for its length, in bytes.
const SHRINK_FROM_BYTES: u64 = 64 * 1024 * 1024;
/// How many times as long as what is in it a file may be.
const SHRINK_FACTOR: u64 = 4;

/// All that an agent's file has.
const TABLES: [Table; 4] = [META, ITEMS, CONTENTS, INVENTORY];

/// Whether the file of `length` bytes is to be made anew.
pub(super) fn is_due(database: &Database, length: u64, vault: &Vault) -> Result<bool, OpenError> {
    let (mut bytes, mut stale) = (0, false);
    for table in TABLES {
        each(database, table, |key, found| {
            bytes += (key.len() + found.len()) as u64;
            stale |= vault.is_stale(found);
            Ok(())
        })?;
    }
    Ok(stale || (length >= SHRINK_FROM_BYTES && length / SHRINK_FACTOR > bytes))
}

/// Whether a file of that length can be due at all.
pub(super) fn may_be_due(length: u64, vault: &Vault) -> bool {
    vault.seals() || length >= SHRINK_FROM_BYTES
}

/// Writes all of `from` into `to`, sealed as it would be now.
pub(super) fn copy(from: &Database, to: &Database, vault: &Vault) -> Result<(), OpenError> {
    let txn = to.begin_write().map_err(|e| failed(e.into()))?;
    for table in TABLES {
        let mut target = txn.open_table(table).map_err(|e| failed(e.into()))?;
        let name = table.name();
        each(from, table, |key, found| {
            let record = |source| record(table, key, source);
            let plain = vault.open(name, key, found).map_err(record)?;
            let anew = vault.seal(name, key, plain.into_owned()).map_err(record)?;
            target.insert(key, anew.as_slice())?;
            Ok(())
        })?;
    }
    txn.commit().map_err(|e| failed(e.into()))
}

fn each(
    database: &Database,
    table: Table,
    mut work: impl FnMut(&[u8], &[u8]) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let txn = database.begin_read().map_err(|e| failed(e.into()))?;
    let opened = match txn.open_table(table) {
        Ok(opened) => opened,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(failed(error.into())),
    };
    for entry in opened.iter()? {
        let (key, value) = entry?;
        work(key.value(), value.value())?;
    }
    Ok(())
}

fn record(table: Table, key: &[u8], source: RecordError) -> OpenError {
    OpenError::record(
        super::load::table_name(table),
        String::from_utf8_lossy(key).replace('\0', "/"),
        source,
    )
}

fn failed(error: redb::Error) -> OpenError {
    super::load::failed(error)
}
