//! With nothing to change, nothing is written: not by the hub to its store, not by agents to their
//! members (invariant 9).

use roadstead_store::Revision;
use roadstead_store::records::{CONTENT_PREFIX, DELETIONS_PREFIX};

use crate::world::{World, lock};

/// Most keys that a violation names.
const KEYS_SHOWN: usize = 8;

/// Where the hub keeps what may become garbage.
const SWEPT: &[&str] = &[CONTENT_PREFIX, DELETIONS_PREFIX, "/objects/core/events/"];

/// What has been written so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    hub: Option<Revision>,
    syncs: u64,
    members: u64,
}

/// Looks at the counters now.
pub fn now(world: &World, hub: Option<Revision>) -> Written {
    Written {
        hub,
        syncs: world.sites.iter().map(|s| s.disk.syncs()).sum(),
        members: *lock(&world.checks.writes),
    }
}

/// The keys of the hub's store that were written since, without what was swept away: garbage is what
/// earlier changes left, and there is a look at it every few minutes.
fn changed(world: &World, since: &Written) -> Vec<String> {
    let store = lock(&world.hub.store).clone();
    let Some((store, since)) = store.zip(since.hub) else {
        return vec!["the hub is not up".to_owned()];
    };
    let Ok(mut watch) = store.watch("/", since) else {
        return vec!["more than is kept".to_owned()];
    };
    let mut keys = Vec::new();
    while let Some(Ok(event)) = watch.try_next() {
        let key = event.key.as_str();
        let swept = SWEPT.iter().any(|prefix| key.starts_with(prefix));
        if !(swept && event.new.is_none()) && keys.len() < KEYS_SHOWN {
            keys.push(key.to_owned());
        }
    }
    keys
}

/// Compares two moments between which nothing was to happen.
pub fn check(world: &World, before: &Written, after: &Written) {
    let keys = changed(world, before);
    let same = (before.syncs, before.members) == (after.syncs, after.members);
    if !same || !keys.is_empty() {
        let what = format!("from {before:?} to {after:?} with nothing to change; {keys:?}");
        world.checks.violation("idle is quiet", &what);
    }
}
