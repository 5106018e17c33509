//! Making a backup: from a snapshot, piece by piece, holding no more than one.

use blake3::Hasher;
use bytes::Bytes;
use jiff::Timestamp;

use super::{End, Head, MAGIC, PIECE_BYTES, Piece, RELEASE_BYTES_MAX, Record, VERSION};
use crate::{Key, Snapshot, Store};

enum Next {
    Begin(Head),
    After(Option<Key>),
    Over,
}

/// A backup that is being made: an iterator over its bytes. What is in it is what was durable when it
/// was begun, whatever is written meanwhile. Ends early only if dropped; then it has no end piece.
pub struct Backup {
    snapshot: Snapshot,
    next: Next,
    hasher: Hasher,
    entries: u64,
    bytes: u64,
}

impl Store {
    /// Begins a backup of what is durable now, dated `taken`, by the hub's `release`.
    pub fn backup(&self, taken: Timestamp, release: &str) -> Backup {
        let snapshot = self.snapshot();
        let mut end = release.len().min(RELEASE_BYTES_MAX);
        while !release.is_char_boundary(end) {
            end -= 1;
        }
        let head = Head {
            release: release.get(..end).unwrap_or_default().to_owned(),
            taken_micros: taken.as_microsecond(),
            revision: snapshot.revision(),
            lineage: self.lineage(),
        };
        Backup {
            snapshot,
            next: Next::Begin(head),
            hasher: Hasher::new(),
            entries: 0,
            bytes: 0,
        }
    }
}

impl Backup {
    fn piece(&mut self, piece: &Piece, before: &[u8]) -> Bytes {
        // Memory takes all of our types, and no piece is as long as 4 GiB.
        let body = postcard::to_allocvec(piece).unwrap_or_default();
        let length = u32::try_from(body.len()).unwrap_or_default();
        let bytes = [before, &length.to_be_bytes(), &body].concat();
        self.hasher.update(&bytes);
        bytes.into()
    }

    fn entries(&mut self, after: Option<&Key>) -> (Vec<Record>, Option<Key>) {
        let (mut records, mut size, mut last) = (Vec::new(), 0, None);
        let rest = self.snapshot.range_from("", after.map(Key::as_str));
        for entry in rest {
            size += entry.key.as_str().len() + entry.value.len();
            last = Some(entry.key.clone());
            records.push(Record {
                key: entry.key.to_string(),
                created: entry.created,
                revision: entry.revision,
                value: entry.value.clone(),
            });
            if size >= PIECE_BYTES {
                break;
            }
        }
        self.entries += records.len() as u64;
        self.bytes += size as u64;
        (records, last)
    }
}

impl Iterator for Backup {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.next, Next::Over) {
            Next::Begin(head) => {
                self.next = Next::After(None);
                let begin = [&MAGIC[..], &[VERSION]].concat();
                Some(self.piece(&Piece::Head(head), &begin))
            }
            Next::After(after) => {
                let (records, last) = self.entries(after.as_ref());
                if last.is_some() {
                    self.next = Next::After(last);
                    return Some(self.piece(&Piece::Entries(records), &[]));
                }
                let end = End {
                    entries: self.entries,
                    bytes: self.bytes,
                    digest: *self.hasher.finalize().as_bytes(),
                };
                Some(self.piece(&Piece::End(end), &[]))
            }
            Next::Over => None,
        }
    }
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backup({:?})", self.snapshot)
    }
}
