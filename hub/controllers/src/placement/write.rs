//! Writes the Decision about a template, and the events that tell of it.

use roadstead_plan::{Placement, Template};
use roadstead_protocol::api::meta;
use roadstead_store::records::object_key;
use roadstead_store::{Check, Op, Snapshot, Txn};
use serde_json::json;

use super::placed::placed;
use super::read::Read;
use crate::error::Error;
use crate::objects::Fields;
use crate::reconciler::Reconciler;
use crate::told::told;
use crate::{decision, events, objects};

/// Writes the Decision, if it says something new, and the events that tell of it.
pub(super) fn write_decision(
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
            txn.ops.push(Op::Delete { key });
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
    status.refused.clone_from(&placement.refused);
    status.unplaced.clone_from(&placement.unplaced);
    if !new_spec && status == read.decision.status {
        return Ok(());
    }
    let value = match &read.decision_entry {
        Some(entry) => {
            let mut fields = Fields::of(entry)?;
            let mut metadata = fields.get("metadata");
            metadata["generation"] = generation.into();
            fields.put("metadata", &metadata)?;
            fields.put("spec", &spec)?;
            fields.put("status", &status)?;
            fields.bytes()?
        }
        None => {
            let uid = context.parts.env.uid();
            let mut object = decision::object(&at, &uid, &meta::timestamp(now));
            object["metadata"]["generation"] = generation.into();
            object["spec"] = serde_json::to_value(&spec)?;
            object["status"] = serde_json::to_value(&status)?;
            objects::bytes(&object)?
        }
    };
    txn.checks
        .push(Check::as_read(&key, read.decision_entry.as_ref()));
    txn.ops.push(Op::Put { key, value });
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
pub(crate) fn home(context: &Reconciler, snapshot: &Snapshot, txn: &mut Txn) -> Result<(), Error> {
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
    txn.ops.push(Op::Put {
        key,
        value: objects::bytes(&namespace)?,
    });
    Ok(())
}
