//! Which key is worked on next, and when one is tried again.
//!
//! Pure: time is an argument. A key is handed out to one worker at a time; what happens to it
//! meanwhile makes it come again. What fails waits longer each time and delays nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::session::{Backoff, Now};
use roadstead_protocol::wire::ItemKey;

use crate::desk::Key;
use crate::plan::order::{self, Phase};

/// The first wait after a failure.
pub const RETRY_FLOOR: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
pub const RETRY_CEILING: Duration = Duration::from_secs(120);
/// Ready keys that are looked at for one that waits for none under way.
const SCAN_MAX: usize = 256;

/// What is to become of a key that was worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something happens to it.
    Done,
    /// Try again, after a wait that grows.
    Retry,
    /// Try again after this time, or when something happens.
    Later(Duration),
    /// Try again after this time, and not sooner whatever happens.
    Settle(Duration),
}

#[derive(Debug)]
struct Entry {
    phase: Phase,
    backoff: Option<Backoff>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Ready,
    /// Until then; `firm` where events do not shorten it.
    Waiting {
        until: Now,
        firm: bool,
    },
    Running {
        again: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    seed: u64,
    entries: BTreeMap<Key, Entry>,
    ready: BTreeSet<(Phase, Key)>,
    waiting: BTreeSet<(Now, Key)>,
    /// Keys tried for the first time.
    running: BTreeMap<Key, (Phase, bool)>,
}

impl Queue {
    /// An empty queue whose waits are jittered from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            entries: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            running: BTreeMap::new(),
        }
    }

    /// Something happened to `key`.
    pub fn wake(&mut self, key: Key, phase: Phase) {
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            phase,
            backoff: None,
            state: State::Idle,
        });
        match entry.state {
            State::Ready if entry.phase == phase => return,
            State::Ready => {
                self.ready.remove(&(entry.phase, key.clone()));
            }
            State::Running { .. } => {
                entry.phase = phase;
                entry.state = State::Running { again: true };
                return;
            }
            State::Waiting { firm: true, .. } => {
                entry.phase = phase;
                return;
            }
            State::Waiting { until, firm: false } => {
                self.waiting.remove(&(until, key.clone()));
            }
            State::Idle => {}
        }
        entry.phase = phase;
        entry.state = State::Ready;
        self.ready.insert((phase, key));
    }

    /// The next key to work on at `now`, if there is one.
    pub fn pop(&mut self, now: Now) -> Option<Key> {
        while let Some((until, key)) = self
            .waiting
            .first()
            .cloned()
            .filter(|(until, _)| *until <= now)
        {
            self.waiting.remove(&(until, key.clone()));
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.state = State::Ready;
                self.ready.insert((entry.phase, key));
            }
        }
        let free = self.ready.iter().take(SCAN_MAX).find(|(phase, key)| {
            !self.running.iter().any(|(other, (other_phase, first))| {
                *first && order::waits_for(key, *phase, other, *other_phase)
            })
        });
        let (phase, key) = free.cloned()?;
        self.ready.remove(&(phase, key.clone()));
        let entry = self.entries.get_mut(&key)?;
        entry.state = State::Running { again: false };
        self.running
            .insert(key.clone(), (phase, entry.backoff.is_none()));
        Some(key)
    }

    /// `key` was worked on until `now`.
    pub fn done(&mut self, key: &Key, now: Now, next: Next) {
        self.running.remove(key);
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let again = entry.state == State::Running { again: true };
        let wait = match next {
            Next::Done => {
                entry.backoff = None;
                if !again {
                    self.entries.remove(key);
                    return;
                }
                None
            }
            Next::Retry => {
                let seed = self.seed ^ key_seed(key);
                let backoff = entry
                    .backoff
                    .get_or_insert_with(|| Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING));
                let wait = backoff.next_wait();
                (!again).then_some((wait, false))
            }
            Next::Later(wait) => (!again).then_some((wait, false)),
            Next::Settle(wait) => Some((wait, true)),
        };
        match wait {
            None => {
                entry.state = State::Ready;
                self.ready.insert((entry.phase, key.clone()));
            }
            Some((wait, firm)) => {
                let until = now + wait;
                entry.state = State::Waiting { until, firm };
                self.waiting.insert((until, key.clone()));
            }
        }
    }

    /// When a waiting key is due next.
    pub fn due(&self) -> Option<Now> {
        self.waiting.first().map(|(until, _)| *until)
    }
}

/// A number that differs from key to key, so that their waits do.
fn key_seed(key: &ItemKey) -> u64 {
    let digest = roadstead_protocol::wire::Digest::of(&crate::store::record::encode_key(key));
    digest
        .0
        .iter()
        .take(8)
        .fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
