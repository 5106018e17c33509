//! The last events, bounded by count and bytes: what watchers resume from and what older snapshots
//! are computed from.
//!
//! Knows neither who watches nor the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use roadstead_protocol::wire::Revision;

use crate::{Event, Snapshot};

/// After so many events the state is kept whole, so that an older snapshot costs at most this many
/// steps back.
const CHECKPOINT_EVERY: usize = 4096;

struct Slot {
    event: Arc<Event>,
    /// The last revision of the event's transaction.
    txn_last: Revision,
}

/// The history that is kept.
pub(crate) struct Ring {
    slots: VecDeque<Slot>,
    checkpoints: VecDeque<Snapshot>,
    since_checkpoint: usize,
    bytes: usize,
    /// Everything up to here is forgotten (or was before the store opened).
    floor: Revision,
    events_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(crate) fn new(floor: Revision, events_max: usize, bytes_max: usize) -> Self {
        let (slots, checkpoints) = (VecDeque::new(), VecDeque::new());
        Self {
            slots,
            checkpoints,
            since_checkpoint: 0,
            bytes: 0,
            floor,
            events_max,
            bytes_max,
        }
    }

    /// How many events there are, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.slots.len(), self.bytes)
    }

    pub(crate) fn floor(&self) -> Revision {
        self.floor
    }

    /// Adds one whole transaction; `after` is the state with it. Forgets what is beyond the bounds.
    pub(crate) fn push(&mut self, events: &[Arc<Event>], after: &Snapshot) {
        for event in events {
            self.bytes = self.bytes.saturating_add(event.weight());
            self.slots.push_back(Slot {
                event: Arc::clone(event),
                txn_last: after.revision,
            });
        }
        self.since_checkpoint += events.len();
        if self.since_checkpoint >= CHECKPOINT_EVERY {
            self.since_checkpoint = 0;
            self.checkpoints.push_back(after.clone());
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.slots.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(slot) = self.slots.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(slot.event.weight());
            self.floor = slot.event.revision;
        }
        while self
            .checkpoints
            .front()
            .is_some_and(|c| c.revision <= self.floor)
        {
            self.checkpoints.pop_front();
        }
    }

    /// The events after `revision`, oldest first.
    pub(crate) fn after(&self, revision: Revision) -> impl Iterator<Item = &Arc<Event>> {
        self.slots
            .range(self.index_after(revision)..)
            .map(|slot| &slot.event)
    }

    fn index_after(&self, revision: Revision) -> usize {
        self.slots
            .partition_point(|slot| slot.event.revision <= revision)
    }

    /// The state as it was at `revision`, or after the whole transaction that it is in the midst of.
    /// `head` is the state now; `revision` must not be below the floor.
    pub(crate) fn snapshot_at(&self, revision: Revision, head: &Snapshot) -> Snapshot {
        let at = self.index_after(revision);
        let before = at.checked_sub(1).and_then(|i| self.slots.get(i));
        let target = before
            .map_or(revision, |slot| slot.txn_last.max(revision))
            .min(head.revision);
        let nearest = self.checkpoints.partition_point(|c| c.revision < target);
        let mut snapshot = self.checkpoints.get(nearest).unwrap_or(head).clone();
        let (from, to) = (
            self.index_after(target),
            self.index_after(snapshot.revision),
        );
        for slot in self.slots.range(from..to).rev() {
            snapshot.undo(&slot.event);
        }
        snapshot.revision = target;
        snapshot
    }
}
