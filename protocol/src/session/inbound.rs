//! The receiving side of contents: what was asked for, what has come, and how much that may be.
//!
//! Takes nothing that was not asked for, so that a peer cannot make it grow.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::wire::frame::{Content, Delta};
use crate::wire::limits::WINDOW_BYTES;
use crate::wire::{Digest, Revision};

use super::{Violation, delta};

/// A content that was asked for.
#[derive(Debug)]
struct Asked {
    size: u32,
    /// The revision it was asked by.
    by: Revision,
    /// The content that was named as being here.
    base: Option<Digest>,
    /// What differs from that, while that is being read.
    delta: Option<Delta>,
}

/// A content of which pieces have come.
#[derive(Debug)]
struct Assembly {
    digest: Digest,
    bytes: BytesMut,
}

/// Contents between being asked for and being committed.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    asked: BTreeMap<Digest, Asked>,
    assembly: Option<Assembly>,
    arrived: BTreeMap<Digest, Bytes>,
    /// Bytes of all that is asked for or has arrived.
    used: usize,
}

impl Inbound {
    /// Whether a content was asked for and has not come whole.
    pub(super) fn is_asked(&self, digest: &Digest) -> bool {
        self.asked.contains_key(digest)
    }

    /// A content that has come whole.
    pub(super) fn arrived(&self, digest: &Digest) -> Option<&Bytes> {
        self.arrived.get(digest)
    }

    /// Whether `size` bytes more may be asked for. What `blocks` all else always may, so that the
    /// bound is `WINDOW_BYTES` and one content.
    pub(super) fn affords(&self, size: u32, blocks: bool) -> bool {
        blocks || self.used.saturating_add(bytes_of(size)) <= WINDOW_BYTES
    }

    /// Remembers that a content was asked for.
    pub(super) fn ask(&mut self, digest: Digest, size: u32, by: Revision) {
        self.used += bytes_of(size);
        let asked = Asked {
            size,
            by,
            base: None,
            delta: None,
        };
        self.asked.insert(digest, asked);
    }

    /// Remembers that `base` was named when `digest` was asked for.
    pub(super) fn over(&mut self, digest: &Digest, base: Digest) {
        if let Some(asked) = self.asked.get_mut(digest) {
            asked.base = Some(base);
        }
    }

    /// Takes what differs from a content that was named; that one is to be read.
    pub(super) fn delta(&mut self, delta: Delta) -> Result<(), Violation> {
        let digest = delta.digest;
        let over = |asked: &&mut Asked| asked.base == Some(delta.base) && asked.delta.is_none();
        let Some(asked) = self.asked.get_mut(&digest).filter(over) else {
            return Err(Violation::Unasked { digest });
        };
        if delta.total != asked.size {
            return Err(Violation::Length {
                digest,
                got: delta.total,
                announced: asked.size,
            });
        }
        asked.delta = Some(delta);
        Ok(())
    }

    /// Makes the content of a delta and its base. `None` where there is no delta to it any more;
    /// `false` where the content cannot be made and is to be asked for anew.
    pub(super) fn base(&mut self, digest: &Digest, base: Option<&Bytes>) -> Option<bool> {
        let delta = self.asked.get_mut(digest)?.delta.take()?;
        let asked = self.asked.remove(digest)?;
        let made = base.and_then(|base| delta::apply(&delta, base));
        let whole = made.is_some();
        match made {
            Some(bytes) => {
                self.arrived.insert(*digest, bytes);
            }
            None => self.used = self.used.saturating_sub(bytes_of(asked.size)),
        }
        Some(whole)
    }

    /// Takes a piece. Returns the content's digest when it is whole and true.
    pub(super) fn piece(&mut self, piece: &Content) -> Result<Option<Digest>, Violation> {
        let digest = piece.digest;
        let Some(asked) = self.asked.get(&digest) else {
            return Err(Violation::Unasked { digest });
        };
        if piece.total != asked.size {
            return Err(Violation::Length {
                digest,
                got: piece.total,
                announced: asked.size,
            });
        }
        let assembly = match &mut self.assembly {
            Some(assembly) if assembly.digest == digest => assembly,
            // Another one is unfinished: this would leave it with a gap for good.
            Some(assembly) => return Err(gap(assembly.digest, &assembly.bytes, piece.offset)),
            None => self.assembly.insert(Assembly {
                digest,
                bytes: BytesMut::new(),
            }),
        };
        let follows = bytes_of(piece.offset) == assembly.bytes.len();
        if !follows || (piece.bytes.is_empty() && asked.size != 0) {
            return Err(gap(digest, &assembly.bytes, piece.offset));
        }
        assembly.bytes.extend_from_slice(&piece.bytes);
        let (length, whole) = (assembly.bytes.len(), bytes_of(asked.size));
        if length < whole {
            return Ok(None);
        }
        let got = u32::try_from(length).unwrap_or(u32::MAX);
        if length > whole {
            return Err(Violation::Length {
                digest,
                got,
                announced: asked.size,
            });
        }
        let bytes = self
            .assembly
            .take()
            .map(|done| done.bytes.freeze())
            .unwrap_or_default();
        if Digest::of(&bytes) != digest {
            return Err(Violation::Corrupt { digest });
        }
        self.asked.remove(&digest);
        self.arrived.insert(digest, bytes);
        Ok(Some(digest))
    }

