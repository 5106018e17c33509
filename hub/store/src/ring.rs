//! The last events, bounded by count and bytes: what watchers resume from and what older snapshots
//! are computed from.
//!
//! Knows neither who watches nor the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use roadstead_protocol::wire::Revision;

use crate::{Event, Snapshot};

/// An older state that took more steps back than this is kept: whoever reads a long list page by page asks
/// for it again.
const KEEP_BEYOND: usize = 1024;
/// Most older states that are kept. One kept before anybody asks would cost as much as all that changed
/// since, and hardly anybody asks.
const KEPT_MAX: usize = 4;

struct Slot {
    event: Arc<Event>,
    /// The last revision of the event's transaction.
    txn_last: Revision,
}

/// The history that is kept.
pub(crate) struct Ring {
    slots: VecDeque<Slot>,
    /// Older states that somebody asked for, the oldest first.
    kept: VecDeque<Snapshot>,
    bytes: usize,
    /// Everything up to here is forgotten (or was before the store opened).
    floor: Revision,
    events_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(crate) fn new(floor: Revision, events_max: usize, bytes_max: usize) -> Self {
        Self {
            slots: VecDeque::new(),
            kept: VecDeque::new(),
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
        self.kept.retain(|kept| kept.revision > self.floor);
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

    /// The way back to the state as it was at `revision`, or after the whole transaction that it is in the
    /// midst of. `head` is the state now; `revision` must not be below the floor.
    pub(crate) fn back_to(&self, revision: Revision, head: &Snapshot) -> Back {
        let at = self.index_after(revision);
        let before = at.checked_sub(1).and_then(|i| self.slots.get(i));
        let target = before
            .map_or(revision, |slot| slot.txn_last.max(revision))
            .min(head.revision);
        let nearest = self.kept.partition_point(|kept| kept.revision < target);
        let from = self.kept.get(nearest).unwrap_or(head).clone();
        let steps = self.index_after(target)..self.index_after(from.revision);
        let steps = self.slots.range(steps).rev();
        Back {
            steps: steps.map(|slot| Arc::clone(&slot.event)).collect(),
            from,
            target,
        }
    }

    /// Keeps an older state for whoever asks for it again, in place of the oldest.
    pub(crate) fn keep(&mut self, snapshot: &Snapshot) {
        let at = self
            .kept
            .partition_point(|kept| kept.revision < snapshot.revision);
        let there = self.kept.get(at).map(|kept| kept.revision);
        if snapshot.revision <= self.floor || there == Some(snapshot.revision) {
            return;
        }
        self.kept.insert(at, snapshot.clone());
        if self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
        }
    }
}

/// The way back to an older state.
pub(crate) struct Back {
    from: Snapshot,
    /// The newest first.
    steps: Vec<Arc<Event>>,
    target: Revision,
}

impl Back {
    /// Whether it is long enough for its end to be kept.
    pub(crate) fn is_long(&self) -> bool {
        self.steps.len() > KEEP_BEYOND
    }

    /// Goes it.
    pub(crate) fn go(self) -> Snapshot {
        let mut snapshot = self.from;
        for event in &self.steps {
            snapshot.undo(event);
        }
        snapshot.revision = self.target;
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Key};

    /// `count` changes of ten keys, and every state on the way.
    fn filled(count: u64) -> (Ring, Vec<Snapshot>) {
        let mut ring = Ring::new(Revision(0), usize::MAX, usize::MAX);
        let mut states = vec![Snapshot::default()];
        for n in 1..=count {
            let mut after = states.last().unwrap().clone();
            let key = Key::parse(&format!("/k/{}", n % 10)).unwrap();
            let (created, revision) = (Revision(1), Revision(n));
            let value = n.to_string().into();
            let entry = Entry {
                key: key.clone(),
                created,
                revision,
                value,
            };
            let previous = after.insert(entry.clone());
            after.revision = revision;
            let new = Some(entry);
            let event = Event {
                revision,
                key,
                new,
                previous,
            };
            ring.push(&[Arc::new(event)], &after);
            states.push(after);
        }
        (ring, states)
    }

    fn same(one: &Snapshot, other: &Snapshot) -> bool {
        one.revision == other.revision && one.range("").eq(other.range(""))
    }

    #[test]
    fn only_what_was_asked_for_is_kept_and_leads_on() {
        let (mut ring, states) = filled(6_000);
        let head = states.last().unwrap();
        assert_eq!(ring.kept.len(), 0, "nobody asked");
        for at in [5_990, 4_000, 3_900, 10, 2_000, 1_000, 5_000, 4_500, 3_000] {
            let back = ring.back_to(Revision(at as u64), head);
            let steps = back.steps.len();
            let (long, state) = (back.is_long(), back.go());
            assert!(same(&state, &states[at]), "{at}");
            if long {
                ring.keep(&state);
            }
            assert!(ring.kept.len() <= KEPT_MAX);
            let again = ring.back_to(Revision(at as u64), head);
            let is_kept = ring.kept.iter().any(|kept| kept.revision.0 == at as u64);
            assert_eq!(again.steps.is_empty(), is_kept, "{at}");
            assert!(again.steps.len() <= steps, "{at}");
            assert!(same(&again.go(), &states[at]), "{at}");
        }
    }

    #[test]
    fn what_is_forgotten_is_not_kept() {
        let (mut ring, states) = filled(3_000);
        let head = states.last().unwrap();
        let state = ring.back_to(Revision(100), head).go();
        ring.keep(&state);
        assert_eq!(ring.kept.len(), 1);
        ring.events_max = 1_000;
        ring.trim();
        assert_eq!(ring.kept.len(), 0);
        ring.keep(&state);
        assert_eq!(ring.kept.len(), 0, "it was below the floor");
    }
}
