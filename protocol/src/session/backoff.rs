//! How long to wait before the next attempt: growing, bounded, jittered from a seed.
//!
//! Sleeps nowhere and reads no clock.

use std::time::Duration;

use crate::wire::limits::DOUBLINGS_MAX;

/// A growing wait between attempts.
#[derive(Clone, Debug)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    attempt: u32,
    state: u64,
}

impl Backoff {
    /// Waits between half of `floor` and `ceiling`. Two seeds give two sequences, one seed always
    /// the same. A `ceiling` below `floor` counts as `floor`.
    pub fn new(seed: u64, floor: Duration, ceiling: Duration) -> Self {
        Self {
            floor,
            ceiling: ceiling.max(floor),
            attempt: 0,
            state: seed,
        }
    }

    /// The wait before the next attempt: the upper half of `floor · 2ⁿ`, cut to `ceiling`.
    pub fn next_wait(&mut self) -> Duration {
        let doublings = self.attempt.min(DOUBLINGS_MAX);
        self.attempt = self.attempt.saturating_add(1);
        let whole = self.floor.saturating_mul(1 << doublings).min(self.ceiling);
        whole / 2 + self.jitter(whole / 2)
    }

    /// The wait after the other side asked for one on purpose: up to half as long again, so that a
    /// herd spreads, and never above `ceiling` and half.
    pub fn asked(&mut self, wait: Duration) -> Duration {
        let wait = wait.min(self.ceiling);
        wait + self.jitter(wait / 2)
    }

    /// An attempt went well: the next wait is a short one again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// How many waits there were since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempt
    }

    /// A duration from zero to `most`, both included.
    fn jitter(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        match nanos.checked_add(1) {
            Some(span) => Duration::from_nanos(self.random() % span),
            None => Duration::from_nanos(self.random()),
        }
    }

    /// The next number of a Weyl sequence, mixed (SplitMix64).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Duration = Duration::from_millis(500);
    const CEILING: Duration = Duration::from_secs(30);

    #[test]
    fn waits_grow_to_the_ceiling_and_begin_again_after_a_success() {
        let mut backoff = Backoff::new(1, FLOOR, CEILING);
        let mut whole = FLOOR;
        for _ in 0..64 {
            let wait = backoff.next_wait();
            assert!(whole / 2 <= wait && wait <= whole, "{wait:?} of {whole:?}");
            whole = (whole * 2).min(CEILING);
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FLOOR);
    }

    #[test]
    fn a_seed_gives_one_sequence_and_two_seeds_two() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed, FLOOR, CEILING);
            (0..10).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn what_was_asked_is_waited_for_and_spread_but_bounded() {
        let mut backoff = Backoff::new(3, FLOOR, CEILING);
        let wait = backoff.asked(Duration::from_secs(4));
        assert!(Duration::from_secs(4) <= wait && wait <= Duration::from_secs(6));
        assert!(backoff.asked(Duration::MAX) <= CEILING * 3 / 2);
    }
}
