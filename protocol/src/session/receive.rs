//! The receiving side of synchronisation: what is announced, what is asked for, what is ready.
//!
//! Keeps announcements in revision order, lets a newer one of the same key supersede one that was
//! not handed out, and hands out batches of what is complete from the front. It judges nothing:
//! whether a change may act is the shell's matter (`stamps`).

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::wire::frame::{Content, Freeze, Mode, Withdrawn};
use crate::wire::limits::{WINDOW_BYTES, WINDOW_ITEMS, WINDOW_SUMMARY};
use crate::wire::{Digest, Lineage, Revision, Stamp};

use super::Violation;
use super::change::{Batch, Change, Delivered};
use super::inbound::Inbound;
use super::queue::Queue;
use crate::wire::limits::BATCH_ITEMS;

/// Whether a content is durable at the agent.
pub(super) type Holds<'a> = &'a (dyn Fn(&Digest) -> bool + Send + Sync);

pub(super) use wants::Asking;

/// A batch that is with the shell.
#[derive(Debug)]
struct Out {
    upto: Option<Stamp>,
    contents: BTreeSet<Digest>,
    compared: bool,
}

/// "This is all", said after everything up to a revision was announced.
#[derive(Clone, Copy, Debug)]
struct Mark {
    announced: Revision,
    stamp: Option<Stamp>,
}

/// The receiving side.
#[derive(Debug)]
pub(super) struct Receiver {
    lineage: Lineage,
    limit: usize,
    /// `Compare` until the end of a comparison is with the shell.
    mode: Mode,
    queue: Queue,
    inbound: Inbound,
    /// The newest announced revision.
    announced: Revision,
    /// The stamp of the newest announced change, or of where the session began.
    newest: Option<Stamp>,
    /// The stamp of the newest change that was handed out, or of where the session began.
    handed: Option<Stamp>,
    complete: Option<Mark>,
    synced: Option<Mark>,
    synced_later: Option<Mark>,
    out: Option<Out>,
}

impl Receiver {
    /// Begins after `start`, the position that the hub resumes from; `None` for a comparison.
    pub(super) fn new(lineage: Lineage, start: Option<Stamp>) -> Self {
        let (mode, limit) = match start {
            Some(_) => (Mode::Resume, WINDOW_ITEMS),
            None => (Mode::Compare, WINDOW_SUMMARY),
        };
        Self {
            lineage,
            limit,
            mode,
            queue: Queue::default(),
            inbound: Inbound::default(),
            announced: start.map_or(Revision(0), |stamp| stamp.revision),
            newest: start,
            handed: start,
            complete: None,
            synced: None,
            synced_later: None,
            out: None,
        }
    }

    /// Whether entries come as summaries just now.
    pub(super) fn expects_summaries(&self) -> bool {
        self.mode == Mode::Compare && self.complete.is_none()
    }

    /// Whether a comparison runs and the next step is the hub's.
    pub(super) fn waits_for_comparison(&self) -> bool {
        self.mode == Mode::Compare && self.out.is_none()
    }

    /// Whether a comparison runs.
    pub(super) fn compares(&self) -> bool {
        self.mode == Mode::Compare
    }

    /// Takes an announcement.
    pub(super) fn announce(&mut self, change: Change) -> Result<(), Violation> {
        let revision = change.revision();
        if !self.lineage.contains(change.stamp) {
            return Err(Violation::ForeignStamp {
                key: change.key,
                stamp: change.stamp,
            });
        }
        if revision <= self.announced {
            return Err(Violation::NotAscending {
                revision,
                after: self.announced,
            });
        }
        self.announced = revision;
        self.newest = Some(change.stamp);
        let superseded = self.queue.push(change).and_then(|older| older.digest());
        if let Some(digest) = superseded {
            self.forget_unneeded(&digest);
        }
        if self.queue.len() > self.limit {
            return Err(Violation::Window { limit: self.limit });
        }
        Ok(())
    }

    /// Drops a content that neither an announced put nor the batch with the shell names.
    fn forget_unneeded(&mut self, digest: &Digest) {
        let with_shell = self
            .out
            .as_ref()
            .is_some_and(|out| out.contents.contains(digest));
        if !with_shell && !self.queue.names(digest) {
            self.inbound.forget(digest);
        }
    }

    /// Takes an order to leave the cluster as it is; it moves no place in the set.
    pub(super) fn freeze(&self, freeze: &Freeze) -> Result<(), Violation> {
        if self.lineage.contains(freeze.stamp) {
            return Ok(());
        }
        Err(Violation::ForeignStamp {
            key: Freeze::key(),
            stamp: freeze.stamp,
        })
    }

    /// An announced put is to be passed over.
    pub(super) fn withdrawn(&mut self, withdrawn: Withdrawn) -> Result<(), Violation> {
        let Withdrawn { key, revision } = withdrawn;
        if revision > self.announced {
            return Err(Violation::Withdrawn { key, revision });
        }
        self.inbound.withdrawn(revision);
        let removed = self.queue.remove(&key, revision);
        if let Some(digest) = removed.and_then(|change| change.digest()) {
            self.forget_unneeded(&digest);
        }
        // Whatever else waits for the same content may have to ask for it itself.
        self.queue.unsettle_all();
        Ok(())
    }

    /// The whole set has been announced, as of `revision`.
    pub(super) fn complete(&mut self, revision: Revision) -> Result<(), Violation> {
        if revision < self.announced {
            return Err(Violation::NotAscending {
                revision,
                after: self.announced,
            });
        }
        self.complete = Some(Mark {
            announced: self.announced,
            stamp: self.lineage.stamp(revision),
        });
        self.announced = revision;
        Ok(())
    }

