//! What happened, in numbers. Counters only grow; gauges say how it is now.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that other threads may read.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// How much it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_many(&self, n: usize) {
        self.0
            .fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: usize) {
        self.0
            .store(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// What happened at the agents' port.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Sessions that are on now (gauge).
    pub sessions: Count,
    /// Sessions that were admitted.
    pub admitted: Count,
    /// Agents that were turned away after their hello.
    pub refused: Count,
    /// Sessions that ended because the agent broke the protocol.
    pub violations: Count,
    /// Handshakes that failed: strange certificates, no common protocol, no answer.
    pub handshakes_failed: Count,
    /// Enrolments that were granted or refused in order.
    pub enrolments: Count,
    /// Enrolments that broke off.
    pub enrolments_failed: Count,
    /// Changes (puts and tombstones) handed to sessions.
    pub changes: Count,
    /// Contents handed to sessions.
    pub contents: Count,
    /// Reports of items that were taken.
    pub reports: Count,
    /// Reports and facts that were dropped because they exceed a bound or are not JSON.
    pub dropped: Count,
    /// Acknowledged tombstones removed from ledgers.
    pub tombstones: Count,
}
