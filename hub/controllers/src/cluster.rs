//! A cluster's conditions: who is alive, and what the agents say about their clusters.

use std::time::Duration;

use roadstead_protocol::api::cluster::{AttachedCluster, Status};
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP};
use roadstead_protocol::api::{Condition, ConditionStatus, Facts, condition, meta};
use roadstead_store::records::{Liveness, decode, facts_key, liveness_key, object_key};
use roadstead_store::{CommitError, Snapshot, Txn};

use crate::copies::Copy;
use crate::displaced;
use crate::error::Error;
use crate::events;
use crate::holds::Seen;
use crate::hosting::Hosting;
use crate::objects;
use crate::reconciler::{Reconciler, instant};
use crate::room;
use crate::shown;
use crate::work::Name;

/// Reason of condition Ready while nothing is heard of a cluster's agent.
const SILENT: &str = "AgentSilent";
/// Most group versions that a cluster's status lists.
const API_GROUPS_MAX: usize = 500;

pub(crate) async fn reconcile(
    context: &Reconciler,
    name: &Name,
) -> Result<Option<Duration>, Error> {
    let mut unsaid = Txn::new();
    let (again, shaped) = context
        .commit(|snapshot| {
            unsaid = Txn::new();
            attempt(context, snapshot, name, &mut unsaid)
        })
        .await?;
    if let Some(uid) = shaped {
        context.room.wrote(&uid, instant());
    }
    if !unsaid.ops.is_empty() {
        // Where the agent says something meanwhile, that wakes this again.
        match context.parts.volatile.commit(unsaid).await {
            Ok(_) | Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(again)
}

/// When it is to be looked at again, and the cluster's UID where its nodes' shapes are written.
type Outcome = (Option<Duration>, Option<String>);

fn attempt(
    context: &Reconciler,
    snapshot: &Snapshot,
    name: &Name,
    unsaid: &mut Txn,
) -> Result<(Option<Txn>, Outcome), Error> {
    let (group, plural) = (CLUSTER_GROUP, ATTACHED_CLUSTERS);
    let key = object_key(group, plural, &name.namespace, &name.name)?;
    let Some(entry) = snapshot.get(key.as_str()) else {
        return Ok((None, (None, None)));
    };
    let cluster: AttachedCluster = objects::typed(entry)?;
    let uid = &cluster.metadata.uid;
    let volatile = context.parts.volatile.snapshot();
    let liveness: Option<Liveness> = volatile
        .get(liveness_key(uid)?.as_str())
        .map(decode)
        .transpose()?;
    let facts: Option<Facts> = volatile
        .get(facts_key(uid)?.as_str())
        .and_then(|entry| serde_json::from_slice(&entry.value).ok());
    let mut status = cluster.status.clone();
    let (ready, again) = ready(context, &cluster, liveness.as_ref(), facts.as_ref());
    let hosting = Hosting::read(&volatile, &cluster)?;
    let (ready, again) = hosting
        .ready()
        .map_or((ready, again), |ready| (ready, None));
    let hosted = hosting.condition(&mut status.conditions);
    describe(&mut status, facts.as_ref(), liveness.as_ref());
    let lineage = context.parts.store.lineage();
    let seen = Seen::read(
        (snapshot, &volatile),
        &cluster,
        liveness.as_ref(),
        &lineage,
        context.now(),
    )?;
    let (waiting, sooner) = seen.conditions();
    let copy = Copy::read(&volatile, uid)?.condition(&mut status.conditions, context.now());
    let (copied, over) = copy.unzip();
    let displaced = displaced::conditions(snapshot, &cluster, &mut status.conditions)?;
    let silent = ready.reason == SILENT;
    let (failed_over, look) =
        (context.failovers).condition((uid, silent), context.uptime(), &mut status.conditions);
    let again = [again, sooner, over, look].into_iter().flatten().min();
    let generation = cluster.metadata.generation;
    status.observed_generation = generation;
    let new = std::iter::once(ready)
        .chain(waiting)
        .chain(hosted)
        .chain(copied)
        .chain(displaced)
        .chain(failed_over);
    let turned = objects::set_all(
        &mut status.conditions,
        new.map(|condition| condition.at(generation)).collect(),
        context.now(),
    );
    let now_ready = condition::find(&status.conditions, "Ready");
    status.ready = now_ready.is_some_and(|c| c.status == ConditionStatus::True);
    let free = hold_free(context, &cluster, name, &mut status);
    let again = again.into_iter().chain(free).min();
    let shaped = (status.node_shapes != cluster.status.node_shapes).then(|| uid.clone());
    if shaped.is_some() {
        status.node_shapes_generation = status.node_shapes_generation.saturating_add(1);
    }
    let mut txn = objects::status_txn(entry, &status)?;
    if let Some(txn) = &mut txn {
        let told = events::of_turns(&turned);
        events::add(context, snapshot, &objects::object(entry)?, told, txn)?;
    }
    remember((snapshot, &volatile), &seen, &mut txn, unsaid)?;
    Ok((txn, (again, shaped)))
}

/// Leaves a status as it is where nothing but what is free is new and that may wait; for how long.
fn hold_free(
    context: &Reconciler,
    cluster: &AttachedCluster,
    name: &Name,
    status: &mut Status,
) -> Option<Duration> {
    let shapes = &cluster.status.node_shapes;
    if status.node_shapes == *shapes || !room::same_nodes(&status.node_shapes, shapes) {
        return None;
    }
    let without = Status {
        node_shapes: shapes.clone(),
        ..status.clone()
    };
    if without != cluster.status {
        return None;
    }
    let uid = &cluster.metadata.uid;
    let left = context.room.hold((uid, name), instant())?;
    *status = without;
    Some(left)
}

/// Remembers what waits, in `txn`, and finds what is to be forgotten.
fn remember(
    (durable, volatile): (&Snapshot, &Snapshot),
    seen: &Seen<'_>,
    txn: &mut Option<Txn>,
    unsaid: &mut Txn,
) -> Result<(), Error> {
    let uid = &seen.cluster.metadata.uid;
    if let Some((check, op)) = shown::remember(durable, uid, seen.holds())? {
        let txn = txn.get_or_insert_default();
        txn.checks.push(check);
        txn.ops.push(op);
    }
    if seen.is_complete() {
        *unsaid = shown::unsaid(volatile, uid, seen.holds().map(|(item, _)| item))?;
    }
    Ok(())
}

/// Condition Ready, and after which time it may turn without anything else changing.
fn ready(
    context: &Reconciler,
    cluster: &AttachedCluster,
    liveness: Option<&Liveness>,
    facts: Option<&Facts>,
) -> (Condition, Option<Duration>) {
    let was = condition::find(&cluster.status.conditions, "Ready");
    let connected = liveness.is_some_and(|l| l.connected);
    let away = context.away(&cluster.metadata.uid, connected, liveness.is_some());
    let Some(away) = away else {
        return (said(facts, was), None);
    };
    let joined = liveness.is_some() || was.is_some_and(|c| c.reason != "NotJoined");
    if !joined {
        let message = match cluster.spec.kubeconfig {
            None => "no agent has joined yet; `roadstead join` prints the command to run there",
            Some(_) => "the hub is about to look after it by its kubeconfig",
        };
        return (unknown("NotJoined", message), None);
    }
    let left = (context.parts.options.grace)
        .saturating_sub(away)
        .saturating_sub(silence(liveness));
    #[cfg(planted)]
    let left = if roadstead_protocol::planted::is("ready-for-ever") {
        context.parts.options.grace
    } else {
        left
    };
    match was {
        Some(was) if !left.is_zero() && was.status != ConditionStatus::Unknown => {
            (was.clone(), Some(left))
        }
        Some(_) | None => {
            let message = match liveness {
                Some(l) => format!(
                    "its agent was last heard of at {}",
                    meta::timestamp(l.last_heard)
                ),
                None => "its agent has not called since the hub started".to_owned(),
            };
            (unknown(SILENT, message), None)
        }
    }
}

/// For how long nothing had been heard of an agent when its session ended. Both times are of one
/// reading of the clock, so a clock that jumps changes nothing.
fn silence(liveness: Option<&Liveness>) -> Duration {
    let gone = liveness.filter(|l| !l.connected);
    let silence = gone.map(|l| l.since.duration_since(l.last_heard));
    silence
        .and_then(|silence| Duration::try_from(silence).ok())
        .unwrap_or_default()
}

/// What a connected agent says.
fn said(facts: Option<&Facts>, was: Option<&Condition>) -> Condition {
    let Some(facts) = facts else {
        return match was {
            Some(was) if was.status != ConditionStatus::Unknown => was.clone(),
            Some(_) | None => unknown("Connecting", "its agent is connected and looks around"),
        };
    };
    match &facts.problem {
        Some(problem) => {
            let reason = if problem.reason.is_empty() {
                "AgentReports"
            } else {
                &problem.reason
            };
            Condition::new("Ready", ConditionStatus::False, reason, &problem.message)
        }
        None => {
            let message = "its agent is connected and reaches the cluster's API";
            Condition::new("Ready", ConditionStatus::True, "AgentConnected", message)
        }
    }
}

fn unknown(reason: &str, message: impl Into<String>) -> Condition {
    Condition::new("Ready", ConditionStatus::Unknown, reason, message)
}

/// Writes down what is known of a cluster and of its agent.
fn describe(status: &mut Status, facts: Option<&Facts>, liveness: Option<&Liveness>) {
    if let Some(liveness) = liveness {
        status.agent_release.clone_from(&liveness.release);
        let heard = (!liveness.connected).then(|| meta::timestamp(liveness.last_heard));
        status.last_heard_time = heard;
    }
    let Some(facts) = facts.filter(|facts| !facts.version.is_empty()) else {
        return;
    };
    status.version.clone_from(&facts.version);
    status.nodes = Some(facts.nodes);
    status.ready_nodes = Some(facts.ready_nodes);
    status.capacity.clone_from(&facts.capacity);
    status.allocatable.clone_from(&facts.allocatable);
    status.node_shapes.clone_from(&facts.shapes);
    status.api_groups = facts
        .api_groups
        .iter()
        .take(API_GROUPS_MAX)
        .cloned()
        .collect();
}
