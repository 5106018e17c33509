//! `/groups/<namespace>/<hash>`: written whenever the members of a group of workloads, or the clusters
//! that they are on, change. A group is what has the same value of a label; the hash is of both.

use roadstead_protocol::wire::Digest;

use crate::{InvalidKey, Key};

use super::{join, namespace_part};

/// What all keys begin with that stand for groups of workloads.
pub const GROUPS_PREFIX: &str = "/groups/";

/// The key of the group of workloads of a namespace with this value of this label.
pub fn group_key(namespace: &str, label: &str, value: &str) -> Result<Key, InvalidKey> {
    let digest = Digest::of(format!("{label}\0{value}").as_bytes()).to_string();
    join(GROUPS_PREFIX, &[namespace_part(namespace), &digest])
}
