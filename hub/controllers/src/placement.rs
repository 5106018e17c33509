//! Carries out the plan for one template: its Decision, its ledger entries, contents and tombstones,
//! in one transaction that asserts what the decision was made from.

use std::time::Duration;

use roadstead_plan::deps::requirers::REQUIRED;
use roadstead_plan::{Around, Decided, Finding, Placement, Template, World, place};
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::{Condition, ConditionStatus, condition, decision::PolicyRef, meta};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{deletion_key, object_key, world_key};
use roadstead_store::{Check, Entry, Key, Snapshot, Txn};
use serde_json::{Value, json};

use crate::error::Error;
use crate::events;
use crate::ledger::{self, Answers, Ledger, Writing};
use crate::objects;
use crate::reconciler::Reconciler;
use crate::told::told;
use crate::{approvals, around, decision, groups, pledges, world};

/// Longest message of a condition, in characters.
const MESSAGE_CHARS_MAX: usize = 2048;
/// Reason of condition Placed while what was placed is on its way out.
pub(crate) const REMOVING: &str = "Removing";

/// What a template's decision was made from.
struct Read {
    item: ItemKey,
    /// Where the template is, or would be; `None` for a kind that is not known.
    key: Option<Key>,
    object: Option<Value>,
    replicas_path: Option<String>,
    decision_entry: Option<Entry>,
    decision: Decision,
    ledger: Ledger,
    answers: Answers,
    around: Around,
}

pub(crate) async fn reconcile(
    context: &Reconciler,
    item: &ItemKey,
) -> Result<Option<Duration>, Error> {
    context
        .commit(|snapshot| {
            let mut again = None;
            let txn = decide(context, snapshot, item, &mut again)?;
            Ok((txn, again))
        })
        .await
}

