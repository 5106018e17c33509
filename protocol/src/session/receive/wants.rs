//! Which contents are asked for, and what comes as a difference.

use bytes::Bytes;

use crate::session::Violation;
use crate::session::queue::Lacking;
use crate::wire::Digest;
use crate::wire::frame::{Delta, Want};

use super::{Holds, Receiver};

/// A content that is to be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::session) struct Asking {
    pub(in crate::session) want: Want,
    pub(in crate::session) digest: Digest,
    /// How long it is, in bytes.
    pub(in crate::session) size: u32,
}

impl Receiver {
    /// Takes what differs from a content that is here.
    pub(in crate::session) fn delta(&mut self, delta: Delta) -> Result<(), Violation> {
        self.inbound.delta(delta)
    }

    /// The base of a delta was read, or is gone. `false` where the content is asked for anew.
    pub(in crate::session) fn base(&mut self, digest: &Digest, base: Option<&Bytes>) -> bool {
        match self.inbound.base(digest, base) {
            None => true,
            Some(true) => {
                self.forget_unneeded(digest);
                true
            }
            Some(false) => {
                self.queue.unsettle_all();
                false
            }
        }
    }

    /// Notes that `base` was named as being here when `digest` was asked for.
    pub(in crate::session) fn over(&mut self, digest: &Digest, base: Digest) {
        self.inbound.over(digest, base);
    }

    /// The next content to ask for, in revision order and within the byte budget.
    pub(in crate::session) fn poll_want(&mut self, holds: Holds<'_>) -> Option<Asking> {
        while let Some(lacking) = self.queue.lacking() {
            let Lacking {
                key,
                revision,
                digest,
                size,
                is_first,
            } = lacking;
            if self.inbound.is_asked(&digest) || self.is_here(&digest, holds) {
                self.queue.settle(revision);
                continue;
            }
            if !self.inbound.affords(size, is_first) {
                return None;
            }
            self.queue.settle(revision);
            self.inbound.ask(digest, size, revision);
            let want = Want { key, revision };
            return Some(Asking { want, digest, size });
        }
        None
    }
}
