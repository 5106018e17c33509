//! Clock, entropy and blocking work of a simulated process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use roadstead_protocol::env::{Blocking, BoxFuture, Entropy, Env, WallClock};

use crate::rng::Rng;

/// When simulated time begins: 2026-06-01T00:00:00Z, in seconds.
pub const EPOCH_SECONDS: i64 = 1_780_272_000;
/// The longest that blocking work waits, before and after, in milliseconds.
const BLOCKING_MS_MAX: u64 = 15;

/// The environment of one simulated process.
pub fn env(rng: &Rng, label: &str) -> Env {
    Env {
        clock: Arc::new(SimClock),
        entropy: Arc::new(SimEntropy(Mutex::new(
            rng.fork(&format!("{label}/entropy")),
        ))),
        blocking: Arc::new(SimBlocking(Mutex::new(
            rng.fork(&format!("{label}/blocking")),
        ))),
    }
}

/// The wall clock: the epoch and the simulated time since.
struct SimClock;

impl WallClock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        let nanos = i128::from(EPOCH_SECONDS) * 1_000_000_000
            + i128::try_from(elapsed.as_nanos()).unwrap_or(0);
        Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Unpredictable to the product, drawn from the seed.
pub struct SimEntropy(pub Mutex<Rng>);

impl Entropy for SimEntropy {
    fn fill(&self, buf: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill(buf);
    }
}

/// Lets time pass, does the work in line, lets time pass again: a crash may fall in between.
struct SimBlocking(Mutex<Rng>);

impl Blocking for SimBlocking {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        let draw = || -> Duration {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .millis(0, BLOCKING_MS_MAX)
        };
        let (before, after) = (draw(), draw());
        Box::pin(async move {
            tokio::time::sleep(before).await;
            job();
            tokio::time::sleep(after).await;
        })
    }
}
