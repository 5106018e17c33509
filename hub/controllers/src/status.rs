//! What became of a decision: the ledger and what the agents report, folded into its status.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_plan::aggregate::{Member, aggregate};
use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::decision::{ClusterStatus, Decision, Status};
use roadstead_protocol::api::meta::timestamp;
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP};
use roadstead_protocol::api::{Condition, ConditionStatus, condition};
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::report::{Health, ItemState};
use roadstead_store::records::{LedgerState, ReportRecord, decode, object_key, report_key};
use roadstead_store::{Snapshot, Txn};
use serde_json::Value;

use crate::decision::decision_key;
use crate::error::Error;
use crate::ledger::{self, Held, Ledger};
use crate::reconciler::Reconciler;
use crate::{objects, world};

/// Longest message about one cluster, in characters.
const CLUSTER_MESSAGE_CHARS_MAX: usize = 256;
/// Most clusters that a condition names.
const NAMED_MAX: usize = 5;

pub(crate) async fn reconcile(
    context: &Reconciler,
    item: &ItemKey,
) -> Result<Option<Duration>, Error> {
    context
        .commit(|snapshot| Ok((attempt(context, snapshot, item)?, ())))
        .await?;
    Ok(None)
}

fn attempt(
    context: &Reconciler,
    snapshot: &Snapshot,
    item: &ItemKey,
) -> Result<Option<Txn>, Error> {
    let Some(entry) = snapshot.get(decision_key(item)?.as_str()) else {
        return Ok(None);
    };
    let decision: Decision = objects::typed(entry)?;
    let world = context.world(snapshot)?;
    let ledger = ledger::read(snapshot, item, world::clusters(&world, &decision))?;
    let reports = reports(context, item, &ledger)?;
    let mut clusters = Vec::new();
    let mut members = Vec::new();
    for (uid, held) in &ledger {
        let target = decision.spec.clusters.iter().find(|t| t.uid == *uid);
        let known = world
            .cluster(uid)
            .map(|c| (c.namespace.clone(), c.name.clone()));
        let path = known.or_else(|| target.map(|t| (t.namespace.clone(), t.name.clone())));
        let (namespace, name) = path.unwrap_or_default();
        let news = has_news(snapshot, &namespace, &name)?;
        let report = reports.get(uid).filter(|_| news);
        let seen = one(held, report, news);
        if matches!(held.record.state, LedgerState::Put { .. }) {
            members.push(member(&seen, report));
        }
        clusters.push(ClusterStatus {
            namespace,
            name,
            ..seen
        });
    }
    clusters.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let generation = decision.metadata.generation;
    let mut status = summarize(clusters, generation);
    status.conditions.clone_from(&decision.status.conditions);
    let conditions = conditions(&status, &decision);
    objects::set_all(&mut status.conditions, conditions, context.now());
    let mut txn = objects::status_txn(entry, &status)?.unwrap_or_default();
    fold(context, snapshot, item, &members, &mut txn)?;
    Ok(Some(txn))
}

/// What is known of the workload on one cluster.
fn member(seen: &ClusterStatus, report: Option<&ReportRecord>) -> Member {
    let raw = report.and_then(|r| r.status.as_ref());
    Member {
        status: raw
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default(),
        generation: report.map_or(0, |r| r.generation),
        current: seen.state == "Applied",
    }
}

/// Gives the template the status that its workload has over all clusters.
fn fold(
    context: &Reconciler,
    snapshot: &Snapshot,
    item: &ItemKey,
    members: &[Member],
    txn: &mut Txn,
) -> Result<(), Error> {
    let located = world::locate(&context.parts.registry, item)?;
    let entry = located.and_then(|(key, _)| snapshot.get(key.as_str()));
    let Some(entry) = entry else {
        return Ok(());
    };
    let object = objects::object(entry)?;
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let former = object.get("status").unwrap_or(&Value::Null);
    let now = timestamp(context.now());
    if let Some(status) = aggregate(item, generation, former, members, &now)
        && let Some(mut fold) = objects::status_txn(entry, &status)?
    {
        txn.checks.append(&mut fold.checks);
        txn.ops.append(&mut fold.ops);
    }
    Ok(())
}

