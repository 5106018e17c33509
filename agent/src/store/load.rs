//! Reading the whole database at the start.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use redb::{Database, ReadableDatabase, ReadableTable, TableHandle as _};
use roadstead_protocol::wire::item::{Digest, ItemKey};
use serde::de::DeserializeOwned;

use super::disk::{
    BOOT, CLOCK, CONTENTS, FORMER, FREEZE, IDENTITY, INVENTORY, ITEMS, JOINING, META, PAST,
    POSITION, SPENT, Table,
};
use super::error::OpenError;
use super::record::{
    Boot, Clock, Former, Freeze, Identity, Inventory, Item, Joining, Past, Position, RecordError,
    Spent, decode, decode_key,
};
use super::vault::Vault;

/// What was on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Who the agent is; `None` before it joined.
    pub identity: Option<Identity>,
    /// The key that it was joining with; `None` after it joined.
    pub joining: Option<Joining>,
    /// The tokens that it has joined with.
    pub spent: Spent,
    /// The clusters that it was before.
    pub past: Past,
    /// What it knew and had before.
    pub former: Former,
    /// How late it is at least.
    pub clock: Clock,
    /// Its latest start.
    pub boot: Boot,
    /// Where it is in the hub's history.
    pub position: Position,
    /// Whether anything may be touched; `None` where nothing was ever said about it.
    pub freeze: Option<Freeze>,
    /// The desired set, tombstones included.
    pub items: BTreeMap<ItemKey, Item>,
    /// What it put on the member.
    pub inventory: BTreeMap<ItemKey, Inventory>,
    /// The contents that are here.
    pub contents: BTreeSet<Digest>,
}

/// Reads all of `database`.
///
/// # Errors
/// Where it cannot be read, or a record makes no sense.
pub fn load(database: &Database) -> Result<Loaded, OpenError> {
    load_sealed(database, &Vault::plain())
}

/// Reads all of `database`, of which some may be sealed.
pub(super) fn load_sealed(database: &Database, vault: &Vault) -> Result<Loaded, OpenError> {
    let mut loaded = Loaded {
        identity: one((database, vault), IDENTITY, "identity")?,
        joining: one((database, vault), JOINING, "joining")?,
        spent: one((database, vault), SPENT, "spent")?.unwrap_or_default(),
        past: one((database, vault), PAST, "past")?.unwrap_or_default(),
        former: one((database, vault), FORMER, "former")?.unwrap_or_default(),
        clock: one((database, vault), CLOCK, "clock")?.unwrap_or_default(),
        boot: one((database, vault), BOOT, "boot")?.unwrap_or_default(),
        position: one((database, vault), POSITION, "position")?.unwrap_or_default(),
        freeze: one((database, vault), FREEZE, "freeze")?,
        ..Loaded::default()
    };
    each((database, Some(vault)), ITEMS, |key, value| {
        loaded.items.insert(decode_key(key)?, decode(value)?);
        Ok(())
    })?;
    each((database, Some(vault)), INVENTORY, |key, value| {
        loaded.inventory.insert(decode_key(key)?, decode(value)?);
        Ok(())
    })?;
    // They stay where they are, sealed or not.
    each((database, None), CONTENTS, |key, _| {
        let digest = <[u8; 32]>::try_from(key).map_err(|_| RecordError::Bytes)?;
        loaded.contents.insert(Digest(digest));
        Ok(())
    })?;
    Ok(loaded)
}

fn one<T: DeserializeOwned>(
    (database, vault): (&Database, &Vault),
    key: &[u8],
    name: &'static str,
) -> Result<Option<T>, OpenError> {
    let mut found = None;
    each((database, Some(vault)), META, |at, value| {
        if at == key {
            found = Some(value.to_vec());
        }
        Ok(())
    })?;
    let read = found.map(|bytes| decode(&bytes)).transpose();
    read.map_err(|source| OpenError::record("meta", name.to_owned(), source))
}

/// Reads a table; its records opened, where there is a vault.
fn each(
    (database, vault): (&Database, Option<&Vault>),
    table: Table,
    mut read: impl FnMut(&[u8], &[u8]) -> Result<(), RecordError>,
) -> Result<(), OpenError> {
    let transaction = database.begin_read().map_err(|e| failed(e.into()))?;
    let opened = match transaction.open_table(table) {
        Ok(opened) => opened,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(failed(error.into())),
    };
    for entry in opened.iter()? {
        let (key, value) = entry?;
        let opened = match vault {
            Some(vault) => vault.open(table.name(), key.value(), value.value()),
            None => Ok(Cow::Borrowed(value.value())),
        };
        opened
            .and_then(|value| read(key.value(), &value))
            .map_err(|source| {
                let record = String::from_utf8_lossy(key.value()).replace('\0', "/");
                OpenError::record(table_name(table), record, source)
            })?;
    }
    Ok(())
}

pub(super) fn table_name(table: Table) -> &'static str {
    let names: [(Table, &'static str); 4] = [
        (META, "meta"),
        (ITEMS, "items"),
        (CONTENTS, "contents"),
        (INVENTORY, "inventory"),
    ];
    let found = names
        .into_iter()
        .find(|(known, _)| redb::TableHandle::name(known) == redb::TableHandle::name(&table));
    found.map(|(_, name)| name).unwrap_or_default()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "redb's enum grows")]
pub(super) fn failed(error: redb::Error) -> OpenError {
    match error {
        redb::Error::Corrupted(detail) => OpenError::Damaged { detail },
        redb::Error::Io(error) => OpenError::Io(error),
        redb::Error::TableTypeMismatch { table, .. } => OpenError::Damaged {
            detail: format!("table {table} is not ours"),
        },
        other => OpenError::Other(other.to_string()),
    }
}
