//! A store's file: created whole or not at all, opened by one process at a time, read by its owner
//! only (keys are in it).

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, DatabaseError, StorageError};

use super::OpenDatabase;

/// Bytes of redb's page cache. The store has its state in memory, so only writes use it.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

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
        let database = Database::builder().set_cache_size(CACHE_BYTES).open(&path);
        opened.store(
            database.is_ok() || opened.load(Ordering::Acquire),
            Ordering::Release,
        );
        database
    })
}

/// Makes an empty database under another name and gives it its own only when it is on the disk.
fn create(path: &Path) -> Result<(), DatabaseError> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (lock_path, unfinished) = (beside(".lock"), beside(".new"));
    let lock = File::create(&lock_path).map_err(|e| storage(&lock_path, &e))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DatabaseError::DatabaseAlreadyOpen),
        Err(TryLockError::Error(e)) => return Err(storage(&lock_path, &e)),
    }
    let failed = |e: io::Error| storage(path, &e);
    if path.try_exists().map_err(failed)? {
        return Ok(());
    }
    match std::fs::remove_file(&unfinished) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(storage(&unfinished, &e)),
    }
    owned_by_us(&unfinished).map_err(|e| storage(&unfinished, &e))?;
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(&unfinished)?
        .close()?;
    std::fs::rename(&unfinished, path).map_err(failed)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
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
