//! The timers of a session, by name.
//!
//! Keeps no clock: it only remembers when each is due.

use std::collections::BTreeMap;

use super::Now;

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The other end's first frame.
    Handshake,
    /// Progress of a comparison.
    Compare,
    /// More reports that could share a frame.
    Flush,
    /// The answer to a question about the member.
    Fetch,
    /// A comparison that a freeze holds up has to be kept going.
    Held,
}

impl Timer {
    /// Why it wakes the session.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Handshake => "handshake deadline",
            Self::Compare => "comparison deadline",
            Self::Flush => "report flush",
            Self::Fetch => "fetch deadline",
            Self::Held => "frozen comparison",
        }
    }
}

/// When each timer is due; at most one entry per variant.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeMap<Timer, Now>);

impl Timers {
    /// (Re)starts a timer.
    pub(super) fn set(&mut self, timer: Timer, at: Now) {
        self.0.insert(timer, at);
    }

    /// Starts a timer unless it runs.
    pub(super) fn set_once(&mut self, timer: Timer, at: Now) {
        self.0.entry(timer).or_insert(at);
    }

    /// Stops a timer.
    pub(super) fn clear(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    /// Stops all of them.
    pub(super) fn clear_all(&mut self) {
        self.0.clear();
    }

    /// The next one that is due, and why.
    pub(super) fn next(&self) -> Option<(Now, &'static str)> {
        self.0.iter().map(|(timer, at)| (*at, timer.reason())).min()
    }

    /// Takes one that is due at `now`.
    pub(super) fn expire(&mut self, now: Now) -> Option<Timer> {
        let due = self
            .0
            .iter()
            .find(|(_, at)| **at <= now)
            .map(|(timer, _)| *timer)?;
        self.0.remove(&due);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_is_next_and_each_expires_once() {
        let mut timers = Timers::default();
        timers.set(Timer::Compare, Duration::from_secs(9));
        timers.set(Timer::Flush, Duration::from_secs(2));
        timers.set_once(Timer::Flush, Duration::from_secs(1));
        assert_eq!(
            timers.next(),
            Some((Duration::from_secs(2), "report flush"))
        );
        assert_eq!(timers.expire(Duration::from_secs(1)), None);
        assert_eq!(timers.expire(Duration::from_secs(9)), Some(Timer::Compare));
        assert_eq!(timers.expire(Duration::from_secs(9)), Some(Timer::Flush));
        assert_eq!(timers.next(), None);
    }
}
