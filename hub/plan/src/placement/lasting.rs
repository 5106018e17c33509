//! What of a former decision goes on to be so while nothing can be decided: what is readable again then
//! moves nothing, and finds nothing taken over.
//!
//! Deliberately absent: who keeps what it has, which is [`removal`](crate::removal)'s.

use std::collections::BTreeMap;

use roadstead_protocol::api::decision::PolicyRef;

use crate::finding::Cause;
use crate::intent::Intent;
use crate::peers;
use crate::template::Template;
use crate::world::World;

/// Whether nothing can be decided.
pub(super) fn is_undecided(intent: &Intent<'_>) -> bool {
    intent.blocked.is_some() || intent.winner.is_none()
}

/// Whether who holds the template cannot be decided either.
fn is_unclaimed(intent: &Intent<'_>) -> bool {
    intent.winner.is_none() && intent.blocked == Some(Cause::PolicyUnreadable)
}

/// Who holds it: while a policy cannot be read, who held it before, if that is still there.
pub(super) fn policy(
    world: &World,
    template: &Template<'_>,
    intent: &Intent<'_>,
) -> Option<PolicyRef> {
    if !is_unclaimed(intent) {
        return intent.winner.map(|policy| policy.identity.reference());
    }
    let uid = &template.decided.policy;
    let readable = world.policy(uid).map(|policy| &policy.identity);
    let identity = readable.or_else(|| Some(&world.unreadable(uid)?.identity));
    identity.map(|identity| identity.reference())
}

/// The groups of workloads that it belongs to.
pub(super) fn groups(template: &Template<'_>, intent: &Intent<'_>) -> BTreeMap<String, String> {
    match intent.winner {
        Some(policy) => peers::groups(policy, &template.metadata().labels),
        None if is_unclaimed(intent) => template.decided.groups.clone(),
        None => BTreeMap::new(),
    }
}

/// What the division of its replicas went by.
pub(super) fn basis(template: &Template<'_>, intent: &Intent<'_>) -> Option<String> {
    template.basis.clone().filter(|_| is_undecided(intent))
}

/// The group of clusters that is in use.
pub(super) fn affinity(template: &Template<'_>, intent: &Intent<'_>) -> String {
    if is_undecided(intent) {
        template.decided.affinity.clone()
    } else {
        intent.affinity.clone()
    }
}

/// What tells the rebalancing that was done last from others.
pub(super) fn rebalance(template: &Template<'_>, intent: &Intent<'_>) -> String {
    if is_undecided(intent) {
        template.decided.rebalance.clone()
    } else {
        intent.rebalance.clone()
    }
}