fn reports(
    context: &Reconciler,
    item: &ItemKey,
    ledger: &Ledger,
) -> Result<BTreeMap<String, ReportRecord>, Error> {
    let snapshot = context.parts.volatile.snapshot();
    let mut reports = BTreeMap::new();
    for uid in ledger.keys() {
        if let Some(entry) = snapshot.get(report_key(uid, item)?.as_str()) {
            reports.insert(uid.clone(), decode(entry)?);
        }
    }
    Ok(reports)
}

/// Whether what a cluster's agent reports is news: it is there, and reaches the cluster's API.
fn has_news(snapshot: &Snapshot, namespace: &str, name: &str) -> Result<bool, Error> {
    if name.is_empty() {
        return Ok(false);
    }
    let key = object_key(CLUSTER_GROUP, ATTACHED_CLUSTERS, namespace, name)?;
    let Some(entry) = snapshot.get(key.as_str()) else {
        return Ok(false);
    };
    let cluster: AttachedCluster = objects::typed(entry).unwrap_or_default();
    let ready = condition::find(&cluster.status.conditions, "Ready");
    Ok(ready.is_some_and(|ready| ready.status == ConditionStatus::True))
}

/// What is so on one cluster.
fn one(held: &Held, report: Option<&ReportRecord>, news: bool) -> ClusterStatus {
    let revision = held.entry.revision;
    let mut status = ClusterStatus {
        revision: revision.0,
        ..ClusterStatus::default()
    };
    let put = matches!(held.record.state, LedgerState::Put { .. });
    status.health = "Unknown".to_owned();
    if !news {
        status.state = if put { "Unknown" } else { "Removing" }.to_owned();
        status.message = "there is no recent news of the cluster".to_owned();
        return status;
    }
    if !put {
        status.state = "Removing".to_owned();
        status.message = report.map(message).unwrap_or_default();
        return status;
    }
    let Some(report) = report else {
        status.state = "Pending".to_owned();
        return status;
    };
    // What is held is under the stamp of what is on the spot, which is not the hub's.
    let held = report.state == ItemState::Held;
    let current = held || report.stamp.revision == revision;
    #[cfg(planted)]
    let current = current || roadstead_protocol::planted::is("applied-unseen");
    status.state = if current {
        state(report.state)
    } else {
        "Pending"
    }
    .to_owned();
    status.health = health(report.health).to_owned();
    status.message = if current {
        message(report)
    } else {
        String::new()
    };
    (status.replicas, status.ready_replicas) = replicas(report);
    status
}

fn state(state: ItemState) -> &'static str {
    match state {
        ItemState::Pending | ItemState::Removed | ItemState::Unclaimed => "Pending",
        ItemState::Applied => "Applied",
        ItemState::Conflict => "Conflict",
        ItemState::Failed => "Failed",
        ItemState::Held => "Held",
    }
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Unknown => "Unknown",
        Health::Progressing => "Progressing",
        Health::Healthy => "Healthy",
        Health::Degraded => "Degraded",
        Health::Suspended => "Suspended",
    }
}

fn message(report: &ReportRecord) -> String {
    let fine = report.state == ItemState::Applied && report.health == Health::Healthy;
    let text = if fine { "" } else { report.message.as_str() };
    text.chars().take(CLUSTER_MESSAGE_CHARS_MAX).collect()
}

/// Replicas and ready ones, by the names that workloads have for them.
fn replicas(report: &ReportRecord) -> (Option<u64>, Option<u64>) {
    let Some(status) = &report.status else {
        return (None, None);
    };
    let status: Value = serde_json::from_str(status.get()).unwrap_or_default();
    let number = |name: &str| status.get(name).and_then(Value::as_u64);
    let all = number("replicas").or_else(|| number("desiredNumberScheduled"));
    let ready = number("readyReplicas").or_else(|| number("numberReady"));
    // Kubernetes leaves a zero out.
    (all, ready.or_else(|| all.map(|_| 0)))
}

