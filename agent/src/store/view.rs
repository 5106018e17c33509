//! Looking at a database on a disk that takes no writes: full, failing, or mounted read-only.
//!
//! redb writes to a file whenever it opens one. Here that stays in memory, and once the database is
//! open every write fails: so nothing can seem durable that is not, and what the agent keeps its
//! member by can still be read. The next time it is opened the real file is tried first.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, DatabaseError, StorageBackend, StorageError};

use crate::Opener;

/// Bytes in a block that is kept because it was written.
const BLOCK_BYTES: usize = 4096;
/// The same, as it is counted in a file.
const BLOCK: u64 = 4096;
/// What opening may write until it is given up, in blocks (64 MiB). A repair writes a few.
const BLOCKS_MAX: usize = 16 * 1024;

/// What the operating system says of a disk that fails: it has no [`ErrorKind`].
const EIO: i32 = 5;

/// Where a file's bytes are to be had.
pub(crate) trait Source: std::fmt::Debug + Send + Sync + 'static {
    /// How many there are.
    fn length(&self) -> Result<u64, Error>;

    /// Those at `offset`; all of `out` or none.
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error>;
}

/// Opens sources, each time it is called.
pub(crate) type OpenSource = Arc<dyn Fn() -> Result<Box<dyn Source>, Error> + Send + Sync>;

/// An opener that looks at the source where `open` fails for the disk's sake. What was open before is
/// looked at whatever the disk says; at a start it must be clear that the disk takes no writes, for
/// a folder that is not ours, say, is somebody's mistake.
pub(crate) fn or_view(open: Opener, source: OpenSource) -> Opener {
    let opened = AtomicBool::new(false);
    Arc::new(move || {
        let error = match open() {
            Ok(database) => {
                opened.store(true, Ordering::Release);
                return Ok(database);
            }
            Err(error) => error,
        };
        let fails = if opened.load(Ordering::Acquire) {
            is_the_disks(&error)
        } else {
            takes_no_writes(&error)
        };
        if !fails {
            return Err(error);
        }
        // What the view cannot do is no news beside why it is needed.
        let source = source().ok();
        source.and_then(|s| view(s).ok()).ok_or(error)
    })
}

/// Whether the disk is full, has failed, or is mounted read-only.
pub(super) fn takes_no_writes(error: &DatabaseError) -> bool {
    let DatabaseError::Storage(StorageError::Io(error)) = error else {
        return false;
    };
    no_room(error)
}

/// As [`takes_no_writes`], of the operating system's own words.
pub(super) fn no_room(error: &Error) -> bool {
    let kinds = [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::ReadOnlyFilesystem,
    ];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(EIO)
}

/// Whether it is the disk that fails, and not what is on it.
fn is_the_disks(error: &DatabaseError) -> bool {
    let DatabaseError::Storage(StorageError::Io(error)) = error else {
        return false;
    };
    let known = [
        ErrorKind::InvalidData,
        ErrorKind::UnexpectedEof,
        ErrorKind::NotFound,
    ];
    !known.contains(&error.kind())
}

fn view(source: Box<dyn Source>) -> Result<Database, DatabaseError> {
    if source.length().map_err(DatabaseError::from)? == 0 {
        // redb would make a new database of it.
        return Err(short().into());
    }
    let view = View {
        inner: Arc::new(Inner {
            length: Mutex::new(source.length().map_err(DatabaseError::from)?),
            source,
            written: Mutex::default(),
            open: AtomicBool::new(true),
        }),
    };
    let inner = Arc::clone(&view.inner);
    let database = Database::builder().create_with_backend(view)?;
    inner.open.store(false, Ordering::Release);
    Ok(database)
}

#[derive(Debug)]
struct View {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Box<dyn Source>,
    length: Mutex<u64>,
    /// What was written instead of to the source, by number of block.
    written: Mutex<BTreeMap<u64, Vec<u8>>>,
    /// The database is being opened; afterwards nothing is written.
    open: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn writable(&self) -> Result<(), Error> {
        if self.open.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::StorageFull,
            "the disk takes no writes; what is on it is read only",
        ))
    }

    /// A whole block, as it was written or as it is in the source; zeros beyond its end.
    fn block(&self, number: u64) -> Result<Vec<u8>, Error> {
        if let Some(block) = lock(&self.written).get(&number) {
            return Ok(block.clone());
        }
        let mut block = vec![0; BLOCK_BYTES];
        let there = self.source.length()?.saturating_sub(number * BLOCK);
        let there = usize::try_from(there).map_or(BLOCK_BYTES, |n| n.min(BLOCK_BYTES));
        if let Some(part) = block.get_mut(..there).filter(|part| !part.is_empty()) {
            self.source.read(number * BLOCK, part)?;
        }
        Ok(block)
    }
}

/// The blocks that a stretch touches: number, where in the block, where in the stretch, how long.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= length {
            return None;
        }
        let at = offset + done as u64;
        let inside = usize::try_from(at % BLOCK).unwrap_or_default();
        let count = (BLOCK_BYTES - inside).min(length - done);
        let piece = (at / BLOCK, inside, done, count);
        done += count;
        Some(piece)
    })
}

fn short() -> Error {
    ErrorKind::UnexpectedEof.into()
}

impl StorageBackend for View {
    fn len(&self) -> Result<u64, Error> {
        Ok(*lock(&self.inner.length))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        if offset + out.len() as u64 > *lock(&self.inner.length) {
            return Err(short());
        }
        for (number, inside, at, count) in pieces(offset, out.len()) {
            let block = self.inner.block(number)?;
            let from = block.get(inside..inside + count).ok_or_else(short)?;
            let to = out.get_mut(at..at + count).ok_or_else(short)?;
            to.copy_from_slice(from);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.inner.writable()?;
        *lock(&self.inner.length) = length;
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.inner.writable()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.inner.writable()?;
        for (number, inside, at, count) in pieces(offset, data.len()) {
            let mut block = self.inner.block(number)?;
            let to = block.get_mut(inside..inside + count).ok_or_else(short)?;
            to.copy_from_slice(data.get(at..at + count).ok_or_else(short)?);
            let mut written = lock(&self.inner.written);
            if written.len() >= BLOCKS_MAX {
                return Err(ErrorKind::OutOfMemory.into());
            }
            written.insert(number, block);
        }
        Ok(())
    }
}
