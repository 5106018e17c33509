//! How many handshakes may begin in a second: after an outage everybody comes at once, and who is
//! here already must not feel it.
//!
//! Holds no queue: who has to wait waits where it came in.

use std::time::Duration;

use tokio::time::Instant;

/// A steady rate with a burst.
pub(crate) struct Pace {
    each: Duration,
    ahead: Duration,
    /// When all that has begun would have begun at the steady rate.
    due: Instant,
}

impl Pace {
    /// `rate` in a second, and `burst` at once. Zeros count as one.
    pub(crate) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let each = Duration::from_secs(1) / rate.max(1);
        Self {
            each,
            ahead: each.saturating_mul(burst.max(1) - 1),
            due: now,
        }
    }

    /// When the next may begin; `None` where it may at once.
    pub(crate) fn wait(&self, now: Instant) -> Option<Instant> {
        let at = self.due.checked_sub(self.ahead)?;
        (at > now).then_some(at)
    }

    /// Whether at least half of the burst is left.
    pub(crate) fn is_calm(&self, now: Instant) -> bool {
        self.due.saturating_duration_since(now) <= self.ahead / 2
    }

    /// One begins.
    pub(crate) fn take(&mut self, now: Instant) {
        self.due = self.due.max(now) + self.each;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_herd_is_let_in_at_the_rate_after_a_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(100, 10, start);
        let mut now = start;
        let mut begun = Vec::new();
        for _ in 0..60 {
            now = pace.wait(now).unwrap_or(now);
            pace.take(now);
            begun.push(now - start);
        }
        assert_eq!(begun.iter().filter(|at| at.is_zero()).count(), 10);
        let last = begun.last().copied().unwrap_or_default();
        assert_eq!(last, Duration::from_millis(500));
        // Quiet time is not saved up beyond the burst.
        now += Duration::from_secs(60);
        let free = (0..20).take_while(|_| {
            let free = pace.wait(now).is_none();
            pace.take(now);
            free
        });
        assert_eq!(free.count(), 10);
    }

    #[test]
    fn nonsense_is_one() {
        let start = Instant::now();
        let mut pace = Pace::new(0, 0, start);
        assert_eq!(pace.wait(start), None);
        pace.take(start);
        assert_eq!(pace.wait(start), Some(start + Duration::from_secs(1)));
        assert!(!pace.is_calm(start));
    }
}
