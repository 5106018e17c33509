//! What became of a decision: the ledger and what the agents report, folded into its status.

use std::collections::BTreeMap;
use std::time::Duration;

use roadstead_plan::World;
use roadstead_plan::aggregate::{Subject, aggregate};
use roadstead_plan::observed::{Observed, health_text};
use roadstead_protocol::api::decision::{ClusterStatus, Decision, Status, Target};
use roadstead_protocol::api::meta::timestamp;
use roadstead_protocol::api::{Condition, ConditionStatus};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::LedgerState;
use roadstead_store::{Snapshot, Txn};
use serde_json::Value;

use crate::counted::Counting;
use crate::decision::decision_key;
use crate::error::Error;
use crate::ledger::Held;
use crate::reconciler::Reconciler;
use crate::{objects, observed, world};

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
    let ledger = (context.given).read(snapshot, &world, item, &decision)?;
    let news = context.parts.volatile.snapshot();
    let mut seen = observed::of((snapshot, &news), &world, item, &ledger)?;
    let counting = Counting::new(&world, &decision);
    let mut clusters = Vec::new();
    let mut members = Vec::new();
    let targets = decision.spec.clusters.iter().map(|t| (t.uid.as_str(), t));
    let targets: BTreeMap<&str, &Target> = targets.collect();
    for (uid, held) in &ledger {
        let target = targets.get(uid.as_str());
        let known = world
            .cluster(uid)
            .map(|c| (c.namespace.clone(), c.name.clone()));
        let path = known.or_else(|| target.map(|t| (t.namespace.clone(), t.name.clone())));
        let seen = seen.remove(uid).unwrap_or_default();
        let path = path.unwrap_or_default();
        let counted = counting.note(uid, &path, seen.replicas);
        clusters.push(ClusterStatus {
            counted,
            ..told(path, held, &seen)
        });
        if matches!(held.record.state, LedgerState::Put { .. }) {
            members.extend(member(target.copied(), seen));
        }
    }
    clusters.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let generation = decision.metadata.generation;
    let mut status = summarize(clusters, generation);
    status.conditions.clone_from(&decision.status.conditions);
    status.refused.clone_from(&decision.status.refused);
    status.unplaced.clone_from(&decision.status.unplaced);
    let conditions = conditions(&status, &decision);
    objects::set_all(&mut status.conditions, conditions, context.now());
    let mut txn = objects::status_txn(entry, &status)?.unwrap_or_default();
    fold(
        context,
        snapshot,
        (&world, &decision),
        (item, &members),
        &mut txn,
    )?;
    Ok(Some(txn))
}

/// What a cluster adds to the status over all of them; `None` of one that counts no more and is silent.
fn member(target: Option<&Target>, seen: Observed) -> Option<Observed> {
    let Some(target) = target else {
        return Some(seen);
    };
    let counts = !(target.held && target.outside);
    // Who is kept as it is has not got what stands on the hub.
    let behind = target.behind || (target.held && counts);
    let applied = seen.applied && !behind;
    (counts || !seen.away).then_some(Observed { applied, ..seen })
}

/// Gives the template the status that its workload has over all clusters.
fn fold(
    context: &Reconciler,
    snapshot: &Snapshot,
    (world, decided): (&World, &Decision),
    (item, members): (&ItemKey, &[Observed]),
    txn: &mut Txn,
) -> Result<(), Error> {
    let located = world::locate(&context.registry(snapshot), item)?;
    let entry = located.and_then(|(key, _)| snapshot.get(key.as_str()));
    let Some(entry) = entry else {
        return Ok(());
    };
    let object = objects::object(entry)?;
    // What was written since is decided about in a moment, and nobody has it before.
    let generation = object.pointer("/metadata/generation");
    let generation = generation.and_then(Value::as_i64).unwrap_or(0);
    if generation != decided.spec.template.generation {
        return Ok(());
    }
    let subject = Subject {
        key: item,
        object: &object,
        interpreter: world.interpreter(item),
        pinned: pinned(decided),
    };
    let now = timestamp(context.now());
    if let Some(status) = aggregate(subject, members, &now)
        && let Some(mut fold) = objects::status_txn(entry, &status)?
    {
        txn.checks.append(&mut fold.checks);
        txn.ops.append(&mut fold.ops);
    }
    Ok(())
}

/// How many replicas are to run by a decision, with those for which there is no place, where override
/// policies pin some of them.
fn pinned(decision: &Decision) -> Option<u64> {
    let pins = decision.spec.clusters.iter().any(|t| t.pinned.is_some());
    let unplaced = decision.status.unplaced.as_ref();
    let unplaced = unplaced.map_or(0, |unplaced| unplaced.replicas);
    let replicas = decision.spec.replicas.filter(|_| pins)?;
    Some(replicas.saturating_add(u64::from(unplaced)))
}

/// What the Decision says of one cluster.
fn told(path: (String, String), held: &Held, seen: &Observed) -> ClusterStatus {
    ClusterStatus {
        namespace: path.0,
        name: path.1,
        revision: held.entry.revision.0,
        state: seen.state.text().to_owned(),
        health: health_text(seen.health).to_owned(),
        replicas: seen.replicas,
        ready_replicas: seen.ready,
        counted: None,
        message: seen.message.clone(),
    }
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
        clusters,
        ..Status::default()
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
