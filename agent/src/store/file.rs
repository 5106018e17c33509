//! The database as a real file.
//!
//! redb writes its magic number last, so a crash while it makes a file leaves one that it refuses for
//! ever. A new file is therefore made under another name, synced, and renamed. A folder is used by one
//! process at a time: redb locks its file, and a lock file keeps two first starts apart.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError};

use super::error::OpenError;
use crate::Opener;

const FILE: &str = "agent.redb";
const UNFINISHED: &str = "agent.redb.new";
const LOCK: &str = "agent.lock";
/// What redb may keep in memory of the file, in bytes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// A folder that this process has for itself, for as long as the value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes `path` for this process; makes it, for its owner only, where it is missing.
    ///
    /// # Errors
    /// [`OpenError::InUse`] where another process has it.
    pub fn take(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Path {
            path: path.to_owned(),
            source,
        };
        make_private(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let lock = options.open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Opens the folder's database, each time it is called.
    pub fn opener(self) -> Opener {
        let folder = Arc::new(self);
        Arc::new(move || open(&folder.path))
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn open(folder: &Path) -> Result<Database, DatabaseError> {
    let path = folder.join(FILE);
    if !path.try_exists()? {
        create(folder, &path)?;
    }
    if fs::metadata(&path)?.len() == 0 {
        // redb would make a new database of it, and what was lost would not be noticed.
        return Err(Error::new(ErrorKind::InvalidData, "the file is empty").into());
    }
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).open(&path)
}

fn create(folder: &Path, path: &Path) -> Result<(), DatabaseError> {
    let unfinished = folder.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    drop(Database::builder().create(&unfinished)?);
    restrict(&unfinished)?;
    File::open(&unfinished)?.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(unix)]
fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_process_and_survives_an_unfinished_creation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(UNFINISHED), [0; 4096]).unwrap();
        let folder = Folder::take(&path).unwrap();
        assert!(matches!(Folder::take(&path), Err(OpenError::InUse)));
        let opener = folder.opener();
        let database = opener().unwrap();
        assert!(matches!(opener(), Err(DatabaseError::DatabaseAlreadyOpen)));
        drop(database);
        drop(opener);
        Folder::take(&path).unwrap().opener()().unwrap();
    }

    #[test]
    fn a_damaged_file_is_reported_and_kept() {
        for bytes in [&b""[..], b"garbage that is longer than a magic number"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FILE), bytes).unwrap();
            let error =
                OpenError::from(Folder::take(dir.path()).unwrap().opener()().err().unwrap());
            assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
            assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), bytes);
        }
    }
}
