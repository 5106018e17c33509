//! A fleet's conditions: its members, Ready as they are observed to be.

use std::time::Duration;

use roadstead_protocol::api::cluster::{self, AttachedCluster};
use roadstead_protocol::api::fleet::{Fleet, Member, MemberStatus};
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP, FLEET_GROUP, FLEETS};
use roadstead_protocol::api::{Condition, ConditionStatus, condition};
use roadstead_store::records::object_key;
use roadstead_store::{Snapshot, Txn};

use crate::error::Error;
use crate::events;
use crate::objects;
use crate::reconciler::Reconciler;
use crate::work::Name;

/// Most members that a condition names.
const NAMED_MAX: usize = 5;

pub(crate) async fn reconcile(
    context: &Reconciler,
    name: &Name,
) -> Result<Option<Duration>, Error> {
    context
        .commit(|snapshot| Ok((attempt(context, snapshot, name)?, ())))
        .await?;
    Ok(None)
}

fn attempt(context: &Reconciler, snapshot: &Snapshot, name: &Name) -> Result<Option<Txn>, Error> {
    let key = object_key(FLEET_GROUP, FLEETS, &name.namespace, &name.name)?;
    let Some(entry) = snapshot.get(key.as_str()) else {
        return Ok(None);
    };
    let fleet: Fleet = objects::typed(entry)?;
    let members: Vec<MemberStatus> = fleet
        .spec
        .clusters
        .iter()
        .map(|m| member(snapshot, &name.namespace, m))
        .collect::<Result<_, _>>()?;
    let ready = members.iter().filter(|m| m.ready == "True").count();
    let condition = judge(&members);
    let generation = fleet.metadata.generation;
    let mut status = fleet.status;
    status.phase = match condition.status {
        ConditionStatus::True => "Ready",
        ConditionStatus::False => "NotReady",
        ConditionStatus::Unknown => "Unknown",
    }
    .to_owned();
    status.observed_generation = generation;
    status.ready_clusters = u32::try_from(ready).unwrap_or(u32::MAX);
    status.un_ready_clusters = u32::try_from(members.len() - ready).unwrap_or(u32::MAX);
    status.members = members;
    let condition = condition.at(generation);
    let turned = objects::set_all(&mut status.conditions, vec![condition], context.now());
    let mut txn = objects::status_txn(entry, &status)?;
    if let Some(txn) = &mut txn {
        let told = events::of_turns(&turned);
        events::add(context, snapshot, &objects::object(entry)?, told, txn)?;
    }
    Ok(txn)
}

fn member(snapshot: &Snapshot, namespace: &str, member: &Member) -> Result<MemberStatus, Error> {
    let asked = if member.kind.is_empty() {
        cluster::KIND
    } else {
        &member.kind
    };
    let key = object_key(CLUSTER_GROUP, ATTACHED_CLUSTERS, namespace, &member.name)?;
    let Some(entry) = snapshot.get(key.as_str()) else {
        return Ok(MemberStatus {
            name: member.name.clone(),
            kind: asked.to_owned(),
            ready: "False".to_owned(),
            message: format!("there is no {asked} of this name in the fleet's namespace"),
        });
    };
    let found: AttachedCluster = objects::typed(entry).unwrap_or_default();
    let ready = condition::find(&found.status.conditions, "Ready");
    let mut message = Vec::new();
    if asked != cluster::KIND {
        message.push(format!("found as {}", cluster::KIND));
    }
    let status = ready.map_or(ConditionStatus::Unknown, |r| r.status);
    if let Some(ready) = ready.filter(|r| r.status != ConditionStatus::True) {
        message.push(ready.message.clone());
    }
    Ok(MemberStatus {
        name: member.name.clone(),
        kind: cluster::KIND.to_owned(),
        ready: match status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
        .to_owned(),
        message: message.join("; "),
    })
}

fn judge(members: &[MemberStatus]) -> Condition {
    if members.is_empty() {
        return Condition::new(
            "Ready",
            ConditionStatus::False,
            "NoMembers",
            "it lists no clusters",
        );
    }
    let named = |ready: &str| -> Vec<&str> {
        members
            .iter()
            .filter(|m| m.ready == ready)
            .map(|m| m.name.as_str())
            .collect()
    };
    let (not, silent) = (named("False"), named("Unknown"));
    let list = |names: &[&str]| {
        let shown = names
            .iter()
            .take(NAMED_MAX)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let more = if names.len() > NAMED_MAX { ", …" } else { "" };
        format!("{} of {} ({shown}{more})", names.len(), members.len())
    };
    if !not.is_empty() {
        let message = format!("not ready: {}", list(&not));
        return Condition::new("Ready", ConditionStatus::False, "MembersNotReady", message);
    }
    if !silent.is_empty() {
        let message = format!("no recent news of {}", list(&silent));
        return Condition::new("Ready", ConditionStatus::Unknown, "MembersSilent", message);
    }
    let message = format!("all {} members are ready", members.len());
    Condition::new("Ready", ConditionStatus::True, "MembersReady", message)
}
