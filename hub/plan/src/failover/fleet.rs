//! Of which clusters nothing is heard, and for how long, by this hub's uptime.
//!
//! Where many are silent or not Ready at once, or all, it is rather the hub that is cut off: it then
//! suspects itself, and once it no longer does, the time of those that are still silent begins anew. Who
//! has been so for long while the hub suspected nothing is known to be off, and not counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::cluster::Cluster;

/// Share of the joined clusters that may be silent, or not Ready, before the hub suspects itself, in
/// percent. One may always be, unless it is the only one.
pub const SILENT_PERCENT_MAX: usize = 30;
/// After which time a cluster that is silent, or not Ready, is known to be off.
const OFF_AFTER: Duration = Duration::from_secs(3600);

/// Who is silent. Not more than there are clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// Since when nothing has been heard of clusters, by UID, counted from the hub's start.
    since: BTreeMap<String, Duration>,
    /// Since when joined clusters have been silent or not Ready, by UID.
    down: BTreeMap<String, Duration>,
    /// Of these, those that are known to be off.
    off: BTreeSet<String>,
    /// Those that are not Ready, whatever the reason.
    unready: BTreeSet<String>,
    /// Since when those have been Ready that were not so since the hub started.
    back: BTreeMap<String, Duration>,
    /// How many clusters joined.
    joined: usize,
    suspects: bool,
}

impl Silence {
    /// Takes note of how clusters are at a time. Of those that people declared to be stopped nothing is
    /// expected.
    pub fn observe<'c>(&mut self, clusters: impl IntoIterator<Item = &'c Cluster>, now: Duration) {
        self.find_off(now);
        let (mut since, mut down) = (BTreeMap::new(), BTreeMap::new());
        let mut unready = BTreeSet::new();
        self.joined = 0;
        for cluster in clusters {
            let uid = &cluster.uid;
            self.joined += usize::from(cluster.joined && !cluster.fenced);
            if cluster.ready == Some(true) {
                if self.unready.contains(uid) {
                    self.back.insert(uid.clone(), now);
                }
                continue;
            }
            self.back.remove(uid);
            unready.insert(uid.clone());
            let expected = cluster.joined && !cluster.fenced;
            if expected && (cluster.silent || cluster.ready == Some(false)) {
                let before = self.down.get(uid).copied();
                down.insert(uid.clone(), before.unwrap_or(now));
            }
            if cluster.silent && !cluster.fenced {
                let before = self.since.get(uid).copied();
                since.insert(uid.clone(), before.unwrap_or(now));
            }
        }
        self.unready = unready;
        self.since = since;
        self.down = down;
        self.off.retain(|uid| self.down.contains_key(uid));
        let expected = self.joined.saturating_sub(self.off.len());
        let most = expected.saturating_mul(SILENT_PERCENT_MAX) / 100;
        let fresh = self.down.len().saturating_sub(self.off.len());
        let many = fresh > most.max(1) || fresh >= expected.max(1);
        #[cfg(planted)]
        let many = many && !roadstead_protocol::planted::is("never-suspects");
        if self.suspects && !many {
            let times = self.since.values_mut().chain(self.down.values_mut());
            times.for_each(|since| *since = now);
        }
        self.suspects = many;
    }

    /// Finds those that are known to be off, while the hub suspects nothing.
    fn find_off(&mut self, now: Duration) {
        let long = |since: &Duration| now.saturating_sub(*since) >= OFF_AFTER;
        if !self.suspects {
            let off = self.down.iter().filter(|(_, since)| long(since));
            self.off.extend(off.map(|(uid, _)| uid.clone()));
        }
    }

    /// Forgets clusters that are not there any more.
    pub fn retain(&mut self, there: impl Fn(&str) -> bool) {
        self.back.retain(|uid, _| there(uid));
    }

    /// Whether it is rather the hub that is cut off.
    pub fn suspects(&self) -> bool {
        self.suspects
    }

    /// How many clusters joined.
    pub fn joined(&self) -> usize {
        self.joined
    }

    /// For how long nothing has been heard of a cluster, at a time.
    pub fn silent(&self, cluster: &str, now: Duration) -> Option<Duration> {
        let since = self.since.get(cluster)?;
        Some(now.saturating_sub(*since))
    }

    /// For how long a cluster has been Ready, as far as this hub has seen.
    pub fn ready(&self, cluster: &str, now: Duration) -> Option<Duration> {
        if self.unready.contains(cluster) {
            return None;
        }
        let since = self.back.get(cluster).copied().unwrap_or_default();
        Some(now.saturating_sub(since))
    }
}