    /// The hub will not send what was asked for by `revision`.
    pub(super) fn withdrawn(&mut self, revision: Revision) {
        let gone = self
            .asked
            .iter()
            .find(|(_, asked)| asked.by == revision)
            .map(|(d, _)| *d);
        let Some(digest) = gone else { return };
        if let Some(asked) = self.asked.remove(&digest) {
            self.used = self.used.saturating_sub(bytes_of(asked.size));
        }
        self.assembly.take_if(|assembly| assembly.digest == digest);
    }

    /// Lets go of a content that has come and that nothing needs.
    pub(super) fn forget(&mut self, digest: &Digest) {
        if let Some(bytes) = self.arrived.remove(digest) {
            self.used = self.used.saturating_sub(bytes.len());
        }
    }

    /// Bytes asked for or arrived.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used
    }
}

/// A length from the wire as a size. What a machine cannot count is beyond every bound, and was
/// refused while decoding.
fn bytes_of(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn gap(digest: Digest, bytes: &BytesMut, offset: u32) -> Violation {
    Violation::Gap {
        digest,
        offset,
        expected: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(of: &'static [u8], offset: u32, bytes: &'static [u8]) -> Content {
        let total = u32::try_from(of.len()).unwrap();
        Content {
            digest: Digest::of(of),
            offset,
            total,
            bytes: Bytes::from_static(bytes),
        }
    }

    fn asked(of: &[u8]) -> Inbound {
        let mut inbound = Inbound::default();
        inbound.ask(
            Digest::of(of),
            u32::try_from(of.len()).unwrap(),
            Revision(1),
        );
        inbound
    }

    #[test]
    fn pieces_make_a_content() {
        let (mut inbound, digest) = (asked(b"hello"), Digest::of(b"hello"));
        assert_eq!(inbound.piece(&piece(b"hello", 0, b"he")), Ok(None));
        assert_eq!(inbound.piece(&piece(b"hello", 2, b"llo")), Ok(Some(digest)));
        assert_eq!(
            inbound.arrived(&digest).unwrap(),
            &Bytes::from_static(b"hello")
        );
        assert_eq!(inbound.used(), 5);
        inbound.forget(&digest);
        assert_eq!(inbound.used(), 0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let digest = Digest::of(b"hello");
        let check = |pieces: &[Content], expected: Violation| {
            let mut inbound = asked(b"hello");
            inbound.ask(Digest::of(b"other"), 5, Revision(2));
            let (last, before) = pieces.split_last().unwrap();
            for piece in before {
                assert_eq!(inbound.piece(piece), Ok(None));
            }
            assert_eq!(inbound.piece(last), Err(expected));
        };
        let unasked = Digest::of(b"never");
        check(
            &[piece(b"never", 0, b"never")],
            Violation::Unasked { digest: unasked },
        );
        check(
            &[piece(b"hello", 1, b"ello")],
            Violation::Gap {
                digest,
                offset: 1,
                expected: 0,
            },
        );
        check(
            &[piece(b"hello", 0, b"")],
            Violation::Gap {
                digest,
                offset: 0,
                expected: 0,
            },
        );
        check(
            &[piece(b"hello", 0, b"jelly")],
            Violation::Corrupt { digest },
        );
        check(
            &[piece(b"hello", 0, b"he"), piece(b"other", 0, b"other")],
            Violation::Gap {
                digest,
                offset: 0,
                expected: 2,
            },
        );
        let long = Content {
            total: 6,
            ..piece(b"hello", 0, b"hello!")
        };
        check(
            &[long],
            Violation::Length {
                digest,
                got: 6,
                announced: 5,
            },
        );
    }

    #[test]
    fn a_withdrawn_content_frees_its_budget() {
        let mut inbound = asked(b"hello");
        assert_eq!(inbound.piece(&piece(b"hello", 0, b"he")), Ok(None));
        inbound.withdrawn(Revision(1));
        assert_eq!(inbound.used(), 0);
        assert!(!inbound.is_asked(&Digest::of(b"hello")));
    }
}
