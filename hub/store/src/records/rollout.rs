//! How policies' changes go out, by the policies' UIDs.
//!
//! - `/rollout/<policy-uid>`: how its rollouts stand. It is written whenever anything below is, so who
//!   asserts it asserts all of that.
//! - `/releases/<policy-uid>/<release>`: a release, whose contents are kept while it is there.
//! - `/admitted/<policy-uid>/<cluster-uid>`: the release that a cluster was let to.
//!
//! Beside them `/budget/<policy-uid>` is written with each decision that takes something of the policy's
//! disruption budget: two that were made from one snapshot would take the same. Its value means nothing.

use crate::{InvalidKey, Key};

use super::join;

/// What the keys of all policies' rollouts begin with.
pub const ROLLOUT_PREFIX: &str = "/rollout/";
/// What all releases' keys begin with.
pub const RELEASES_PREFIX: &str = "/releases/";
/// What all keys begin with that say which cluster was let to what.
pub const ADMITTED_PREFIX: &str = "/admitted/";

/// What the keys of all policies' disruption budgets begin with.
pub const BUDGET_PREFIX: &str = "/budget/";

/// The key that is written with whatever a policy's disruption budget is spent on.
pub fn budget_key(policy_uid: &str) -> Result<Key, InvalidKey> {
    join(BUDGET_PREFIX, &[policy_uid])
}

/// The key that says how a policy's rollouts stand.
pub fn rollout_key(policy_uid: &str) -> Result<Key, InvalidKey> {
    join(ROLLOUT_PREFIX, &[policy_uid])
}

/// The key of a policy's release.
pub fn release_key(policy_uid: &str, release: &str) -> Result<Key, InvalidKey> {
    join(RELEASES_PREFIX, &[policy_uid, release])
}

/// What the keys of a policy's releases begin with.
pub fn releases_prefix(policy_uid: &str) -> String {
    format!("{RELEASES_PREFIX}{policy_uid}/")
}

/// The key that says what a cluster was let to.
pub fn admitted_key(policy_uid: &str, cluster_uid: &str) -> Result<Key, InvalidKey> {
    join(ADMITTED_PREFIX, &[policy_uid, cluster_uid])
}

/// What the keys begin with that say which clusters a policy let to what.
pub fn admitted_prefix(policy_uid: &str) -> String {
    format!("{ADMITTED_PREFIX}{policy_uid}/")
}

/// The policy and what stands behind it, if `key` has this prefix: a release, or a cluster.
pub fn parse_of_policy<'k>(prefix: &str, key: &'k str) -> Option<(&'k str, &'k str)> {
    key.strip_prefix(prefix)?.split_once('/')
}
