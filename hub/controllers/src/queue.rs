//! A queue of keys that become due: no clock, no tasks, no domain.
//!
//! A key is in it once: of two times the earlier counts. A key that is being worked on waits, and
//! is not given out a second time before it is done. A key that fails comes back later and later;
//! one that was refused for a reason that concerns all comes back as soon as that has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The first wait after a failure.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// The longest wait after failures.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// How far apart those that were refused are brought forward.
const HURRY_EVERY: Duration = Duration::from_secs(2);

/// A moment, as the time since some start; never goes back.
pub(crate) type Now = Duration;

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    due: BTreeMap<K, Due>,
    order: BTreeSet<(Now, K)>,
    active: BTreeSet<K>,
    failures: BTreeMap<K, u32>,
    /// Those that were refused last.
    refused: BTreeSet<K>,
    /// When they may be brought forward again.
    hurry_at: Now,
}

/// When a key is due, and why.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Now,
    reason: &'static str,
}

/// How work on a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is nothing more to do until something changes.
    Await,
    /// It is to be looked at again after this time.
    After(Duration),
    /// It failed.
    Failed,
    /// It failed, as everything would have.
    Refused,
}

impl<K: Ord + Clone> Queue<K> {
    pub(crate) fn new() -> Self {
        Self {
            due: BTreeMap::new(),
            order: BTreeSet::new(),
            active: BTreeSet::new(),
            failures: BTreeMap::new(),
            refused: BTreeSet::new(),
            hurry_at: Duration::ZERO,
        }
    }

    /// Makes `key` due at `at`, or leaves it due earlier.
    pub(crate) fn add(&mut self, at: Now, key: K, reason: &'static str) {
        if let Some(due) = self.due.get(&key) {
            if due.at <= at {
                return;
            }
            self.order.remove(&(due.at, key.clone()));
        }
        self.due.insert(key.clone(), Due { at, reason });
        if !self.active.contains(&key) {
            self.order.insert((at, key));
        }
    }

    /// A key that is due, and why; it is being worked on from here to [`done`](Self::done).
    pub(crate) fn pop(&mut self, now: Now) -> Option<(K, &'static str)> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        let due = self.due.remove(&key)?;
        self.active.insert(key.clone());
        Some((key, due.reason))
    }

    /// When the next key is due.
    pub(crate) fn next_at(&self) -> Option<Now> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Ends the work on `key`. What was added meanwhile stays due.
    pub(crate) fn done(&mut self, now: Now, key: K, outcome: Outcome) {
        self.active.remove(&key);
        self.refused.remove(&key);
        if let Some(due) = self.due.get(&key) {
            self.order.insert((due.at, key.clone()));
        }
        match outcome {
            Outcome::Await => {
                self.failures.remove(&key);
            }
            Outcome::After(wait) => {
                self.failures.remove(&key);
                self.add(now + wait, key, "time");
            }
            Outcome::Failed | Outcome::Refused => {
                if outcome == Outcome::Refused {
                    self.refused.insert(key.clone());
                }
                let failures = self.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                let wait = BACKOFF_MIN.saturating_mul(1 << (*failures - 1).min(16));
                self.add(now + wait.min(BACKOFF_MAX), key, "retry");
            }
        }
    }

    /// Whether anything waits that was refused.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Brings forward what was refused, but not more often than every [`HURRY_EVERY`].
    pub(crate) fn hurry(&mut self, now: Now) {
        let at = self.hurry_at.max(now);
        self.hurry_at = at + HURRY_EVERY;
        for key in std::mem::take(&mut self.refused) {
            self.add(at, key, "the disk writes again");
        }
    }

    /// How many keys are being worked on.
    pub(crate) fn active(&self) -> usize {
        self.active.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_earlier_time_counts() {
        let mut queue = Queue::new();
        queue.add(ms(50), "a", "slow");
        queue.add(ms(10), "a", "quick");
        queue.add(ms(30), "a", "late");
        assert_eq!(queue.next_at(), Some(ms(10)));
        assert_eq!(queue.pop(ms(9)), None);
        assert_eq!(queue.pop(ms(10)), Some(("a", "quick")));
        assert_eq!(queue.pop(ms(99)), None);
    }

    #[test]
    fn a_key_is_never_given_out_twice_at_once() {
        let mut queue = Queue::new();
        queue.add(ms(0), "a", "first");
        assert!(queue.pop(ms(0)).is_some());
        queue.add(ms(1), "a", "second");
        assert_eq!((queue.pop(ms(5)), queue.next_at()), (None, None));
        queue.done(ms(6), "a", Outcome::Await);
        assert_eq!(queue.pop(ms(6)), Some(("a", "second")));
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_bound() {
        let mut queue = Queue::new();
        let mut now = ms(0);
        let mut waits = Vec::new();
        queue.add(now, "a", "x");
        for _ in 0..12 {
            let key = queue.pop(now).map(|(key, _)| key).unwrap();
            queue.done(now, key, Outcome::Failed);
            let next = queue.next_at().unwrap();
            waits.push(next - now);
            now = next;
        }
        assert_eq!(waits.first(), Some(&BACKOFF_MIN));
        assert_eq!(waits.last(), Some(&BACKOFF_MAX));
        assert!(waits.is_sorted());
        let key = queue.pop(now).map(|(key, _)| key).unwrap();
        queue.done(now, key, Outcome::Await);
        assert_eq!(queue.next_at(), None);
    }

    #[test]
    fn what_was_refused_comes_back_as_soon_as_it_may_and_not_all_the_time() {
        let mut queue = Queue::new();
        let mut now = ms(0);
        for key in ["failed", "refused"] {
            queue.add(now, key, "x");
        }
        for _ in 0..20 {
            while let Some((key, _)) = queue.pop(now) {
                let outcome = match key {
                    "refused" => Outcome::Refused,
                    _ => Outcome::Failed,
                };
                queue.done(now, key, outcome);
            }
            now = queue.next_at().unwrap();
        }
        assert!(queue.has_refused());
        now -= ms(30_000);
        queue.hurry(now);
        assert!(!queue.has_refused());
        assert_eq!(queue.pop(now), Some(("refused", "the disk writes again")));
        assert_eq!(queue.pop(now), None);
        queue.done(now, "refused", Outcome::Refused);
        queue.hurry(now + ms(1));
        assert_eq!(queue.next_at(), Some(now + HURRY_EVERY));
        now += HURRY_EVERY;
        assert!(queue.pop(now).is_some());
        queue.done(now, "refused", Outcome::Await);
        queue.hurry(now + HURRY_EVERY);
        assert_eq!(queue.pop(now + HURRY_EVERY), None);
    }
}
