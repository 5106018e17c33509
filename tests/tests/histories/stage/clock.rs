//! A clock that is wrong by as much as a history wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use roadstead_protocol::env::{Env, WallClock};
use roadstead_protocol::host::system::{self, SystemClock};

/// The system's clock and how far it is off, in seconds.
#[derive(Clone, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    /// From now on it is ahead by `seconds`, or behind.
    pub(crate) fn shift(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    /// The system's environment with this clock.
    pub(crate) fn env(&self) -> Env {
        Env {
            clock: Arc::new(self.clone()),
            ..system::env()
        }
    }
}

impl WallClock for Clock {
    fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_secs(self.0.load(Ordering::SeqCst));
        let now = SystemClock.now();
        now.checked_add(shift).unwrap_or(now)
    }
}
