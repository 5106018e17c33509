//! The sending side of contents: one at a time, in chunks, in the order they were asked for.
//!
//! Holds at most one content in memory; which ones an agent may ask for is `send`'s matter.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::wire::frame::{Content, Delta};
use crate::wire::limits::CHUNK_BYTES_MAX;
use crate::wire::{Digest, HubFrame, ItemKey, Revision};

use super::delta;

/// A content that an agent asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Which content.
    pub(super) digest: Digest,
    /// How long it is, in bytes.
    pub(super) size: u32,
    /// By which item it was asked for.
    pub(super) key: ItemKey,
    /// At which revision of that item.
    pub(super) revision: Revision,
    /// Another content that the agent has.
    pub(super) base: Option<Digest>,
}

/// A content on its way.
#[derive(Debug)]
struct Current {
    wanted: Wanted,
    /// Asked of the shell while `None`.
    bytes: Option<Bytes>,
    /// Sent instead of the whole.
    delta: Option<Delta>,
    offset: usize,
}

/// The contents that were asked for and are not yet sent. The queue is bounded by the window, since
/// only unacknowledged entries can be asked for and equal ones are asked for once.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    queue: VecDeque<Wanted>,
    current: Option<Current>,
}

impl Outbound {
    /// Queues a content unless it is on its way already.
    pub(super) fn want(&mut self, wanted: Wanted) {
        let current = self.current.as_ref().map(|current| &current.wanted);
        if !current
            .into_iter()
            .chain(&self.queue)
            .any(|other| other.digest == wanted.digest)
        {
            self.queue.push_back(wanted);
        }
    }

    /// The next content to ask the shell for, and the one that the agent has.
    pub(super) fn poll_need(&mut self) -> Option<(Digest, Option<Digest>)> {
        if self.current.is_some() {
            return None;
        }
        let wanted = self.queue.pop_front()?;
        let need = (wanted.digest, wanted.base);
        self.current = Some(Current {
            wanted,
            bytes: None,
            delta: None,
            offset: 0,
        });
        Some(need)
    }

    /// Takes a content from the shell; one that was not asked for is ignored. `false` where it is
    /// not as long as was announced: then the caller has to `forget` it.
    pub(super) fn content(&mut self, digest: Digest, bytes: Bytes, base: Option<Bytes>) -> bool {
        let Some(current) = self.current.as_mut() else {
            return true;
        };
        if current.wanted.digest != digest || current.bytes.is_some() {
            return true;
        }
        let fits = u32::try_from(bytes.len()) == Ok(current.wanted.size);
        if fits {
            let known = current.wanted.base.zip(base);
            current.delta =
                known.and_then(|(name, base)| delta::between(digest, &bytes, name, &base));
            current.bytes = Some(bytes);
        }
        fits
    }

    /// Lets go of the content that the shell was asked for and does not have.
    pub(super) fn forget(&mut self, digest: Digest) -> Option<Wanted> {
        let asked = |c: &mut Current| c.wanted.digest == digest && c.bytes.is_none();
        self.current.take_if(asked).map(|current| current.wanted)
    }

    /// The next piece.
    pub(super) fn poll_transmit(&mut self) -> Option<HubFrame> {
        let current = self.current.as_mut()?;
        if let Some(delta) = current.delta.take() {
            self.current = None;
            return Some(HubFrame::Delta(delta));
        }
        let whole = current.bytes.as_ref()?;
        let end = whole.len().min(current.offset + CHUNK_BYTES_MAX);
        let piece = Content {
            digest: current.wanted.digest,
            offset: u32::try_from(current.offset).ok()?,
            total: current.wanted.size,
            bytes: whole.slice(current.offset..end),
        };
        current.offset = end;
        if end == whole.len() {
            self.current = None;
        }
        Some(HubFrame::Content(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing::key;

    fn wanted(digest: Digest, size: u32) -> Wanted {
        Wanted {
            digest,
            size,
            key: key("a"),
            revision: Revision(1),
            base: None,
        }
    }

    #[test]
    fn equal_wants_are_served_once_and_in_pieces() {
        let bytes = Bytes::from(vec![7; CHUNK_BYTES_MAX * 2 + 1]);
        let (digest, size) = (Digest::of(&bytes), u32::try_from(bytes.len()).unwrap());
        let mut outbound = Outbound::default();
        outbound.want(wanted(digest, size));
        assert_eq!(outbound.poll_need(), Some((digest, None)));
        outbound.want(wanted(digest, size));
        assert_eq!(outbound.poll_need(), None);
        assert_eq!(outbound.poll_transmit(), None);
        assert!(outbound.content(digest, bytes.clone(), None));
        let mut received = Vec::new();
        while let Some(HubFrame::Content(piece)) = outbound.poll_transmit() {
            assert_eq!(usize::try_from(piece.offset).unwrap(), received.len());
            received.extend_from_slice(&piece.bytes);
        }
        assert_eq!(received, bytes);
        assert_eq!(outbound.poll_need(), None);
    }

    #[test]
    fn a_content_of_another_length_is_not_sent() {
        let mut outbound = Outbound::default();
        let digest = Digest::of(b"four");
        outbound.want(wanted(digest, 4));
        assert_eq!(outbound.poll_need(), Some((digest, None)));
        assert!(!outbound.content(digest, Bytes::from_static(b"three"), None));
        assert_eq!(
            outbound.forget(digest).map(|wanted| wanted.revision),
            Some(Revision(1))
        );
        assert_eq!(outbound.poll_transmit(), None);
    }
}
