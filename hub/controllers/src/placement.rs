//! Carries out the plan for one template: its Decision, its ledger entries, contents and tombstones,
//! in one transaction that asserts what the decision was made from.

mod placed;
mod read;
mod write;

use std::sync::Arc;
use std::time::Duration;

use roadstead_plan::deps::requirers::REQUIRED;
use roadstead_plan::why::{Explanation, why};
use roadstead_plan::{Placement, Review, Template, World, place};
use roadstead_protocol::api::decision::ClusterStatus;
use roadstead_protocol::api::failover::FailedOver;
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{LEDGER_PREFIX, LedgerEntry, LedgerState};
use roadstead_store::{Check, Op, Snapshot, Txn};

use self::read::assert_read;
use self::write::write_decision;
use crate::error::Error;
use crate::ledger::{self, Writing};
use crate::metrics::Moved;
use crate::reconciler::Reconciler;
use crate::{approvals, around, budgets, decision, failovers, groups, objects, pledges, rollout};

pub(crate) use self::placed::{REMOVING, cut, placed_of};
pub(crate) use self::read::{Read, read};
pub(crate) use self::write::home;

pub(crate) async fn reconcile(
    context: &Reconciler,
    item: &ItemKey,
) -> Result<Option<Duration>, Error> {
    let began = context.uptime();
    let (after, moved) = context
        .commit(|snapshot| {
            let mut after = After::default();
            let txn = decide(context, snapshot, item, &mut after)?;
            let moved = txn.as_ref().filter(|txn| !txn.ops.is_empty()).map(moves);
            Ok((txn, (after, moved)))
        })
        .await?;
    let After { again, failed_over } = after;
    context.failovers.note(item, &failed_over);
    if let Some(moved) = moved {
        let took = context.uptime().saturating_sub(began);
        context.parts.options.metrics.decided(took, moved);
    }
    Ok(again)
}

/// What a transaction gives to clusters that had nothing, and takes from others.
fn moves(txn: &Txn) -> Moved {
    let mut moved = Moved::default();
    for op in &txn.ops {
        let Op::Put { key, value } = op else { continue };
        if !key.as_str().starts_with(LEDGER_PREFIX) {
            continue;
        }
        let Ok(entry) = serde_json::from_slice::<LedgerEntry>(value) else {
            continue;
        };
        match entry.state {
            LedgerState::Tombstone => moved.taken += 1,
            LedgerState::Put { .. } if txn.checks.contains(&Check::Absent(key.clone())) => {
                moved.given += 1;
            }
            LedgerState::Put { .. } => {}
        }
    }
    moved
}

/// What follows from a decision that was written.
#[derive(Default)]
struct After {
    /// After which time it is another one without anything else changing.
    again: Option<Duration>,
    /// The clusters that it was failed over from.
    failed_over: Vec<FailedOver>,
}

/// One decision, and what follows from it once it is written.
fn decide(
    context: &Reconciler,
    snapshot: &Snapshot,
    item: &ItemKey,
    after: &mut After,
) -> Result<Option<Txn>, Error> {
    let world = context.world(snapshot)?;
    let read = read(context, snapshot, &world, item)?;
    let Thought {
        template,
        placement,
        review,
    } = think(context, (snapshot, &world), &read)?;
    let mut txn = Txn::new();
    if let Some(review) = review {
        approvals::keep(snapshot, &placement, &review, &mut txn)?;
    }
    after.again = placement.again;
    after.failed_over.clone_from(&placement.failed_over);
    if nothing(&placement) && read.ledger.is_empty() {
        link((snapshot, &world), &read, &placement, &mut txn)?;
        if let Some(entry) = &read.decision_entry {
            let check = Check::At(entry.key.clone(), entry.revision);
            txn = txn.check(check).delete(entry.key.clone());
        }
        return Ok(Some(txn));
    }
    let writing = Writing {
        item,
        decision: decision::decision_ref(item),
        template_uid: template.metadata().uid,
        ledger: &read.ledger,
        answers: &read.answers,
    };
    ledger::write(&writing, &placement, &mut txn)?;
    // What a user removed from a cluster by hand, and no template ever was, has no Decision.
    let decided = template.object.is_some() || read.decision_entry.is_some();
    if decided || !nothing(&placement) {
        write_decision(context, snapshot, &read, &template, &placement, &mut txn)?;
    }
    link((snapshot, &world), &read, &placement, &mut txn)?;
    if !txn.ops.is_empty() {
        assert_read(snapshot, &world, &read, &placement, &mut txn)?;
        rollout::waves::assert(snapshot, &template.rollout, &mut txn)?;
        pledges::take_turns(snapshot, &world, &placement, &mut txn)?;
        budgets::take_turns(snapshot, &placement, &mut txn)?;
        groups::tell(snapshot, item, (&read.decision.spec, &placement), &mut txn)?;
    }
    Ok(Some(txn))
}

