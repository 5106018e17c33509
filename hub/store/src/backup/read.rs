//! Reading a backup: its bytes in any pieces, nothing believed before the end has proven it.

use blake3::Hasher;
use imbl::OrdMap;

use super::{BackupError, Contents, End, Head, MAGIC, PIECE_BYTES_MAX, Piece, Record, VERSION};
use crate::{Entry, Key, MAX_VALUE_BYTES, Options};

/// Takes a backup in.
pub struct Reader {
    keep: bool,
    waiting: Vec<u8>,
    begun: bool,
    hasher: Hasher,
    head: Option<Head>,
    last: Option<Key>,
    entries: OrdMap<Key, Entry>,
    counted: u64,
    bytes: u64,
    done: bool,
}

impl Reader {
    /// Nothing is read yet. With `keep` the entries are kept, without they are only checked.
    pub fn new(keep: bool) -> Self {
        Self {
            keep,
            waiting: Vec::new(),
            begun: false,
            hasher: Hasher::new(),
            head: None,
            last: None,
            entries: OrdMap::new(),
            counted: 0,
            bytes: 0,
            done: false,
        }
    }

    /// Takes what comes next.
    ///
    /// # Errors
    /// Where it cannot be part of a backup.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.waiting.extend_from_slice(bytes);
        while self.step()? {}
        Ok(())
    }

    /// How many entries there are, and of how many bytes, so far.
    pub fn size(&self) -> (u64, u64) {
        (self.counted, self.bytes)
    }

    /// What is in it, now that it has proven whole.
    ///
    /// # Errors
    /// [`BackupError::Cut`].
    pub fn finish(self) -> Result<Contents, BackupError> {
        match self.head {
            Some(head) if self.done && self.waiting.is_empty() => Ok(Contents {
                head,
                entries: self.entries,
            }),
            Some(_) | None => Err(BackupError::Cut),
        }
    }

    fn step(&mut self) -> Result<bool, BackupError> {
        if !self.begun {
            return self.begin();
        }
        if self.done {
            return if self.waiting.is_empty() {
                Ok(false)
            } else {
                Err(BackupError::Order("something follows its end"))
            };
        }
        let Some(length) = self.waiting.first_chunk::<4>() else {
            return Ok(false);
        };
        let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if bytes > PIECE_BYTES_MAX {
            return Err(BackupError::Long { bytes });
        }
        let Some(body) = self.waiting.get(4..4 + bytes) else {
            return Ok(false);
        };
        let Ok((piece, [])) = postcard::take_from_bytes::<Piece>(body) else {
            return Err(BackupError::Piece);
        };
        let before = *self.hasher.finalize().as_bytes();
        self.hasher
            .update(self.waiting.get(..4 + bytes).unwrap_or_default());
        self.waiting.drain(..4 + bytes);
        match piece {
            Piece::Head(head) => self.head(head)?,
            Piece::Entries(records) => {
                for record in records {
                    self.entry(record)?;
                }
            }
            Piece::End(end) => self.end(&end, before)?,
        }
        Ok(true)
    }

    fn begin(&mut self) -> Result<bool, BackupError> {
        let Some(beginning) = self.waiting.get(..=MAGIC.len()) else {
            let begins = MAGIC.starts_with(&self.waiting);
            return if begins {
                Ok(false)
            } else {
                Err(BackupError::Magic)
            };
        };
        match beginning.strip_prefix(MAGIC) {
            Some([VERSION]) => {}
            Some([other, ..]) => return Err(BackupError::Version(*other)),
            Some([]) | None => return Err(BackupError::Magic),
        }
        self.hasher.update(beginning);
        self.waiting.drain(..=MAGIC.len());
        self.begun = true;
        Ok(true)
    }

    fn head(&mut self, head: Head) -> Result<(), BackupError> {
        if self.head.is_some() {
            return Err(BackupError::Order("it has two heads"));
        }
        let lives = head.lineage.0.last().is_some_and(|r| r.last.is_none());
        if !lives || !head.lineage.is_ordered() {
            return Err(BackupError::Order("its lineage is not in order"));
        }
        self.head = Some(head);
        Ok(())
    }

    fn entry(&mut self, record: Record) -> Result<(), BackupError> {
        let newest = self.head.as_ref().map(|head| head.revision);
        let newest = newest.ok_or(BackupError::Order("an entry comes before the head"))?;
        let Record {
            key,
            created,
            revision,
            value,
        } = record;
        let key = Key::parse(&key)?;
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            return Err(BackupError::Order("its keys are not in order"));
        }
        if created > revision || revision > newest {
            return Err(BackupError::Order("an entry is newer than the backup"));
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(BackupError::Long { bytes: value.len() });
        }
        self.counted += 1;
        self.bytes += (key.as_str().len() + value.len()) as u64;
        let limit = Options::default().bytes_max;
        if self.bytes > limit as u64 {
            return Err(BackupError::Large { limit });
        }
        if self.keep {
            let entry = Entry {
                key: key.clone(),
                created,
                revision,
                value,
            };
            self.entries.insert(key.clone(), entry);
        }
        self.last = Some(key);
        Ok(())
    }

    fn end(&mut self, end: &End, digest: [u8; 32]) -> Result<(), BackupError> {
        let (entries, bytes) = (self.counted, self.bytes);
        if self.head.is_none() {
            return Err(BackupError::Order("its end comes before its head"));
        }
        if *end
            != (End {
                entries,
                bytes,
                digest,
            })
        {
            return Err(BackupError::Digest);
        }
        self.done = true;
        Ok(())
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({} entries)", self.counted)
    }
}