    /// All that the hub has at `stamp` has been announced.
    pub(super) fn synced(&mut self, stamp: Stamp) -> Result<(), Violation> {
        if stamp.revision < self.announced || !self.lineage.contains(stamp) {
            return Err(Violation::NotAscending {
                revision: stamp.revision,
                after: self.announced,
            });
        }
        let mark = Mark {
            announced: self.announced,
            stamp: Some(stamp),
        };
        match self.synced {
            Some(_) => self.synced_later = Some(mark),
            None => self.synced = Some(mark),
        }
        Ok(())
    }

    /// Takes a piece of content.
    pub(super) fn content(&mut self, piece: &Content) -> Result<(), Violation> {
        if let Some(digest) = self.inbound.piece(piece)? {
            self.forget_unneeded(&digest);
        }
        Ok(())
    }

    /// Whether a content needs no asking.
    fn is_here(&self, digest: &Digest, holds: Holds<'_>) -> bool {
        self.inbound.arrived(digest).is_some() || holds(digest)
    }

    /// The next batch for the shell, if it has none and one is ready.
    pub(super) fn poll_batch(&mut self, holds: Holds<'_>) -> Option<Batch> {
        if self.out.is_some() {
            return None;
        }
        let before = self.handed;
        let batch = self.ready(holds);
        if batch.upto != before {
            return Some(self.hand_out(batch));
        }
        let first = self.queue.first();
        let named = |mark: &mut Mark| first.is_none_or(|first| first > mark.announced);
        let mark = self.complete.take_if(named)?;
        self.handed = mark.stamp.or(self.handed);
        self.mode = Mode::Resume;
        Some(self.hand_out(Batch {
            changes: Vec::new(),
            upto: mark.stamp,
            position: mark.stamp,
            mode: Mode::Compare,
            compared: true,
        }))
    }

    /// Takes what is complete from the front, as much as one batch may hold.
    fn ready(&mut self, holds: Holds<'_>) -> Batch {
        let mut changes = Vec::new();
        let mut bytes = 0;
        while changes.len() < BATCH_ITEMS && bytes < WINDOW_BYTES {
            let Some(change) = self.queue.peek() else {
                break;
            };
            if self
                .complete
                .is_some_and(|mark| change.revision() > mark.announced)
            {
                break;
            }
            let lacks = change.digest().filter(|digest| !holds(digest));
            let content = lacks
                .and_then(|digest| self.inbound.arrived(&digest))
                .cloned();
            if lacks.is_some() && content.is_none() {
                // It may have been held when it was announced.
                self.queue.unsettle_first();
                break;
            }
            bytes += content.as_ref().map_or(0, Bytes::len);
            let Some(change) = self.queue.pop() else {
                break;
            };
            self.handed = Some(change.stamp);
            changes.push(Delivered { change, content });
        }
        if self.queue.first().is_none() {
            // What came after the last change was withdrawn: it is passed over, and said so, because
            // the hub's window has room for what follows only then.
            self.handed = later(self.handed, self.newest);
        }
        let upto = self.handed;
        let position = if self.mode == Mode::Resume {
            upto
        } else {
            None
        };
        Batch {
            changes,
            upto,
            position,
            mode: self.mode,
            compared: false,
        }
    }

    /// Notes that a batch is with the shell. Its contents stay until it is durable, so that an
    /// equal one that is announced meanwhile need not travel again.
    fn hand_out(&mut self, batch: Batch) -> Batch {
        let contents = batch
            .changes
            .iter()
            .filter_map(|delivered| delivered.change.digest());
        let (contents, upto, compared) = (contents.collect(), batch.upto, batch.compared);
        self.out = Some(Out {
            upto,
            contents,
            compared,
        });
        batch
    }

    /// The batch with the shell is durable. `None` where it was not that one.
    pub(super) fn committed(&mut self, upto: Option<Stamp>) -> Option<Committed> {
        let out = self.out.take_if(|out| out.upto == upto)?;
        for digest in &out.contents {
            self.forget_unneeded(digest);
        }
        Some(Committed {
            ack: out.upto,
            compared: out.compared,
        })
    }

    /// Whether all is committed that was announced before the hub said that this is all.
    pub(super) fn poll_synced(&mut self) -> Option<Stamp> {
        if self.out.is_some() || self.mode == Mode::Compare {
            return None;
        }
        let first = self.queue.first();
        let mark = self
            .synced
            .take_if(|mark| first.is_none_or(|first| first > mark.announced))?;
        self.synced = self.synced_later.take();
        mark.stamp
    }

    /// How many changes are announced and not handed out, and how many content bytes are held or
    /// asked for.
    #[cfg(test)]
    pub(super) fn load(&self) -> (usize, usize) {
        (self.queue.len(), self.inbound.used())
    }
}

/// The one of two places in one history that is further on.
fn later(one: Option<Stamp>, other: Option<Stamp>) -> Option<Stamp> {
    one.into_iter()
        .chain(other)
        .max_by_key(|stamp| stamp.revision)
}

/// What follows from a durable batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committed {
    /// What to acknowledge, if anything.
    pub(super) ack: Option<Stamp>,
    /// Whether it was the end of a comparison.
    pub(super) compared: bool,
}

#[cfg(test)]
mod tests;
mod wants;