/// One decision, and after which time it is another one without anything else changing.
fn decide(
    context: &Reconciler,
    snapshot: &Snapshot,
    item: &ItemKey,
    again: &mut Option<Duration>,
) -> Result<Option<Txn>, Error> {
    let world = context.world(snapshot)?;
    let read = read(context, snapshot, &world, item)?;
    let template = Template {
        key: item.clone(),
        object: read.object.as_ref(),
        replicas_path: read.replicas_path.as_deref(),
        former: ledger::former(&read.ledger, &read.decision),
        basis: read.decision.spec.basis.clone(),
        pledges: (context.pledges).of(snapshot, &context.parts.registry, &world, item)?,
        around: read.around.clone(),
        decided: Decided::read(&read.decision.spec),
        now: context.uptime(),
    };
    let mut placement = place(&world, &template, None);
    let mut txn = Txn::new();
    if placement.needs_review {
        let review = context.review(snapshot, &world)?;
        placement = place(&world, &template, Some(&review));
        approvals::keep(snapshot, &placement, &review, &mut txn)?;
    }
    *again = placement.again;
    if nothing(&placement) && read.ledger.is_empty() {
        link((snapshot, &world), &read, &placement, &mut txn)?;
        if let Some(entry) = read.decision_entry {
            let check = Check::At(entry.key.clone(), entry.revision);
            txn = txn.check(check).delete(entry.key);
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
        pledges::take_turns(snapshot, &world, &placement, &mut txn)?;
        groups::tell(snapshot, item, (&read.decision.spec, &placement), &mut txn)?;
    }
    Ok(Some(txn))
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
    decide(context, snapshot, item, &mut None)
}

fn nothing(placement: &Placement) -> bool {
    placement.policy.is_none()
        && placement.targets.is_empty()
        && placement.kept.is_empty()
        && placement.removals.is_empty()
        && placement.forgotten.is_empty()
}

fn read(
    context: &Reconciler,
    snapshot: &Snapshot,
    world: &World,
    item: &ItemKey,
) -> Result<Read, Error> {
    let located = world::locate(&context.parts.registry, item)?;
    let template = located
        .as_ref()
        .and_then(|(key, _)| snapshot.get(key.as_str()))
        .cloned();
    let object = template.as_ref().map(objects::object).transpose()?;
    let decision_entry = snapshot
        .get(decision::decision_key(item)?.as_str())
        .cloned();
    let decision: Decision = decision_entry
        .as_ref()
        .map(objects::typed)
        .transpose()?
        .unwrap_or_default();
    let ledger = ledger::read(snapshot, item, world::clusters(world, &decision))?;
    let answers = ledger::answers(snapshot, item, world::clusters(world, &decision))?;
    let registry = &context.parts.registry;
    let mut around = around::read(
        snapshot,
        registry,
        world,
        item,
        (object.as_ref(), &decision),
    )?;
    around.peers = (context.groups).of(snapshot, world, item, object.as_ref())?;
    Ok(Read {
        around,
        item: item.clone(),
        key: located.as_ref().map(|(key, _)| key.clone()),
        object,
        replicas_path: located.and_then(|(_, path)| path),
        decision_entry,
        decision,
        ledger,
        answers,
    })
}

/// Asserts that what it was decided from is as it was read: the template (or that it is not there),
/// everything that people write about policies, clusters and namespaces, and the deletion records
/// that justify removals.
fn assert_read(
    snapshot: &Snapshot,
    world: &World,
    read: &Read,
    placement: &Placement,
    txn: &mut Txn,
) -> Result<(), Error> {
    let as_read = |key: Key| match snapshot.get(key.as_str()) {
        Some(entry) => Check::At(key, entry.revision),
        None => Check::Absent(key),
    };
    txn.checks.extend(read.key.clone().map(as_read));
    txn.checks.push(as_read(world_key()?));
    for policy in placement.policy.iter().chain(&placement.overrides) {
        if let Some(entry) = policy_entry(snapshot, policy)? {
            txn.checks
                .push(Check::At(entry.key.clone(), entry.revision));
        }
    }
    if !placement.removals.is_empty() {
        around::assert(snapshot, &read.item, txn)?;
    }
    for removal in &placement.removals {
        let Some(held) = read.ledger.get(&removal.cluster) else {
            continue;
        };
        let record = &held.record;
        for uid in record.policies.iter().chain([&record.template_uid]) {
            if world.deleted.contains(uid) {
                let check = Check::Exists(deletion_key(uid)?);
                if !txn.checks.contains(&check) {
                    txn.checks.push(check);
                }
            }
        }
    }
    Ok(())
}

fn policy_entry<'s>(
    snapshot: &'s Snapshot,
    policy: &PolicyRef,
) -> Result<Option<&'s Entry>, Error> {
    let mut kinds = world::POLICIES.iter();
    let at = (policy.group(), policy.kind.as_str());
    let Some((group, _, plural)) = kinds.find(|(group, kind, _)| (*group, *kind) == at) else {
        return Ok(None);
    };
    let key = object_key(group, plural, &policy.namespace, &policy.name)?;
    Ok(snapshot.get(key.as_str()))
}

/// Writes the Decision, if it says something new, and the events that tell of it.
fn write_decision(
    context: &Reconciler,
    snapshot: &Snapshot,
    read: &Read,
    template: &Template<'_>,
    placement: &Placement,
    txn: &mut Txn,
) -> Result<(), Error> {
    let at = decision::decision_ref(&read.item);
    let key = decision::decision_key(&read.item)?;
    if template.object.is_none() && !namespace_lives(snapshot, &at.namespace)? {
        // Its namespace goes too: a Decision that came back would keep it from going.
        if let Some(entry) = &read.decision_entry {
            txn.checks.push(Check::At(key.clone(), entry.revision));
            txn.ops.push(roadstead_store::Op::Delete { key });
        }
        return Ok(());
    }
    let now = context.now();
    let spec = decision::spec(template, placement, &read.decision.spec);
    let mut status = read.decision.status.clone();
    // What was seen of the clusters before is no news of what they are given now.
    let moves = !txn.ops.is_empty();
    let new_spec = moves || read.decision_entry.is_none() || spec != read.decision.spec;
    let generation = read.decision.metadata.generation + i64::from(new_spec);
    let placed = placed(placement).at(generation);
    let turned = objects::set_all(&mut status.conditions, vec![placed], now);
    if !new_spec && status == read.decision.status {
        return Ok(());
    }
    let mut object = match &read.decision_entry {
        Some(entry) => objects::object(entry)?,
        None => decision::object(&at, &context.parts.env.uid(), &meta::timestamp(now)),
    };
    object["metadata"]["generation"] = generation.into();
    object["spec"] = serde_json::to_value(&spec)?;
    object["status"] = serde_json::to_value(&status)?;
    txn.checks.push(match &read.decision_entry {
        Some(entry) => Check::At(key.clone(), entry.revision),
        None => Check::Absent(key.clone()),
    });
    txn.ops.push(roadstead_store::Op::Put {
        key,
        value: objects::bytes(&object)?,
    });
    if at.namespace == decision::SYSTEM_NAMESPACE {
        home(context, snapshot, txn)?;
    }
    if let Some(object) = template.object {
        let told = told(&read.decision, placement, &turned);
        events::add(context, snapshot, object, told, txn)?;
    }
    Ok(())
}

