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
            Self::KeepAll,
        ];
        rng.pick(&all).copied().unwrap_or(Self::DropAll)
    }
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
            Tear::DropAll | Tear::Subset | Tear::Sectors | Tear::KeepAll => u64::MAX,
        };
        for (i, write) in writes.into_iter().enumerate() {
            let survives = match tear {
                Tear::DropAll => false,
                Tear::KeepAll => true,
                Tear::Prefix => (i as u64) < keep,
                Tear::Subset | Tear::Sectors => self.rng.one_in(2),
            };
            match write {
                Write::Length(len) if survives => self.durable.resize(len, 0),
                Write::Bytes(at, bytes) if survives || tear == Tear::Sectors => {
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
            if tear == Tear::Sectors && self.rng.one_in(2) {
                continue;
            }
            put(&mut self.durable, at + i * SECTOR, sector);
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
        Ok(())
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
        state.live.resize(len, 0);
        state.unsynced.push(Write::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        state.operation()?;
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
        put(&mut state.live, at, data);
        state.unsynced.push(Write::Bytes(at, data.to_vec()));
        Ok(())
    }
}
