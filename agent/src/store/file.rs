//! The database as a real file.
//!
//! redb writes its magic number last, so a crash while it makes a file leaves one that it refuses for
//! ever. A new file is therefore made under another name, synced, and renamed. A folder is used by one
//! process at a time: redb locks its file, and a lock file keeps two first starts apart. For the same
//! reasons a file that is to be sealed anew is made anew, and not written over.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{Database, DatabaseError};
use roadstead_protocol::env::Env;
use roadstead_protocol::seal::Keyring;

use super::error::OpenError;
use super::renew;
use super::vault::Vault;
use super::view::{self, Source, or_view};
use crate::Opener;

const FILE: &str = "agent.redb";
const UNFINISHED: &str = "agent.redb.new";
const LOCK: &str = "agent.lock";
/// What redb may keep in memory of the file, in bytes. All but contents is in memory anyway, and a
/// content is read when it is applied.
const CACHE_BYTES: usize = 256 * 1024;

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
        let lock = match options.open(path.join(LOCK)) {
            // A lock that is there can be taken where nothing can be written.
            Err(error) if view::no_room(&error) => File::open(path.join(LOCK)).map_err(|_| error),
            opened => opened,
        };
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Makes the folder's database anew, where that is due: where something in it is not sealed with
    /// `keyring`'s first key, and where it has become much longer than what is in it. To be called
    /// before it is opened.
    ///
    /// # Errors
    /// Where the file cannot be read with these keys, or there is no room for the copy that sealing
    /// takes; it is left as it is.
    pub fn renewed(self, env: &Env, keyring: &Keyring) -> Result<Self, OpenError> {
        if self.renew(env, keyring)? {
            tracing::info!(
                sealed = !keyring.is_empty(),
                "the agent's file was made anew"
            );
        }
        Ok(self)
    }

    /// Whether it was due.
    fn renew(&self, env: &Env, keyring: &Keyring) -> Result<bool, OpenError> {
        let vault = Vault::new(env, keyring.clone());
        let path = self.path.join(FILE);
        let length = match fs::metadata(&path) {
            Ok(about) => about.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(OpenError::Path { path, source }),
        };
        if !renew::may_be_due(length, &vault) {
            return Ok(false);
        }
        let database = match open(&self.path) {
            Err(error) if view::takes_no_writes(&error) => {
                tracing::warn!(%error, "the agent's file cannot be looked through; it stays as it is until the next start");
                return Ok(false);
            }
            opened => opened?,
        };
        if !renew::is_due(&database, length, &vault)? {
            return Ok(false);
        }
        match make(&self.path, &path, |to| renew::copy(&database, to, &vault)) {
            Ok(()) => Ok(true),
            Err(error @ OpenError::Sealed { .. }) => Err(error),
            Err(error) if vault.seals() => Err(OpenError::Renewal(Box::new(error))),
            Err(error) => {
                tracing::warn!(%error, "the agent's file could not be made shorter; it stays as it is");
                Ok(false)
            }
        }
    }

    /// Opens the folder's database, each time it is called. Once it was open it must not vanish, for
    /// then it is not made anew; and while the disk takes no writes, what is on it can be read.
    pub fn opener(self) -> Opener {
        let path = self.path.join(FILE);
        let opened = AtomicBool::new(false);
        let opener: Opener = Arc::new(move || {
            // As a whole: a closure that names the path alone would let go of the lock.
            let folder = &self;
            let database = if opened.load(Ordering::Acquire) {
                reopen(&folder.path)
            } else {
                open(&folder.path)
            };
            opened.fetch_or(database.is_ok(), Ordering::AcqRel);
            database
        });
        let source = move || {
            let file: Box<dyn Source> = Box::new(OnDisk(Mutex::new(File::open(&path)?)));
            Ok(file)
        };
        or_view(opener, Arc::new(source))
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A file that is looked at.
#[derive(Debug)]
struct OnDisk(Mutex<File>);

impl Source for OnDisk {
    fn length(&self) -> Result<u64, Error> {
        let file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }
}

fn open(folder: &Path) -> Result<Database, DatabaseError> {
    let path = folder.join(FILE);
    if !path.try_exists()? {
        create(folder, &path)?;
    }
    reopen(folder)
}

fn reopen(folder: &Path) -> Result<Database, DatabaseError> {
    let path = folder.join(FILE);
    if fs::metadata(&path)?.len() == 0 {
        // redb would make a new database of it, and what was lost would not be noticed.
        return Err(Error::new(ErrorKind::InvalidData, "the file is empty").into());
    }
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).open(&path)
}

fn create(folder: &Path, path: &Path) -> Result<(), DatabaseError> {
    make(folder, path, |_| Ok::<_, DatabaseError>(()))
}

/// Makes a database under another name, lets `fill` write it, and gives it its own name, also where
/// another has it, only when it is on the disk. What fails leaves nothing.
fn make<E: From<DatabaseError>>(
    folder: &Path,
    path: &Path,
    fill: impl FnOnce(&Database) -> Result<(), E>,
) -> Result<(), E> {
    let unfinished = folder.join(UNFINISHED);
    let made = fresh(&unfinished).map_err(E::from).and_then(|database| {
        fill(&database)?;
        drop(database);
        Ok(named(folder, &unfinished, path).map_err(DatabaseError::from)?)
    });
    if made.is_err() {
        // There may be nothing to remove.
        drop(fs::remove_file(&unfinished));
    }
    made
}

fn fresh(unfinished: &Path) -> Result<Database, DatabaseError> {
    match fs::remove_file(unfinished) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let database = Database::builder().create(unfinished)?;
    restrict(unfinished)?;
    Ok(database)
}

fn named(folder: &Path, unfinished: &Path, path: &Path) -> std::io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    fs::rename(unfinished, path)?;
    File::open(folder)?.sync_all()
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
        assert!(matches!(Folder::take(&path), Err(OpenError::InUse)));
        let database = opener().unwrap();
        assert!(matches!(opener(), Err(DatabaseError::DatabaseAlreadyOpen)));
        drop(database);
        drop(opener);
        Folder::take(&path).unwrap().opener()().unwrap();
    }

    #[test]
    fn a_file_that_vanished_is_not_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let opener = Folder::take(dir.path()).unwrap().opener();
        drop(opener().unwrap());
        fs::remove_file(dir.path().join(FILE)).unwrap();
        assert!(opener().is_err());
        assert!(!dir.path().join(FILE).exists());
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
