//! Writing the contents of a backup as a store's file, where there is none.

use std::path::Path;

use roadstead_protocol::env::Env;
use roadstead_protocol::seal::{Keyring, Sealer};

use super::engine::{ENTRIES, META, WriteError, redb};
use super::file::{RESTORING, place};
use super::record;
use crate::OpenError;
use crate::backup::Contents;

/// Writes `contents` as the file at `path`, sealed with `keyring`'s first key if it has one. It has
/// its name only once it is whole and on the disk; a hub does not start over one that was cut off.
///
/// # Errors
/// When there is a file already, or it cannot be written.
pub async fn restore(
    env: &Env,
    path: &Path,
    contents: Contents,
    keyring: Keyring,
) -> Result<(), OpenError> {
    let (sealer, path) = (
        Sealer::new(keyring, std::sync::Arc::clone(&env.entropy)),
        path.to_owned(),
    );
    let work = move || {
        if path.exists() {
            let text = format!("{} is there already", path.display());
            return Err(OpenError::Disk(text));
        }
        place(&path, RESTORING, |to| fill(to, &contents, &sealer))
            .map_err(|e| OpenError::Disk(e.to_string()))
    };
    super::blocking(env, work)
        .await
        .unwrap_or_else(|| Err(OpenError::Disk(super::LOST.to_owned())))
}

fn fill(to: &redb::Database, contents: &Contents, sealer: &Sealer) -> Result<(), WriteError> {
    let Contents { head, entries } = contents;
    let txn = to.begin_write().map_err(redb)?;
    {
        let mut meta = txn.open_table(META).map_err(redb)?;
        let lineage = record::encode_lineage(sealer, &head.lineage)?;
        meta.insert(record::LINEAGE, lineage.as_slice())
            .map_err(redb)?;
        let last = record::encode_head(sealer, head.revision)?;
        meta.insert(record::HEAD, last.as_slice()).map_err(redb)?;
        let mut table = txn.open_table(ENTRIES).map_err(redb)?;
        for entry in entries.values() {
            let record = record::encode_entry(sealer, entry)?;
            table
                .insert(entry.key.as_str(), record.as_slice())
                .map_err(redb)?;
        }
    }
    txn.commit().map_err(redb)
}
