//! What is known of an item on each cluster that was given it: the ledger says what it was given, the
//! report what its agent saw, and the cluster whether that is still news.
//!
//! Here is read and put together; what follows from it is said elsewhere.

use std::collections::BTreeMap;

use roadstead_plan::World;
use roadstead_plan::interpreter::Interpreter;
use roadstead_plan::observed::{Observed, State};
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::report::{Health, ItemState};
use roadstead_store::Snapshot;
use roadstead_store::records::{LedgerState, ReportRecord, content_key, decode, report_key};
use serde_json::Value;

use crate::error::Error;
use crate::ledger::{Held, Ledger};

/// Longest message about one cluster, in characters.
const MESSAGE_CHARS_MAX: usize = 256;

/// What is known of `item` on every cluster of its `ledger`, by their UIDs: from what is durable and, in
/// `news`, from what is not.
///
/// # Errors
/// Where a report in the store is damaged.
pub(crate) fn of(
    (snapshot, news): (&Snapshot, &Snapshot),
    world: &World,
    item: &ItemKey,
    ledger: &Ledger,
) -> Result<BTreeMap<String, Observed>, Error> {
    let mut all = BTreeMap::new();
    for (uid, held) in ledger {
        // Of a cluster that is not ready nothing is news, however its last report reads.
        let ready = world.cluster(uid).and_then(|cluster| cluster.ready);
        let told = world.interpreter(item);
        let seen = on(
            (snapshot, news),
            told,
            (uid, item, held),
            ready == Some(true),
        )?;
        all.insert(uid.clone(), seen);
    }
    Ok(all)
}

/// What is known of `item`, whose kind people may have told something of, on the cluster of the UID `uid`
/// which has it as `held` says. `ready` is whether what its agent says is news.
pub(crate) fn on(
    (snapshot, news): (&Snapshot, &Snapshot),
    told: Option<&Interpreter>,
    (uid, item, held): (&str, &ItemKey, &Held),
    ready: bool,
) -> Result<Observed, Error> {
    let entry = match ready {
        true => news.get(report_key(uid, item)?.as_str()),
        false => None,
    };
    let report = entry.map(decode::<ReportRecord>).transpose()?;
    let mut seen = one(held, report.as_ref(), ready);
    if let (Some(told), Some(report)) = (told, &report) {
        judge(snapshot, told, (held, report), &mut seen)?;
    }
    Ok(seen)
}

/// Lets the interpreter of its kind say how an object is. What the member's API refuses, or is on its
/// way, is said as before.
fn judge(
    snapshot: &Snapshot,
    told: &Interpreter,
    (held, report): (&Held, &ReportRecord),
    seen: &mut Observed,
) -> Result<(), Error> {
    let LedgerState::Put { digest, .. } = held.record.state else {
        return Ok(());
    };
    if !told.judges() || !seen.applied {
        return Ok(());
    }
    let content = snapshot.get(content_key(&digest)?.as_str());
    let given: Option<Value> = content.and_then(|c| serde_json::from_slice(&c.value).ok());
    let Some(given) = given else { return Ok(()) };
    if let Some((health, why)) = told.health(&given, &seen.status, report.generation) {
        seen.health = health;
        seen.judged = true;
        let why = Some(why).filter(|why| !why.is_empty());
        let words = why.unwrap_or_else(|| message(report, health));
        seen.message = cut(&words);
    }
    Ok(())
}

/// What is so on one cluster.
fn one(held: &Held, report: Option<&ReportRecord>, news: bool) -> Observed {
    let put = matches!(held.record.state, LedgerState::Put { .. });
    if !news {
        return Observed {
            state: if put { State::Unknown } else { State::Removing },
            message: "there is no recent news of the cluster".to_owned(),
            ..Observed::default()
        };
    }
    let here = Observed {
        away: false,
        state: if put { State::Pending } else { State::Removing },
        ..Observed::default()
    };
    let Some(report) = report else {
        return here;
    };
    if !put {
        return Observed {
            message: cut(&message(report, report.health)),
            ..here
        };
    }
    // What is held is under the stamp of what is on the spot, which is not the hub's.
    let current = report.state == ItemState::Held || report.stamp.revision == held.entry.revision;
    #[cfg(planted)]
    let current = current || roadstead_protocol::planted::is("applied-unseen");
    let status = status(report);
    let (replicas, ready) = replicas(&status);
    let state = if current {
        state(report.state)
    } else {
        State::Pending
    };
    Observed {
        applied: state == State::Applied,
        state,
        health: report.health,
        message: if current {
            cut(&message(report, report.health))
        } else {
            String::new()
        },
        replicas,
        ready,
        generation: report.generation,
        status,
        ..here
    }
}

fn state(state: ItemState) -> State {
    match state {
        ItemState::Pending | ItemState::Removed | ItemState::Unclaimed => State::Pending,
        ItemState::Applied => State::Applied,
        ItemState::Conflict => State::Conflict,
        ItemState::Failed => State::Failed,
        ItemState::Held => State::Held,
    }
}

fn message(report: &ReportRecord, health: Health) -> String {
    let fine = report.state == ItemState::Applied && health == Health::Healthy;
    if fine {
        String::new()
    } else {
        report.message.clone()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

fn status(report: &ReportRecord) -> Value {
    let raw = report.status.as_ref();
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// Replicas and ready ones, by the names that workloads have for them.
fn replicas(status: &Value) -> (Option<u64>, Option<u64>) {
    let number = |name: &str| status.get(name).and_then(Value::as_u64);
    let all = number("replicas").or_else(|| number("desiredNumberScheduled"));
    let ready = number("readyReplicas").or_else(|| number("numberReady"));
    // Kubernetes leaves a zero out.
    let zero = if status.is_null() {
        None
    } else {
        all.map(|_| 0)
    };
    (all, ready.or(zero))
}
