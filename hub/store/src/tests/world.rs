//! What the tests give a store: a fixed clock, seeded entropy, blocking work in line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use roadstead_protocol::env::{Blocking, BoxFuture, Entropy, Env, WallClock};

use crate::{Backend, Check, CommitError, Committed, Key, Options, Store, Txn};

/// The time that tests begin at, in microseconds: some day of 2026.
pub(crate) const START_MICROS: u64 = 1_790_000_000_000_000;

struct Clock(AtomicU64);

impl WallClock for Clock {
    fn now(&self) -> Timestamp {
        let micros = self.0.load(Ordering::Relaxed);
        Timestamp::from_microsecond(i64::try_from(micros).unwrap()).unwrap()
    }
}

struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buf: &mut [u8]) {
        for byte in buf {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (state ^ (state >> 31))
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .to_be_bytes()[0];
        }
    }
}

/// In line, after the event loop has had a turn, as a real disk would let it.
struct InLine;

impl Blocking for InLine {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            job();
        })
    }
}

pub(crate) fn env(seed: u64, micros: u64) -> Env {
    Env {
        clock: Arc::new(Clock(AtomicU64::new(micros))),
        entropy: Arc::new(Seeded(AtomicU64::new(seed))),
        blocking: Arc::new(InLine),
    }
}

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

pub(crate) async fn memory() -> Store {
    memory_with(Options::default()).await
}

pub(crate) async fn memory_with(options: Options) -> Store {
    Store::open(env(1, START_MICROS), Backend::Memory, options)
        .await
        .unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub(crate) async fn put(store: &Store, at: &str, value: &str) -> Committed {
    store
        .commit(Txn::new().put(key(at), value.to_owned()))
        .await
        .unwrap()
}

pub(crate) async fn create(store: &Store, at: &str) -> Result<Committed, CommitError> {
    let txn = Txn::new().check(Check::Absent(key(at))).put(key(at), "new");
    store.commit(txn).await
}

pub(crate) fn value(store: &Store, at: &str) -> Option<String> {
    let snapshot = store.snapshot();
    snapshot
        .get(at)
        .map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}
