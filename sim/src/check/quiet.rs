//! With nothing to change, nothing is written: not by the hub to its store, not by agents to their
//! members (invariant 9).

use roadstead_store::Revision;

use crate::world::{World, lock};

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

/// Compares two moments between which nothing was to happen.
pub fn check(world: &World, before: &Written, after: &Written) {
    if before != after {
        let what = format!("from {before:?} to {after:?} with nothing to change");
        world.checks.violation("idle is quiet", &what);
    }
}
