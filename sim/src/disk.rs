//! A simulated disk: what was written and not synced may be lost when the power goes, whole, in
//! part, or torn inside a sector. Handles from before a power cut are dead.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rng::Rng;
use crate::trace;

/// Size of a sector, in bytes: what a real disk writes as a whole.
const SECTOR: usize = 512;

/// What a power cut leaves of unsynced writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// Nothing.
    DropAll,
    /// The oldest ones.
    Prefix,
    /// Any of them.
    Subset,
    /// Any sectors of any of them.
    Sectors,
    /// The same, and some sectors only up to a byte in their middle.
    Bytes,
    /// All of them.
    KeepAll,
}

impl Tear {
    /// One of them.
    pub fn draw(rng: &mut Rng) -> Self {
        let all = [
            Self::DropAll,
            Self::Prefix,
            Self::Subset,
            Self::Sectors,
            Self::Bytes,
            Self::KeepAll,
        ];
        rng.pick(&all).copied().unwrap_or(Self::DropAll)
    }
}

/// What is wrong with a disk for a while. Its process goes on running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// It is full: nothing grows.
    Full,
    /// It is full, and what is there cannot be written over either, as where writes go to new places.
    FullForAll,
    /// So many operations in a million fail; of a failed sync, a part arrived.
    Failing(u64),
}

#[derive(Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug)]
struct State {
    durable: Vec<u8>,
    live: Vec<u8>,
    unsynced: Vec<Write>,
    generation: u64,
    cut_in: Option<(u64, Tear)>,
    has_cut: bool,
    trouble: Trouble,
    syncs: u64,
    rng: Rng,
    label: String,
}

