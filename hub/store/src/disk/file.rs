//! A store's file: created whole or not at all, opened by one process at a time, read by its owner
//! only (keys are in it).

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, DatabaseError, StorageError};

use super::OpenDatabase;
use super::engine::WriteError;

/// Bytes of redb's page cache. The store has its state in memory, so only writes use it.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// What is appended to the name of a file that is being made.
pub(super) const NEW: &str = ".new";
/// What is appended to the name of a file that is being restored from a backup.
pub(super) const RESTORING: &str = ".restoring";

/// A redb file at `path`, created where there is none; its folder must exist.
///
/// A crash while it is created leaves no half-made file behind. A file that is there and cannot be
/// read is never replaced. Once it was open it must not vanish: reopening does not create.
pub fn file(path: impl Into<PathBuf>) -> OpenDatabase {
    let path = path.into();
    let opened = AtomicBool::new(false);
    Arc::new(move || {
        let exists = path.try_exists().map_err(|e| storage(&path, &e))?;
        if !exists && opened.load(Ordering::Acquire) {
            let vanished = io::Error::new(io::ErrorKind::NotFound, "the file has vanished");
            return Err(storage(&path, &vanished));
        }
        if !exists {
            create(&path)?;
        }
        let database = open(&path);
        opened.store(
            database.is_ok() || opened.load(Ordering::Acquire),
            Ordering::Release,
        );
        database
    })
}

/// Makes an empty database under another name and gives it its own only when it is on the disk.
fn create(path: &Path) -> Result<(), DatabaseError> {
    let restoring = beside(path, RESTORING);
    if restoring
        .try_exists()
        .map_err(|e| storage(&restoring, &e))?
    {
        let text = "a restore was cut off here: run `roadstead restore` again, it begins anew";
        return Err(storage(&restoring, &io::Error::other(text)));
    }
    let lock_path = beside(path, ".lock");
    let lock = File::create(&lock_path).map_err(|e| storage(&lock_path, &e))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DatabaseError::DatabaseAlreadyOpen),
        Err(TryLockError::Error(e)) => return Err(storage(&lock_path, &e)),
    }
    if path.try_exists().map_err(|e| storage(path, &e))? {
        return Ok(());
    }
    match place(path, NEW, |_| Ok(())) {
        Ok(()) => Ok(()),
        Err(PlaceError::Database(error)) => Err(error),
        // Nothing was written.
        Err(PlaceError::Write(error)) => Err(storage(path, &io::Error::other(error.to_string()))),
    }
}

/// Why a database was not put in its place.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Makes a database under another name (`path` and `suffix`), lets `fill` write it, and gives it the
/// name `path`, also where another has it, only when it is on the disk. What fails leaves nothing.
pub(super) fn place(
    path: &Path,
    suffix: &str,
    fill: impl FnOnce(&Database) -> Result<(), WriteError>,
) -> Result<(), PlaceError> {
    let unfinished = beside(path, suffix);
    let placed = made(path, &unfinished, fill);
    if placed.is_err()
        && let Err(error) = remove(&unfinished)
    {
        tracing::warn!(path = %unfinished.display(), %error, "an unfinished file is left over");
    }
    placed
}

fn made(
    path: &Path,
    unfinished: &Path,
    fill: impl FnOnce(&Database) -> Result<(), WriteError>,
) -> Result<(), PlaceError> {
    remove(unfinished).map_err(|e| storage(unfinished, &e))?;
    owned_by_us(unfinished).map_err(|e| storage(unfinished, &e))?;
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(unfinished)?;
    fill(&database)?;
    database.close()?;
    let failed = |e: io::Error| storage(path, &e);
    std::fs::rename(unfinished, path).map_err(failed)?;
    sync_folder(path).map_err(failed)?;
    Ok(())
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Opens the database that is there.
pub(super) fn open(path: &Path) -> Result<Database, DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).open(path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// An empty file that only its owner may read.
fn owned_by_us(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// An error that says which file it is about.
fn storage(path: &Path, error: &io::Error) -> DatabaseError {
    let text = format!("{}: {error}", path.display());
    DatabaseError::Storage(StorageError::Io(io::Error::new(error.kind(), text)))
}