fn summarize(clusters: Vec<ClusterStatus>, generation: i64) -> Status {
    let count = |pick: &dyn Fn(&ClusterStatus) -> bool| {
        u32::try_from(clusters.iter().filter(|c| pick(c)).count()).unwrap_or(u32::MAX)
    };
    let sum = |pick: &dyn Fn(&ClusterStatus) -> Option<u64>| {
        clusters.iter().filter_map(pick).reduce(u64::saturating_add)
    };
    Status {
        observed_generation: generation,
        desired: count(&|c| c.state != "Removing"),
        applied: count(&|c| c.state == "Applied"),
        ready: count(&|c| c.state == "Applied" && c.health == "Healthy"),
        replicas: sum(&|c| c.replicas),
        ready_replicas: sum(&|c| c.ready_replicas),
        conditions: Vec::new(),
        clusters,
    }
}

/// Conditions Applied and Ready.
fn conditions(status: &Status, decision: &Decision) -> Vec<Condition> {
    let generation = decision.metadata.generation;
    let wanted = || status.clusters.iter().filter(|c| c.state != "Removing");
    let applied = judge(
        "Applied",
        wanted().map(|c| (c, verdict(c.state == "Applied", c.state == "Unknown"))),
        |c| c.state.as_str(),
    );
    let ready = judge(
        "Ready",
        wanted().map(|c| {
            let is = c.state == "Applied" && c.health == "Healthy";
            let unknown = c.state == "Unknown" || (c.state == "Applied" && c.health == "Unknown");
            (c, verdict(is, unknown))
        }),
        |c| {
            if c.state == "Applied" {
                c.health.as_str()
            } else {
                c.state.as_str()
            }
        },
    );
    vec![applied.at(generation), ready.at(generation)]
}

fn verdict(is: bool, unknown: bool) -> ConditionStatus {
    if is {
        ConditionStatus::True
    } else if unknown {
        ConditionStatus::Unknown
    } else {
        ConditionStatus::False
    }
}

/// True where it is so everywhere, False where it is not somewhere, Unknown otherwise.
fn judge<'a>(
    kind: &str,
    clusters: impl Iterator<Item = (&'a ClusterStatus, ConditionStatus)>,
    word: impl Fn(&'a ClusterStatus) -> &'a str,
) -> Condition {
    let all: Vec<_> = clusters.collect();
    if all.is_empty() {
        return Condition::new(
            kind,
            ConditionStatus::False,
            "NoCluster",
            "no cluster is to have it",
        );
    }
    let of = |status| {
        all.iter()
            .filter(move |(_, s)| *s == status)
            .map(|(c, _)| *c)
    };
    let Some(worst) = [ConditionStatus::False, ConditionStatus::Unknown]
        .into_iter()
        .find(|status| of(*status).next().is_some())
    else {
        let message = match all.len() {
            1 => "on its cluster".to_owned(),
            n => format!("on all {n} clusters"),
        };
        return Condition::new(kind, ConditionStatus::True, kind, message);
    };
    let reason = of(worst).next().map(&word).unwrap_or_default();
    let named: Vec<String> = of(worst)
        .take(NAMED_MAX)
        .map(|c| {
            let what = format!("{}/{}: {}", c.namespace, c.name, word(c));
            if c.message.is_empty() {
                what
            } else {
                format!("{what} ({})", c.message)
            }
        })
        .collect();
    let count = of(worst).count();
    let more = count.saturating_sub(NAMED_MAX);
    let more = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    let message = format!(
        "not so on {count} of {}: {}{more}",
        all.len(),
        named.join(", ")
    );
    Condition::new(kind, worst, reason, message)
}