/// What is to be done about a template, and what that was thought about.
struct Thought<'a> {
    template: Template<'a>,
    placement: Placement,
    /// Where edits remove something.
    review: Option<Arc<Review>>,
}

fn think<'a>(
    context: &Reconciler,
    (snapshot, world): (&Snapshot, &World),
    read: &'a Read,
) -> Result<Thought<'a>, Error> {
    let mut template = read.template(context, snapshot, world)?;
    let mut placement = place(world, &template, None);
    if placement.watches {
        template.observed = read.observed(context, world)?;
        template.failing = context.failovers.of(&template, context.uptime());
        placement = place(world, &template, None);
        placement = failovers::decide(context, world, &mut template, placement);
    } else {
        context.failovers.forget(&template.key);
    }
    if placement.asks && !context.unbounded {
        if template.observed.is_empty() {
            // What its budget holds back goes by that too.
            template.observed = read.observed(context, world)?;
        }
        template.budget = Some(read.standing((context, snapshot), world, &placement)?);
        placement = place(world, &template, None);
    }
    let mut review = None;
    if placement.needs_review {
        let found = context.review(snapshot, world)?;
        placement = place(world, &template, Some(&found));
        review = Some(found);
    }
    Ok(Thought {
        template,
        placement,
        review,
    })
}

/// Explains where a template is, and what became of it there, by the status of its Decision; `None` of
/// what is neither there nor anywhere.
pub(crate) fn explain(
    context: &Reconciler,
    snapshot: &Snapshot,
    item: &ItemKey,
) -> Result<Option<(Explanation, Vec<ClusterStatus>)>, Error> {
    let world = context.world(snapshot)?;
    let read = read(context, snapshot, &world, item)?;
    if read.object.is_none() && read.decision_entry.is_none() {
        return Ok(None);
    }
    let thought = think(context, (snapshot, &world), &read)?;
    let explanation = why(&world, &thought.template, &thought.placement);
    Ok(Some((explanation, read.decision.status.clusters.clone())))
}

/// Adds to `txn` the keys that lead from and to what belongs to the template.
fn link(
    (snapshot, world): (&Snapshot, &World),
    read: &Read,
    placement: &Placement,
    txn: &mut Txn,
) -> Result<(), Error> {
    let uid = (read.object.as_ref()).map(|object| objects::text(object, "/metadata/uid"));
    // Of what is gone the record of its deletion still speaks.
    let uid = uid.unwrap_or(&read.decision.spec.template.uid);
    let links = (uid, &read.decision.spec, placement);
    around::link(snapshot, &read.item, &read.around, links, txn)?;
    let given = placement.targets.iter().flat_map(|t| &t.policies);
    let had = read.ledger.values().flat_map(|held| &held.record.policies);
    let required = given.chain(had).any(|uid| uid == REQUIRED);
    let requirers = (read.around.requirers.as_slice(), required);
    around::unlink(snapshot, world, &read.item, requirers, txn)
}

#[cfg(test)]
pub(crate) fn attempt(
    context: &Reconciler,
    snapshot: &Snapshot,
    item: &ItemKey,
) -> Result<Option<Txn>, Error> {
    decide(context, snapshot, item, &mut After::default())
}

fn nothing(placement: &Placement) -> bool {
    placement.policy.is_none()
        && placement.targets.is_empty()
        && placement.kept.is_empty()
        && placement.removals.is_empty()
        && placement.forgotten.is_empty()
}
