//! Whether an agent is still heard of, to within a few seconds.
//!
//! QUIC's own idle timeout begins anew when something is sent into the silence, so with changes under
//! way it may take twice as long. Here only what comes counts, acknowledgements included.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use roadstead_protocol::host::driver;
use roadstead_protocol::host::endpoint::IDLE_TIMEOUT;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often it is looked whether something came.
pub(crate) const LISTEN_EVERY: Duration = Duration::from_secs(3);

/// All connections that are listened to: one task looks at them in turn, and wakes only those that fell
/// silent. Thousands of timers would keep an idle hub busy.
#[derive(Default)]
pub(crate) struct Ears(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    ids: u64,
    all: BTreeMap<u64, Weak<Listening>>,
}

impl Ears {
    /// Listens to one more, until it is dropped.
    pub(crate) fn add(&self, connection: quinn::Connection) -> Arc<Listening> {
        let listening = Arc::new(Listening::new(connection));
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.ids += 1;
        let id = inner.ids;
        inner.all.insert(id, Arc::downgrade(&listening));
        listening
    }

    /// Looks at all, again and again.
    pub(crate) async fn listen(&self) {
        loop {
            tokio::time::sleep(LISTEN_EVERY).await;
            self.look();
        }
    }

    fn look(&self) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.all.retain(|_, listening| {
            let Some(listening) = listening.upgrade() else {
                return false;
            };
            if !listening.hears() {
                listening.silent.notify_one();
            }
            true
        });
    }
}

/// One connection, listened to.
pub(crate) struct Listening {
    connection: quinn::Connection,
    ear: Mutex<Ear>,
    silent: Notify,
    gave_up: AtomicBool,
}

impl Listening {
    fn new(connection: quinn::Connection) -> Self {
        let ear = Ear::new(Instant::now(), connection.stats().udp_rx.datagrams);
        Self {
            ear: Mutex::new(ear),
            connection,
            silent: Notify::new(),
            gave_up: AtomicBool::new(false),
        }
    }

    /// When it seems to have fallen silent. Cancel safe.
    pub(crate) async fn due(&self) {
        self.silent.notified().await;
    }

    /// Looks whether something came, and whether the silence is still to be borne.
    pub(crate) fn hears(&self) -> bool {
        self.silence() < IDLE_TIMEOUT + LISTEN_EVERY
    }

    /// For how long nothing has come: rather too long, by a look at the most.
    pub(crate) fn silence(&self) -> Duration {
        let datagrams = self.connection.stats().udp_rx.datagrams;
        self.ear().look(Instant::now(), datagrams)
    }

    fn ear(&self) -> MutexGuard<'_, Ear> {
        self.ear.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection: nobody listens at its other end.
    pub(crate) fn give_up(&self) {
        self.gave_up.store(true, Ordering::Relaxed);
        self.connection
            .close(driver::CLOSE_DONE.into(), b"nothing was heard of the agent");
    }

    /// Whether it was given up.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up.load(Ordering::Relaxed)
    }
}

/// What came, by a number that grows when something does.
struct Ear {
    datagrams: u64,
    looked: Instant,
    /// What came last came after this.
    heard: Instant,
}

impl Ear {
    fn new(now: Instant, datagrams: u64) -> Self {
        Self {
            datagrams,
            looked: now,
            heard: now,
        }
    }

    /// For how long nothing has come, at the most.
    fn look(&mut self, now: Instant, datagrams: u64) -> Duration {
        if datagrams != self.datagrams {
            self.datagrams = datagrams;
            self.heard = self.looked;
        }
        self.looked = now;
        now.duration_since(self.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_in_time_and_never_taken_for_shorter_than_it_is() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        for last_word in 0..40 {
            let mut ear = Ear::new(start, 0);
            let mut at = 0;
            let noticed = loop {
                at += 3;
                // Something comes every second until the last word.
                let datagrams = u64::from(at.min(last_word));
                let silence = ear.look(start + second * at, datagrams);
                let true_silence = second * at.saturating_sub(last_word);
                assert!(silence >= true_silence, "{silence:?} for {true_silence:?}");
                assert!(silence <= true_silence + LISTEN_EVERY);
                if silence >= IDLE_TIMEOUT + LISTEN_EVERY {
                    break true_silence;
                }
            };
            assert!(noticed >= IDLE_TIMEOUT, "{noticed:?}");
            assert!(noticed <= IDLE_TIMEOUT + LISTEN_EVERY * 2, "{noticed:?}");
        }
    }
}
