//! What users confirmed on policies, kept from the first removal that it let go until all are done:
//! a hub that stops halfway goes on where it was.

use roadstead_plan::{Approvals, Approved, Placement, Review, World};
use roadstead_protocol::api::names::CONFIRM_REMOVAL_ANNOTATION;
use roadstead_store::records::{
    APPROVALS_PREFIX, APPROVED_MAX, ApprovalRecord, approval_key, decode, encode,
};
use roadstead_store::{Check, Entry, Op, Snapshot, Txn};

use crate::error::Error;

/// What is being carried out.
pub(crate) fn read(snapshot: &Snapshot) -> Result<Approvals, Error> {
    let mut approvals = Approvals::new();
    for entry in snapshot.range(APPROVALS_PREFIX) {
        let record: ApprovalRecord = decode(entry)?;
        if let Some(uid) = entry.key.as_str().strip_prefix(APPROVALS_PREFIX) {
            let losses = record.losses.into_iter().collect();
            let approved = Approved {
                token: record.token,
                losses,
            };
            approvals.insert(uid.to_owned(), approved);
        }
    }
    Ok(approvals)
}

/// Adds to `txn` the record of what lets `placement` remove something, where it is not kept yet.
pub(crate) fn keep(
    snapshot: &Snapshot,
    placement: &Placement,
    review: &Review,
    txn: &mut Txn,
) -> Result<(), Error> {
    for uid in &placement.confirmed_by {
        let Some(approved) = review.approvals().get(uid) else {
            continue;
        };
        let key = approval_key(uid)?;
        let there = snapshot.get(key.as_str());
        let former: Option<ApprovalRecord> = there.map(decode).transpose()?;
        let known = former.is_some_and(|former| former.token == approved.token);
        if known || approved.losses.len() > APPROVED_MAX {
            continue;
        }
        let record = ApprovalRecord {
            token: approved.token.clone(),
            losses: approved.losses.iter().cloned().collect(),
        };
        txn.checks.push(Check::as_read(&key, there));
        let value = encode(&record)?;
        txn.ops.push(Op::Put { key, value });
    }
    Ok(())
}

/// The records of what is done, or was taken back.
pub(crate) fn done<'s>(
    snapshot: &'s Snapshot,
    world: &World,
    review: &Review,
) -> Result<Vec<&'s Entry>, Error> {
    let mut stale = Vec::new();
    for entry in snapshot.range(APPROVALS_PREFIX) {
        let record: ApprovalRecord = decode(entry)?;
        let uid = entry.key.as_str().strip_prefix(APPROVALS_PREFIX);
        let policy = uid.and_then(|uid| world.policy(uid));
        let borne = policy.and_then(|policy| {
            let annotations = &policy.identity.annotations;
            annotations.get(CONFIRM_REMOVAL_ANNOTATION)
        });
        let same = borne.is_some_and(|borne| borne.trim() == record.token);
        if !same || uid.is_none_or(|uid| review.waiting(uid).is_none()) {
            stale.push(entry);
        }
    }
    Ok(stale)
}
