//! Wall clocks that jump: what a simulated process is told beside how much time has passed.
//!
//! Monotonic time (tokio's) never jumps; only what certificates, tokens and timestamps are dated with.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use roadstead_protocol::env::WallClock;

/// When simulated time begins: 2026-06-01T00:00:00Z, in seconds.
pub const EPOCH_SECONDS: i64 = 1_780_272_000;

/// How much time may pass at once over a run, in seconds: an agent that slept longer than the life of
/// its certificate and a year has to join anew, and nobody does that here.
pub const PASSED_MAX: i64 = 300 * 24 * 3600;

/// The wall clock of one machine. Outlives the processes on it; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// How far it is off, in seconds.
    off: Arc<AtomicI64>,
    /// How far all clocks have moved, in seconds: time that passed without anybody running.
    passed: Arc<AtomicI64>,
}

impl Clock {
    /// Another machine's clock, in the same world.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            off: Arc::default(),
            passed: Arc::clone(&self.passed),
        }
    }

    /// From now on it is wrong by so many seconds; 0 puts it right.
    pub fn set_off(&self, seconds: i64) {
        self.off.store(seconds, Ordering::Relaxed);
    }

    /// So many seconds passed, for every clock of the world; in all no more than [`PASSED_MAX`].
    pub fn pass(&self, seconds: i64) {
        let passed = self.passed.load(Ordering::Relaxed) + seconds;
        self.passed.store(passed.min(PASSED_MAX), Ordering::Relaxed);
    }
}

impl WallClock for Clock {
    fn now(&self) -> Timestamp {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        let seconds =
            EPOCH_SECONDS + self.off.load(Ordering::Relaxed) + self.passed.load(Ordering::Relaxed);
        at(seconds, elapsed)
    }
}

fn at(seconds: i64, elapsed: Duration) -> Timestamp {
    let nanos =
        i128::from(seconds) * 1_000_000_000 + i128::try_from(elapsed.as_nanos()).unwrap_or(0);
    Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clock_is_off_and_time_passes_for_all() {
        let hub = Clock::default();
        let agent = hub.beside();
        agent.set_off(-60);
        hub.pass(100);
        assert_eq!(hub.now(), at(EPOCH_SECONDS + 100, Duration::ZERO));
        assert_eq!(agent.now(), at(EPOCH_SECONDS + 40, Duration::ZERO));
        agent.set_off(0);
        assert_eq!(agent.now(), hub.now());
    }
}
