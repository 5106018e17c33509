//! What a cluster's conditions say while it is drained or fenced: what has still to leave, and what
//! stays because there is no other place for it.
//!
//! Read from the cluster's own ledger and the decisions that it names. Who leaves is the plan's to say.

use roadstead_plan::affinity::Chosen;
use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::decision::{Decision, Target};
use roadstead_protocol::api::{Condition, ConditionStatus};
use roadstead_store::Snapshot;
use roadstead_store::records::{LedgerEntry, LedgerState, decode, ledger_prefix, parse_ledger_key};

use crate::decision::decision_key;
use crate::error::Error;
use crate::objects;

/// The condition of a cluster that is drained.
pub(crate) const DRAINED: &str = "Drained";
/// The condition of a cluster that people declared to be stopped.
pub(crate) const FENCED: &str = "Fenced";
/// Most objects that a condition names.
const NAMED_MAX: usize = 5;

/// What a cluster has that is on its way out, and what stays.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    moving: Vec<String>,
    /// What has no other place.
    staying: Vec<String>,
    /// What is kept as it is for another reason, and for which.
    held: Vec<String>,
}

/// The conditions of a cluster that is drained or fenced; of another, they are taken out of `known`.
pub(crate) fn conditions(
    snapshot: &Snapshot,
    cluster: &AttachedCluster,
    known: &mut Vec<Condition>,
) -> Result<Vec<Condition>, Error> {
    let spec = &cluster.spec;
    known.retain(|c| (c.kind != DRAINED || spec.drain) && (c.kind != FENCED || spec.fenced));
    if !spec.drain && !spec.fenced {
        return Ok(Vec::new());
    }
    let tally = tally(snapshot, &cluster.metadata.uid)?;
    let mut found = Vec::new();
    if spec.drain {
        found.push(drained(&tally));
    }
    if spec.fenced {
        found.push(fenced(&tally));
    }
    Ok(found)
}

fn tally(snapshot: &Snapshot, uid: &str) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    for entry in snapshot.range(&ledger_prefix(uid)) {
        let Some((_, item)) = parse_ledger_key(entry.key.as_str()) else {
            continue;
        };
        let record: LedgerEntry = decode(entry)?;
        let there = snapshot.get(decision_key(&item)?.as_str());
        let decision: Option<Decision> = there.map(objects::typed).transpose()?;
        let clusters = decision.iter().flat_map(|d| &d.spec.clusters);
        let target = clusters.into_iter().find(|target| target.uid == uid);
        let gone = record.state == LedgerState::Tombstone;
        match target.filter(|target| !gone && stays(target)) {
            None => tally.moving.push(item.to_string()),
            Some(target) if target.held => tally.held.push(format!("{item}, {}", target.reason)),
            Some(_) => tally.staying.push(item.to_string()),
        }
    }
    Ok(tally)
}

/// Whether it was decided that what a target has stays though its cluster is drained or fenced.
fn stays(target: &Target) -> bool {
    let decided = [Chosen::Stays, Chosen::Required].map(Chosen::text);
    let kept = target.held && !target.outside;
    kept || (target.extra == 0 && decided.contains(&target.reason.as_str()))
}

fn drained(tally: &Tally) -> Condition {
    if !tally.moving.is_empty() {
        let message = format!(
            "{} to leave: {}",
            objects_of(&tally.moving),
            named(&tally.moving)
        );
        return Condition::new(DRAINED, ConditionStatus::False, "Draining", message);
    }
    let stay = |all: &[String], why: &str| {
        let count = match all.len() {
            0 => return None,
            1 => "1 object stays".to_owned(),
            n => format!("{n} objects stay"),
        };
        Some(format!("{count} on it{why}: {}", named(all)))
    };
    let nowhere = stay(&tally.staying, ", since there is no other place for them");
    let said = nowhere.into_iter().chain(stay(&tally.held, ""));
    let message = match said.collect::<Vec<_>>().join("; ") {
        none if none.is_empty() => "nothing is left on it".to_owned(),
        said => said,
    };
    Condition::new(DRAINED, ConditionStatus::True, DRAINED, message)
}

fn fenced(tally: &Tally) -> Condition {
    let mut message = "people declared that it is stopped: what it has counts no more".to_owned();
    if !tally.moving.is_empty() {
        let (count, named) = (objects_of(&tally.moving), named(&tally.moving));
        message = format!(
            "{message}; {count} to leave once they are healthy elsewhere and it is back: {named}"
        );
    }
    if !tally.staying.is_empty() {
        let named = named(&tally.staying);
        let count = tally.staying.len();
        message = format!("{message}; {count} replaced nowhere: {named}");
    }
    if !tally.held.is_empty() {
        let (count, named) = (tally.held.len(), named(&tally.held));
        message = format!("{message}; {count} stay: {named}");
    }
    message.push_str("; `roadstead fence --lift` ends it");
    Condition::new(FENCED, ConditionStatus::True, FENCED, message)
}

fn objects_of(all: &[String]) -> String {
    match all.len() {
        1 => "1 object is".to_owned(),
        n => format!("{n} objects are"),
    }
}

fn named(all: &[String]) -> String {
    let some: Vec<&str> = all.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = if all.len() > NAMED_MAX { ", …" } else { "" };
    format!("{}{more}", some.join(", "))
}
