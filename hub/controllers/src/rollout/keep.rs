//! What is kept of a policy's rollouts, and what goes: old Rollouts, releases that nothing names, and who
//! was let to what by runs that are over. Bounded per look.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_plan::policy::Policy;
use roadstead_plan::rollout::state::Admitted;
use roadstead_plan::rollout::{Run, State};
use roadstead_protocol::api::names::OWN_GROUP;
use roadstead_protocol::api::rollout::{Phase, ROLLOUTS, Rollout, Status};
use roadstead_store::records::{
    RELEASES_PREFIX, admitted_prefix, decode, objects_namespace_prefix, parse_of_policy,
    releases_prefix, rollout_key,
};
use roadstead_store::{Check, Entry, Snapshot, Txn};

use super::object::{Object, namespace};
use crate::error::Error;
use crate::objects;
use crate::reconciler::Reconciler;

/// Most keys that one look takes away.
const BATCH_MAX: usize = 500;

/// The Rollouts of a policy.
struct Rollouts<'s> {
    /// Those that can be read, the oldest first.
    read: Vec<(&'s Entry, Rollout)>,
    /// Whether there is no other that cannot be read, of this policy or of one beside it.
    whole: bool,
}

fn rollouts<'s>(snapshot: &'s Snapshot, policy: &Policy) -> Rollouts<'s> {
    let prefix = objects_namespace_prefix(OWN_GROUP, ROLLOUTS, namespace(policy));
    let (mut read, mut whole) = (Vec::new(), true);
    for entry in snapshot.range(&prefix) {
        match objects::typed::<Rollout>(entry) {
            Ok(rollout) if rollout.spec.policy.uid == policy.identity.uid => {
                read.push((entry, rollout));
            }
            Ok(_) => {}
            Err(_) => whole = false,
        }
    }
    read.sort_by_key(|(_, rollout)| rollout.spec.number);
    Rollouts { read, whole }
}

/// The highest number that a run of a policy had of which anything is left. Who begins anew goes on from
/// there, so that nothing of it counts for another run.
pub(super) fn newest(snapshot: &Snapshot, policy: &Policy) -> Result<u64, Error> {
    let rollouts = rollouts(snapshot, policy).read;
    let mut newest = rollouts
        .last()
        .map_or(0, |(_, rollout)| rollout.spec.number);
    for entry in snapshot.range(&admitted_prefix(&policy.identity.uid)) {
        newest = newest.max(decode::<Admitted>(entry)?.run);
    }
    Ok(newest)
}

/// Adds to `txn` what takes away what is old, except what it writes already. Says whether more is left.
pub(super) fn prune(
    snapshot: &Snapshot,
    (policy, history): (&Policy, usize),
    state: &State,
    admitted: &BTreeMap<String, String>,
    txn: &mut Txn,
) -> Result<bool, Error> {
    let uid = &policy.identity.uid;
    let Rollouts {
        read: rollouts,
        whole,
    } = rollouts(snapshot, policy);
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
        // One that cannot be read may name it.
        if whole && release.is_some_and(|(_, release)| !named.contains(release)) {
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
    Ok(take(stale, txn))
}

/// What takes away all that is written of a policy that has no rollouts any more; its Rollouts stay, to
/// be read, and what was under way is over. How its rollouts stood goes first: whoever wants rollouts
/// anew before all is gone begins from what clusters run.
pub(super) fn forget(
    context: &Reconciler,
    snapshot: &Snapshot,
    (policy, at): (&Policy, &Entry),
) -> Result<Option<Txn>, Error> {
    let uid = &policy.identity.uid;
    let mut txn = Txn::new();
    let why = "its policy has no rollout any more";
    end_all(context, snapshot, policy, why, &mut txn)?;
    let mut stale: Vec<&Entry> = snapshot
        .get(rollout_key(uid)?.as_str())
        .into_iter()
        .collect();
    stale.extend(snapshot.range(&admitted_prefix(uid)));
    stale.extend(snapshot.range(&releases_prefix(uid)));
    take(stale, &mut txn);
    if txn.ops.is_empty() {
        return Ok(None);
    }
    txn.checks.push(Check::At(at.key.clone(), at.revision));
    Ok(Some(txn))
}

/// Adds to `txn` that the Rollouts of a policy that are under way are over, and why.
pub(super) fn end_all(
    context: &Reconciler,
    snapshot: &Snapshot,
    policy: &Policy,
    why: &str,
    txn: &mut Txn,
) -> Result<(), Error> {
    for (_, rollout) in rollouts(snapshot, policy).read {
        if !rollout.status.phase.is_over() {
            end(context, snapshot, policy, (&rollout, why), txn)?;
        }
    }
    Ok(())
}

fn end(
    context: &Reconciler,
    snapshot: &Snapshot,
    policy: &Policy,
    (rollout, why): (&Rollout, &str),
    txn: &mut Txn,
) -> Result<(), Error> {
    let run = Run {
        number: rollout.spec.number,
        name: rollout.metadata.name.clone(),
        target: rollout.spec.release.clone(),
        from: rollout.spec.from.clone(),
        cause: rollout.spec.cause,
        ..Run::default()
    };
    let status = Status {
        phase: Phase::Aborted,
        message: why.to_owned(),
        stage: String::new(),
        ..rollout.status.clone()
    };
    let object = Object::of(snapshot, policy, &run)?;
    object.write(context, policy, (&run, status), txn)?;
    Ok(())
}

/// Whether more is left.
fn take(stale: Vec<&Entry>, txn: &mut Txn) -> bool {
    let more = stale.len() > BATCH_MAX;
    for entry in stale.into_iter().take(BATCH_MAX) {
        txn.checks
            .push(Check::At(entry.key.clone(), entry.revision));
        txn.ops.push(roadstead_store::Op::Delete {
            key: entry.key.clone(),
        });
    }
    more
}
