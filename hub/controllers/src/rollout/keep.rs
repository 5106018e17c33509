//! What is kept of a policy's rollouts, and what goes: old Rollouts, releases that nothing names, and who
//! was let to what by runs that are over. Bounded per look.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_plan::policy::Policy;
use roadstead_plan::rollout::State;
use roadstead_plan::rollout::state::Admitted;
use roadstead_protocol::api::names::OWN_GROUP;
use roadstead_protocol::api::rollout::{ROLLOUTS, Rollout};
use roadstead_store::records::{
    RELEASES_PREFIX, admitted_prefix, decode, objects_namespace_prefix, parse_of_policy,
    releases_prefix, rollout_key,
};
use roadstead_store::{Check, Entry, Snapshot, Txn};

use super::object::namespace;
use crate::error::Error;
use crate::objects;

/// Most keys that one look takes away.
const BATCH_MAX: usize = 500;

/// The Rollouts of a policy, the oldest first.
pub(super) fn rollouts<'s>(
    snapshot: &'s Snapshot,
    policy: &Policy,
) -> Result<Vec<(&'s Entry, Rollout)>, Error> {
    let prefix = objects_namespace_prefix(OWN_GROUP, ROLLOUTS, namespace(policy));
    let mut found = Vec::new();
    for entry in snapshot.range(&prefix) {
        let rollout: Rollout = objects::typed(entry)?;
        if rollout.spec.policy.uid == policy.identity.uid {
            found.push((entry, rollout));
        }
    }
    found.sort_by_key(|(_, rollout)| rollout.spec.number);
    Ok(found)
}

/// Adds to `txn` what takes away what is old. `written` is what `txn` writes already.
pub(super) fn prune(
    snapshot: &Snapshot,
    (policy, history): (&Policy, usize),
    state: &State,
    admitted: &BTreeMap<String, String>,
    txn: &mut Txn,
) -> Result<(), Error> {
    let uid = &policy.identity.uid;
    let rollouts = rollouts(snapshot, policy)?;
    let over: Vec<_> = rollouts
        .iter()
        .filter(|(_, rollout)| rollout.status.phase.is_over())
        .collect();
    let old = over.len().saturating_sub(history);
    let mut stale: Vec<&Entry> = over.iter().take(old).map(|(entry, _)| *entry).collect();
    let mut named: BTreeSet<&str> = BTreeSet::from([state.live.as_str(), &state.good]);
    named.extend(admitted.values().map(String::as_str));
    if let Some(run) = &state.run {
        named.extend([run.target.as_str(), &run.from]);
    }
    let current = rollouts.iter().filter(|(_, r)| !r.status.phase.is_over());
    let kept = over.iter().skip(old).copied().chain(current);
    for (_, rollout) in kept {
        named.extend([rollout.spec.release.as_str(), &rollout.spec.from]);
    }
    for entry in snapshot.range(&releases_prefix(uid)) {
        let release = parse_of_policy(RELEASES_PREFIX, entry.key.as_str());
        if release.is_some_and(|(_, release)| !named.contains(release)) {
            stale.push(entry);
        }
    }
    for entry in snapshot.range(&admitted_prefix(uid)) {
        if !state.counts(&decode::<Admitted>(entry)?) {
            stale.push(entry);
        }
    }
    let written = |entry: &Entry| txn.ops.iter().any(|op| *op.key() == entry.key);
    stale.retain(|entry| !written(entry));
    take(stale, txn);
    Ok(())
}

/// What takes away all that is written of a policy that has no rollouts any more; its Rollouts stay, to
/// be read.
pub(super) fn forget(snapshot: &Snapshot, policy: &Policy) -> Result<Option<Txn>, Error> {
    let uid = &policy.identity.uid;
    let mut stale: Vec<&Entry> = snapshot.range(&admitted_prefix(uid)).collect();
    stale.extend(snapshot.range(&releases_prefix(uid)));
    stale.extend(snapshot.get(rollout_key(uid)?.as_str()));
    if stale.is_empty() {
        return Ok(None);
    }
    let mut txn = Txn::new();
    take(stale, &mut txn);
    Ok(Some(txn))
}

fn take(stale: Vec<&Entry>, txn: &mut Txn) {
    for entry in stale.into_iter().take(BATCH_MAX) {
        txn.checks
            .push(Check::At(entry.key.clone(), entry.revision));
        txn.ops.push(roadstead_store::Op::Delete {
            key: entry.key.clone(),
        });
    }
}
