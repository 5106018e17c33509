//! What all decisions depend on: `/world` is written in the transaction of every write by which
//! people change a policy, a cluster, a fleet, a namespace or an interpreter. A decision that asserts its revision was made
//! from nothing older.
//!
//! Its value means nothing. Statuses do not count: nothing is decided from them.

use crate::{InvalidKey, Key};

/// The key that is written with each change of the world.
pub const WORLD_KEY: &str = "/world";

/// [`WORLD_KEY`] as a key.
pub fn world_key() -> Result<Key, InvalidKey> {
    Key::parse(WORLD_KEY)
}

/// The key that is written with each decision that gives somebody room: two that were made from one
/// snapshot would give the same room twice. Its value means nothing.
pub const ROOM_KEY: &str = "/room";

/// [`ROOM_KEY`] as a key.
pub fn room_key() -> Result<Key, InvalidKey> {
    Key::parse(ROOM_KEY)
}

/// Whether objects of a kind, by the group and plural under which they are stored, belong to what
/// all decisions depend on.
pub fn in_world(group: &str, plural: &str) -> bool {
    matches!(
        (group, plural),
        ("policy.kurator.dev" | "apps.kurator.dev", _)
            | ("cluster.kurator.dev", "attachedclusters")
            | ("fleet.kurator.dev", "fleets")
            | ("roadstead.dev", "resourceinterpreters")
            | ("", "namespaces")
    )
}