fn namespace_lives(snapshot: &Snapshot, namespace: &str) -> Result<bool, Error> {
    let key = object_key("", "namespaces", "", namespace)?;
    let Some(entry) = snapshot.get(key.as_str()) else {
        return Ok(namespace == decision::SYSTEM_NAMESPACE);
    };
    Ok(objects::object(entry)?
        .pointer("/metadata/deletionTimestamp")
        .is_none())
}

/// Makes the namespace for the Decisions of cluster-scoped templates where it is missing.
fn home(context: &Reconciler, snapshot: &Snapshot, txn: &mut Txn) -> Result<(), Error> {
    let key = object_key("", "namespaces", "", decision::SYSTEM_NAMESPACE)?;
    if snapshot.get(key.as_str()).is_some() {
        return Ok(());
    }
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": decision::SYSTEM_NAMESPACE,
            "uid": context.parts.env.uid(),
            "creationTimestamp": meta::timestamp(context.now()),
            "labels": {"kubernetes.io/metadata.name": decision::SYSTEM_NAMESPACE},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    });
    txn.checks.push(Check::Absent(key.clone()));
    txn.ops.push(roadstead_store::Op::Put {
        key,
        value: objects::bytes(&namespace)?,
    });
    Ok(())
}

/// Condition Placed: whether the template is where the policies want it.
pub(crate) fn placed(placement: &Placement) -> Condition {
    let findings: Vec<&Finding> = placement.findings.iter().collect();
    let Some(first) = findings.iter().min_by_key(|f| rank(f)) else {
        let count = placement.targets.len();
        if placement.policy.is_none() && count == 0 {
            let message = "it was deleted, and is on its way out of the clusters that had it";
            return Condition::new("Placed", ConditionStatus::False, REMOVING, message);
        }
        let noun = if count == 1 { "cluster" } else { "clusters" };
        let message = format!("decided for {count} {noun}");
        return Condition::new("Placed", ConditionStatus::True, "Placed", message);
    };
    if placement.policy.is_none() && placement.kept.is_empty() {
        let reason = if placement.removals.is_empty() {
            first.reason()
        } else {
            REMOVING
        };
        return Condition::new("Placed", ConditionStatus::False, reason, first.to_string());
    }
    let message = findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    let message = cut(&message);
    Condition::new("Placed", ConditionStatus::False, first.reason(), message)
}

/// Which finding gives a condition its reason: the smallest.
fn rank(finding: &Finding) -> u8 {
    match finding {
        Finding::Unreadable { .. } => 0,
        Finding::Reserved(_) | Finding::ZeroWeights | Finding::BadReplicas(_) => 1,
        Finding::NotRendered { .. } => 2,
        Finding::Held { .. } | Finding::Suspended { .. } | Finding::Awaits { .. } => 3,
        Finding::UnknownClusters(_) => 4,
        Finding::AmbiguousCluster { .. } => 5,
        Finding::Unplaced { .. }
        | Finding::NoCluster
        | Finding::NothingOpen { .. }
        | Finding::SpreadUnmet { .. } => 6,
        Finding::Outranked { .. } | Finding::NothingSelected | Finding::NoPolicy => 7,
    }
}

/// `text` within the bound of a message.
pub(crate) fn cut(text: &str) -> String {
    if text.chars().count() <= MESSAGE_CHARS_MAX {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MESSAGE_CHARS_MAX - 1).collect();
    short.push('…');
    short
}

/// Condition Placed of a decision, as it was written.
pub(crate) fn placed_of(decision: &Decision) -> Option<&Condition> {
    condition::find(&decision.status.conditions, "Placed")
}
