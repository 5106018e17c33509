//! Whether an agent is still heard of, to within a few seconds.
//!
//! QUIC's own idle timeout begins anew when something is sent into the silence, so with changes under
//! way it may take twice as long. Here only what comes counts, acknowledgements included.

use std::time::Duration;

use roadstead_protocol::host::driver;
use roadstead_protocol::host::endpoint::IDLE_TIMEOUT;
use tokio::time::Instant;

/// How often it is looked whether something came.
pub(crate) const LISTEN_EVERY: Duration = Duration::from_secs(3);

/// One connection, listened to.
pub(crate) struct Listening {
    connection: quinn::Connection,
    ear: Ear,
    gave_up: bool,
}

impl Listening {
    pub(crate) fn new(connection: quinn::Connection) -> Self {
        Self {
            ear: Ear::new(Instant::now(), connection.stats().udp_rx.datagrams),
            connection,
            gave_up: false,
        }
    }

    /// When to look again. Cancel safe.
    pub(crate) async fn due(&self) {
        tokio::time::sleep_until(self.ear.looked + LISTEN_EVERY).await;
    }

    /// Looks whether something came, and whether the silence is still to be borne.
    pub(crate) fn hears(&mut self) -> bool {
        self.silence() < IDLE_TIMEOUT + LISTEN_EVERY
    }

    /// For how long nothing has come: rather too long, by a look at the most.
    pub(crate) fn silence(&mut self) -> Duration {
        let datagrams = self.connection.stats().udp_rx.datagrams;
        self.ear.look(Instant::now(), datagrams)
    }

    /// Closes the connection: nobody listens at its other end.
    pub(crate) fn give_up(&mut self) {
        self.gave_up = true;
        self.connection
            .close(driver::CLOSE_DONE.into(), b"nothing was heard of the agent");
    }

    /// Whether it was given up.
    pub(crate) fn gave_up(&self) -> bool {
        self.gave_up
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
