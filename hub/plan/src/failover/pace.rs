//! How fast the fleet may fail over: so many clusters of which nothing is heard, and so many copies that
//! do not run, begin to be failed over from within a minute.
//!
//! Nothing fails over before it was waited for a minute by the hub's uptime, so that a hub that starts
//! anew, and knows nothing of those before, is not faster either.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_protocol::wire::ItemKey;

/// How many of the joined clusters begin to be failed over from in a minute because nothing is heard of
/// them, in percent; one at least.
pub const CLUSTERS_PERCENT_PER_MINUTE: usize = 5;
/// How many copies begin to be failed over in a minute because they do not run.
pub const COPIES_PER_MINUTE: usize = 20;

const MINUTE: Duration = Duration::from_secs(60);

/// What is failed over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// Whatever a silent cluster has, by its UID.
    Cluster(String),
    /// What one cluster has of one object.
    Copy(String, ItemKey),
}

/// What began to be failed over, and when, counted from the hub's start: of the last minute, and what is
/// still silent.
#[derive(Clone, Debug, Default)]
pub struct Pace(BTreeMap<Slot, Duration>);

impl Pace {
    /// Begins to fail over from `slot` at a time, of so many joined clusters. What has begun goes on.
    ///
    /// # Errors
    /// For how long it has to wait, where as many as are allowed have begun within the last minute.
    pub fn take(&mut self, slot: Slot, now: Duration, joined: usize) -> Result<(), Duration> {
        if self.0.contains_key(&slot) {
            return Ok(());
        }
        let of_cluster = matches!(slot, Slot::Cluster(_));
        let most = match of_cluster {
            true => (joined.saturating_mul(CLUSTERS_PERCENT_PER_MINUTE) / 100).max(1),
            false => COPIES_PER_MINUTE,
        };
        let same = |(taken, at): (&Slot, &Duration)| {
            let sort = matches!(taken, Slot::Cluster(_)) == of_cluster;
            (sort && at.saturating_add(MINUTE) > now).then_some(*at)
        };
        let mut recent: Vec<Duration> = self.0.iter().filter_map(same).collect();
        recent.sort();
        if let Some(first) = recent.len().checked_sub(most).and_then(|at| recent.get(at)) {
            return Err(first.saturating_add(MINUTE).saturating_sub(now));
        }
        self.0.insert(slot, now);
        Ok(())
    }

    /// Forgets what began more than a minute ago, but for clusters that are still silent.
    pub fn tidy(&mut self, now: Duration, is_silent: impl Fn(&str) -> bool) {
        self.0.retain(|slot, at| {
            let recent = at.saturating_add(MINUTE) > now;
            recent || matches!(slot, Slot::Cluster(uid) if is_silent(uid))
        });
    }
}
