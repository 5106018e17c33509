//! For how long agents have said of the copies of one object that they do not run, by this hub's uptime.
//!
//! A copy that runs for a moment and stops again has not recovered, and what was given anew begins anew;
//! where there is no news of a cluster its agent says nothing, and it begins anew too.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_protocol::wire::report::Health;
use roadstead_protocol::wire::{Digest, ItemKey};
use serde_json::Value;

use crate::observed::{Observed, State};
use crate::template::Former;

/// For how long a copy has to run before it counts as recovered.
pub const RECOVERS: Duration = Duration::from_secs(60);

/// Whether a connected agent says of a copy of what `key` names that it does not run: none of the replicas
/// that it counts is ready, or the member refused it and nothing of ours is there, or its kind's
/// interpreter says that it failed. What runs in part runs; and what merely is not well may run all the
/// same, as most of what says `Degraded` or `Ready: False` of itself does.
pub fn is_stopped(key: &ItemKey, seen: &Observed) -> bool {
    if seen.away {
        return false;
    }
    match (seen.state, seen.health) {
        (State::Applied | State::Failed, Health::Progressing) => none_ready(key, seen),
        (State::Applied | State::Failed, Health::Degraded) => {
            let told = seen.judged && seen.ready.unwrap_or(0) == 0;
            told || none_ready(key, seen)
        }
        // How it is would be said of what is there.
        (State::Failed, Health::Unknown) => seen.status.is_null() && seen.generation == 0,
        (State::Applied, Health::Unknown)
        | (State::Applied | State::Failed, Health::Healthy | Health::Suspended) => false,
        (State::Unknown | State::Pending | State::Conflict | State::Held | State::Removing, _) => {
            false
        }
    }
}

/// Whether none of the replicas that it wants is ready, as it says itself.
fn none_ready(key: &ItemKey, seen: &Observed) -> bool {
    let number = |name: &str| seen.status.get(name).and_then(Value::as_u64);
    let leaves_zeros_out = matches!(
        (key.group.as_str(), key.kind.as_str()),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") | ("", "ReplicationController")
    );
    if !leaves_zeros_out {
        return number("readyReplicas") == Some(0);
    }
    let missing = number("unavailableReplicas").unwrap_or(0) > 0;
    match seen.ready {
        Some(ready) => ready == 0 && (missing || seen.replicas != Some(0)),
        None => missing,
    }
}

/// Since when the copies of one object do not run, by the UIDs of clusters. Only of those that do not, or
/// did not until just now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracks(BTreeMap<String, Track>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Track {
    /// What was given.
    digest: Option<Digest>,
    since: Duration,
    /// Since when it runs, where it does.
    runs: Option<Duration>,
}

impl Tracks {
    /// Takes note of what was observed at a time, counted from the hub's start.
    pub fn look(
        &mut self,
        key: &ItemKey,
        former: &[Former],
        observed: &BTreeMap<String, Observed>,
        now: Duration,
    ) {
        let before = std::mem::take(&mut self.0);
        for copy in former.iter().filter(|f| f.is_own()) {
            let Some(seen) = observed.get(&copy.cluster).filter(|seen| !seen.away) else {
                continue;
            };
            let track = before.get(&copy.cluster);
            let recovered = |track: &Track| {
                let runs = track.runs.map(|runs| now.saturating_sub(runs));
                runs.is_some_and(|long| long >= RECOVERS)
            };
            let same = |track: &&Track| track.digest == copy.digest && !recovered(track);
            let track = track.filter(same).cloned();
            let track = match (is_stopped(key, seen), track) {
                (true, track) => Track {
                    digest: copy.digest,
                    since: track.map_or(now, |track| track.since),
                    runs: None,
                },
                // It is not known yet how what was given again is.
                (false, Some(track)) if seen.state == State::Pending => track,
                (false, Some(track)) => Track {
                    runs: track.runs.or(Some(now)),
                    ..track
                },
                (false, None) => continue,
            };
            self.0.insert(copy.cluster.clone(), track);
        }
    }

    /// For how long copies have not run at a time, by the UIDs of their clusters.
    pub fn stopped(&self, now: Duration) -> BTreeMap<String, Duration> {
        let stopped = self.0.iter().filter(|(_, track)| track.runs.is_none());
        stopped
            .map(|(uid, track)| (uid.clone(), now.saturating_sub(track.since)))
            .collect()
    }

    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