/// One file on a simulated disk. Outlives the processes that use it.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// An empty file.
    pub fn new(rng: &Rng, label: &str) -> Self {
        Self(Arc::new(Mutex::new(State {
            durable: Vec::new(),
            live: Vec::new(),
            unsynced: Vec::new(),
            generation: 0,
            cut_in: None,
            has_cut: false,
            trouble: Trouble::None,
            syncs: 0,
            rng: rng.fork(&format!("{label}/disk")),
            label: label.to_owned(),
        })))
    }

    /// The power goes out now. What was not synced is torn; present handles are dead.
    pub fn power_cut(&self, tear: Tear) {
        self.lock().cut(tear);
    }

    /// The power goes out inside the `n`-th operation from now.
    pub fn arm(&self, n: u64, tear: Tear) {
        self.lock().cut_in = Some((n, tear));
    }

    /// Forgets an armed power cut.
    pub fn disarm(&self) {
        self.lock().cut_in = None;
    }

    /// Whether an armed power cut has happened since this was asked last.
    pub fn take_cut(&self) -> bool {
        std::mem::take(&mut self.lock().has_cut)
    }

    /// From now on this is wrong with it.
    pub fn trouble(&self, trouble: Trouble) {
        self.lock().trouble = trouble;
    }

    /// Whether anything is wrong with it.
    pub fn is_troubled(&self) -> bool {
        self.lock().trouble != Trouble::None
    }

    /// How often the power went out.
    pub fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// A disk with what would be left if the power went out now.
    #[must_use]
    pub fn copy(&self, label: &str) -> Self {
        let state = self.lock();
        let copy = Self::new(&state.rng, label);
        let image = state.durable.clone();
        drop(state);
        copy.restore(&image);
        copy
    }

    /// What would be left if the power went out now.
    pub fn image(&self) -> Vec<u8> {
        self.lock().durable.clone()
    }

    /// Puts another content in the place of what is there. Only while nobody has it open.
    pub fn restore(&self, image: &[u8]) {
        let mut state = self.lock();
        state.durable = image.to_vec();
        state.live = image.to_vec();
        state.unsynced.clear();
    }

    /// How often something was synced.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Opens the database in the file, or makes it.
    ///
    /// # Errors
    /// redb's own.
    pub fn open(&self) -> Result<redb::Database, redb::DatabaseError> {
        let generation = {
            let mut state = self.lock();
            // A power cut inside redb's creation leaves a length and zeros, which redb refuses for
            // ever. A real process creates under another name and renames; this is the same.
            if state.live.iter().take(9).all(|b| *b == 0) {
                state.live.clear();
                state.durable.clear();
                state.unsynced.clear();
            }
            state.generation
        };
        let handle = Handle {
            disk: self.clone(),
            generation,
        };
        redb::Builder::new().create_with_backend(handle)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cut(&mut self, tear: Tear) {
        let writes = std::mem::take(&mut self.unsynced);
        let keep = match tear {
            Tear::Prefix => self.rng.below(writes.len() as u64 + 1),
            Tear::DropAll | Tear::Subset | Tear::Sectors | Tear::Bytes | Tear::KeepAll => u64::MAX,
        };
        for (i, write) in writes.into_iter().enumerate() {
            let survives = match tear {
                Tear::DropAll => false,
                Tear::KeepAll => true,
                Tear::Prefix => (i as u64) < keep,
                Tear::Subset | Tear::Sectors | Tear::Bytes => self.rng.one_in(2),
            };
            let torn = matches!(tear, Tear::Sectors | Tear::Bytes);
            match write {
                Write::Length(len) if survives => self.durable.resize(len, 0),
                Write::Bytes(at, bytes) if survives || torn => {
                    self.persist(at, &bytes, tear);
                }
                Write::Length(_) | Write::Bytes(..) => {}
            }
        }
        self.live = self.durable.clone();
        self.generation += 1;
        self.cut_in = None;
        trace::count("fault: power cut");
    }

    fn persist(&mut self, at: usize, bytes: &[u8], tear: Tear) {
        for (i, sector) in bytes.chunks(SECTOR).enumerate() {
            let torn = matches!(tear, Tear::Sectors | Tear::Bytes);
            if torn && self.rng.one_in(2) {
                continue;
            }
            let mut whole = sector;
            if tear == Tear::Bytes && self.rng.one_in(4) {
                trace::count("sometimes: a write was torn inside a sector");
                let keep = usize::try_from(self.rng.below(sector.len() as u64)).unwrap_or(0);
                whole = sector.get(..keep).unwrap_or(sector);
            }
            put(&mut self.durable, at + i * SECTOR, whole);
        }
    }

    /// Counts an operation; the armed power cut happens inside it.
    fn operation(&mut self) -> io::Result<()> {
        if let Some((n, tear)) = self.cut_in {
            if n == 0 {
                self.cut(tear);
                self.has_cut = true;
                trace::count("sometimes: power cut inside a commit");
                return Err(io::Error::other("power cut"));
            }
            self.cut_in = Some((n - 1, tear));
        }
        match self.trouble {
            Trouble::Failing(ppm) if self.rng.ppm(ppm) => {
                trace::count("sometimes: a disk failed an operation");
                Err(io::Error::other("the simulated disk fails"))
            }
            Trouble::None | Trouble::Full | Trouble::FullForAll | Trouble::Failing(_) => Ok(()),
        }
    }

    /// Whether there is room to write, or to write more.
    fn room(&self, grows: bool) -> io::Result<()> {
        match self.trouble {
            Trouble::None | Trouble::Failing(_) => return Ok(()),
            Trouble::Full if !grows => return Ok(()),
            Trouble::Full | Trouble::FullForAll => {}
        }
        trace::count("sometimes: a disk was full");
        Err(io::ErrorKind::StorageFull.into())
    }

    /// A sync that fails: some of the writes arrived all the same, and none is forgotten.
    fn sync_partly(&mut self) {
        for write in &self.unsynced {
            match write {
                Write::Length(len) => self.durable.resize(*len, 0),
                Write::Bytes(at, bytes) if self.rng.one_in(2) => {
                    put(&mut self.durable, *at, bytes);
                }
                Write::Bytes(..) => {}
            }
        }
    }
}

fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if image.len() < at + bytes.len() {
        image.resize(at + bytes.len(), 0);
    }
    if let Some(place) = image.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// An open file; dead after a power cut.
#[derive(Debug)]
struct Handle {
    disk: Disk,
    generation: u64,
}

impl Handle {
    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        if state.generation == self.generation {
            Ok(state)
        } else {
            Err(io::Error::other("the power went out"))
        }
    }
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl redb::StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.alive()?;
        let at = position(offset)?;
        let bytes = state.live.get(at..at + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.alive()?;
        state.operation()?;
        let len = position(len)?;
        state.room(len > state.live.len())?;
        state.live.resize(len, 0);
        state.unsynced.push(Write::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        if let Err(error) = state.operation() {
            state.sync_partly();
            return Err(error);
        }
        state.syncs += 1;
        let mut hasher = blake3::Hasher::new();
        for write in std::mem::take(&mut state.unsynced) {
            match write {
                Write::Length(len) => state.durable.resize(len, 0),
                Write::Bytes(at, bytes) => {
                    hasher.update(&(at as u64).to_le_bytes());
                    hasher.update(&bytes);
                    put(&mut state.durable, at, &bytes);
                }
            }
        }
        trace::event("sync", &state.label, hasher.finalize().as_bytes());
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.alive()?;
        state.operation()?;
        let at = position(offset)?;
        state.room(at + data.len() > state.live.len())?;
        put(&mut state.live, at, data);
        state.unsynced.push(Write::Bytes(at, data.to_vec()));
        Ok(())
    }
}
