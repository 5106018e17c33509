//! A disk that loses what was not synced, tears what it was writing, fails and fills up.

use std::io;
use std::sync::{Arc, Mutex};

use redb::{Database, DatabaseError, StorageBackend, StorageError};

use crate::Backend;

/// What is written at once or not at all.
const SECTOR: usize = 512;

/// What happens at one I/O, which are counted from 0 (reads are not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The power goes: this I/O and all that follow fail until the reboot.
    Power,
    /// It fails, and nothing was done.
    Refused,
    /// It is done, and reported as failed.
    Lied,
    /// From here on everything fails, opening too, until [`SimDisk::mend`].
    Broken,
    /// As [`Fault::Broken`], but this one was done.
    BrokenLate,
}

#[derive(Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Default)]
struct State {
    /// What survives a power cut for sure.
    synced: Vec<u8>,
    /// What is read.
    now: Vec<u8>,
    /// What `now` has beyond `synced`, in order.
    pending: Vec<Pending>,
    /// Longest file, in bytes.
    room: Option<usize>,
    /// A longer file can be had, but nothing be written there, as with a file that has holes.
    holes: bool,
    ios: u64,
    syncs: u64,
    fault: Option<(u64, Fault)>,
    failing: bool,
    open: bool,
    random: u64,
}

/// One file on a disk. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on device")
}

fn error(text: &str) -> io::Error {
    io::Error::other(text.to_owned())
}

fn apply(bytes: &mut Vec<u8>, pending: &Pending) {
    match pending {
        Pending::Length(length) => bytes.resize(*length, 0),
        Pending::Write(at, data) => {
            bytes.resize(bytes.len().max(at + data.len()), 0);
            bytes[*at..at + data.len()].copy_from_slice(data);
        }
    }
}

impl State {
    fn random(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695);
        (self.random >> 33) % below
    }

    fn io(&mut self, action: impl FnOnce(&mut Self)) -> io::Result<()> {
        let number = self.ios;
        self.ios += 1;
        if self.failing {
            return Err(error("the disk is gone"));
        }
        match self.fault {
            Some((at, fault)) if at == number => {
                self.failing = matches!(fault, Fault::Power | Fault::Broken | Fault::BrokenLate);
                if matches!(fault, Fault::Lied | Fault::BrokenLate) {
                    action(self);
                }
                Err(error("I/O error"))
            }
            _ => {
                action(self);
                Ok(())
            }
        }
    }

    fn change(&mut self, pending: Pending) {
        apply(&mut self.now, &pending);
        self.pending.push(pending);
    }
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        let disk = Self::default();
        disk.lock().random = seed;
        disk
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn fault(&self, at: u64, fault: Fault) {
        self.lock().fault = Some((at, fault));
    }

    pub(super) fn limit(&self, room: Option<usize>) {
        self.lock().room = room;
    }

    /// When the disk is full, the file still grows, and what is written there fails.
    pub(super) fn holes(&self) {
        self.lock().holes = true;
    }

    pub(super) fn ios(&self) -> u64 {
        self.lock().ios
    }

    pub(super) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    pub(super) fn length(&self) -> usize {
        self.lock().now.len()
    }

    /// Ends a fault that lasts.
    pub(super) fn mend(&self) {
        let mut state = self.lock();
        state.failing = false;
        state.fault = None;
    }

    /// The power comes back: of what was not synced, some is there, some is not, some is torn.
    pub(super) fn reboot(&self) {
        let mut state = self.lock();
        let mut survived = std::mem::take(&mut state.synced);
        for pending in std::mem::take(&mut state.pending) {
            match (pending, state.random(3)) {
                (_, 0) => {}
                (Pending::Write(at, data), 1) => {
                    let sectors = data.len().div_ceil(SECTOR);
                    let kept = state.random(sectors as u64 + 1) as usize * SECTOR;
                    apply(
                        &mut survived,
                        &Pending::Write(at, data[..kept.min(data.len())].to_vec()),
                    );
                }
                (whole, _) => apply(&mut survived, &whole),
            }
        }
        state.now.clone_from(&survived);
        state.synced = survived;
        (state.failing, state.fault, state.open) = (false, None, false);
    }

    /// Turns one bit over.
    pub(super) fn flip(&self, at: usize) {
        let mut state = self.lock();
        state.synced[at] ^= 1;
        state.now[at] ^= 1;
    }

    /// Where `needle` is on the disk.
    pub(super) fn find(&self, needle: &[u8]) -> Option<usize> {
        self.lock()
            .now
            .windows(needle.len())
            .position(|window| window == needle)
    }

    pub(super) fn backend(&self) -> Backend {
        let disk = self.clone();
        Backend::Redb(Arc::new(move || disk.open()))
    }

    fn open(&self) -> Result<Database, DatabaseError> {
        let mut state = self.lock();
        if state.failing {
            return Err(DatabaseError::Storage(StorageError::Io(error(
                "the disk is gone",
            ))));
        }
        if std::mem::replace(&mut state.open, true) {
            return Err(DatabaseError::DatabaseAlreadyOpen);
        }
        // A file whose creation was cut off; `crate::file` makes files under another name instead.
        if state.now.iter().take(9).all(|byte| *byte == 0) {
            (state.now, state.synced, state.pending) = Default::default();
        }
        drop(state);
        Database::builder().create_with_backend(self.clone())
    }
}

impl StorageBackend for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.lock();
        if state.failing {
            return Err(error("the disk is gone"));
        }
        let from = offset as usize;
        let found = state.now.get(from..from + out.len());
        out.copy_from_slice(found.ok_or_else(|| error("read past the end"))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        let len = len as usize;
        let grows = len > state.now.len();
        if grows && !state.holes && state.room.is_some_and(|room| len > room) {
            return Err(full());
        }
        state.io(|state| state.change(Pending::Length(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.lock().io(|state| {
            state.syncs += 1;
            state.synced.clone_from(&state.now);
            state.pending.clear();
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let end = offset as usize + data.len();
        if state.room.is_some_and(|room| end > room) {
            return Err(full());
        }
        state.io(|state| state.change(Pending::Write(offset as usize, data.to_vec())))
    }

    fn close(&self) -> io::Result<()> {
        self.lock().open = false;
        Ok(())
    }
}
