//! Clock, entropy and blocking work of a simulated process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roadstead_protocol::env::{Blocking, BoxFuture, Entropy, Env};

use crate::clock::Clock;
use crate::rng::Rng;

/// The longest that blocking work waits, before and after, in milliseconds.
const BLOCKING_MS_MAX: u64 = 15;

/// The environment of one simulated process, on a machine with this clock.
pub fn env(rng: &Rng, clock: &Clock, label: &str) -> Env {
    Env {
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(SimEntropy(Mutex::new(
            rng.fork(&format!("{label}/entropy")),
        ))),
        blocking: Arc::new(SimBlocking(Mutex::new(
            rng.fork(&format!("{label}/blocking")),
        ))),
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
