//! What a process gets from the outside world, as values that are passed in.
//!
//! Wall clock, entropy and threads enter here and nowhere else: a real process is given the
//! operating system's (`host::system`), the simulation gives its own, drawn from a seed. Monotonic
//! time is not here: shells use tokio's clock, which the simulation makes virtual; cores take it
//! as an argument.
//!
//! This module deliberately holds no implementation and no I/O.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A boxed future that can move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The wall clock: what certificates, tokens and `creationTimestamp` are dated with.
pub trait WallClock: Send + Sync + 'static {
    /// The time of day now. May jump in both directions; never use it to measure a duration.
    fn now(&self) -> jiff::Timestamp;
}

/// A source of unpredictable bytes: keys, secrets, uids, nonces, seeds.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `buf` whole.
    fn fill(&self, buf: &mut [u8]);
}

/// Runs work that blocks (a disk sync) beside the event loop.
///
/// A real process hands it to a thread; the simulation lets virtual time pass, does the work in
/// line and lets time pass again, so that a crash can fall between the two.
pub trait Blocking: Send + Sync + 'static {
    /// Runs `job` to its end, then resolves.
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()>;
}

/// Clock, entropy and blocking work in one cheap handle.
#[derive(Clone)]
pub struct Env {
    /// The wall clock.
    pub clock: Arc<dyn WallClock>,
    /// Unpredictable bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Where blocking work goes.
    pub blocking: Arc<dyn Blocking>,
}

impl Env {
    /// `N` unpredictable bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut buf = [0; N];
        self.entropy.fill(&mut buf);
        buf
    }

    /// A random (version 4) UUID in its usual text form, for `metadata.uid`.
    pub fn uid(&self) -> String {
        let mut b = self.random::<16>();
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let hex = u128::from_be_bytes(b);
        let s = format!("{hex:032x}");
        let part = |from: usize, to: usize| s.get(from..to).unwrap_or_default();
        [
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32),
        ]
        .join("-")
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl WallClock for Fixed {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }
    }
    impl Entropy for Fixed {
        fn fill(&self, buf: &mut [u8]) {
            buf.fill(0xff);
        }
    }
    impl Blocking for Fixed {
        fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
            job();
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn uid_is_a_version_4_uuid() {
        let env = Env {
            clock: Arc::new(Fixed),
            entropy: Arc::new(Fixed),
            blocking: Arc::new(Fixed),
        };
        assert_eq!(env.uid(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
