//! What one change wakes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::fleet::Fleet;
use roadstead_protocol::api::interpreter::RESOURCE_INTERPRETER;
use roadstead_protocol::api::names::{
    APPS_GROUP, ATTACHED_CLUSTERS, CLUSTER_GROUP, DECISIONS, FLEET_GROUP, FLEETS, OWN_GROUP,
    POLICY_GROUP,
};
use roadstead_protocol::api::{ConditionStatus, condition};
use roadstead_store::records::{
    APPROVALS_PREFIX, FACTS_PREFIX, FREEZE_PREFIX, HOSTED_PREFIX, LEDGER_PREFIX, LIVENESS_PREFIX,
    OBJECTS_PREFIX, ObjectKey, TURNED_AWAY_PREFIX, ledger_prefix, objects_prefix, parse_answer_key,
    parse_hold_key, parse_ledger_key, parse_object_key, parse_report_key,
};
use roadstead_store::{Event, Snapshot};
use serde_json::Value;

use super::{GATHER, Wake, lacks, waits};
use crate::driver::Woken;
use crate::objects;
use crate::reconciler::item;
use crate::work::{Name, Work};
use crate::world;

/// How soon it is looked at whether all that was confirmed has been carried out.
const APPROVAL_LOOK: Duration = Duration::from_secs(5);

/// A policy's conditions are made from all of its templates and decisions: they are gathered for so
/// many times as long as those of one template.
const POLICY_SETTLES: u32 = 4;

impl Wake {
    /// What a change of the durable store wakes.
    pub(crate) fn durable(&mut self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let key = event.key.as_str();
        if let Some((_, item)) = parse_ledger_key(key) {
            out.extend(woken([Work::Status(item.clone())], self.settle, "ledger"));
            if event.new.is_none() {
                out.extend(woken([Work::Placement(item)], GATHER, "ledger"));
            }
            return;
        }
        if let Some((_, item)) = parse_answer_key(key) {
            if event.new.is_some() {
                out.extend(woken([Work::Placement(item)], GATHER, "answer"));
            }
            return;
        }
        if key.starts_with(APPROVALS_PREFIX) && event.new.is_some() {
            out.extend(woken([Work::Garbage], APPROVAL_LOOK, "approval"));
            return;
        }
        if Self::link(key, out) {
            return;
        }
        if let Some(uid) = key.strip_prefix(FREEZE_PREFIX) {
            self.cluster_by_uid(uid, (GATHER, "freeze"), out);
            return;
        }
        let Some(key) = parse_object_key(key) else {
            return;
        };
        if let Some(own) = own(&key) {
            out.extend(woken([own], GATHER, "changed"));
        }
        let at = (key.group.as_str(), key.plural.as_str());
        if at == (OWN_GROUP, DECISIONS) {
            self.decision(event, out);
        } else if at == (CLUSTER_GROUP, ATTACHED_CLUSTERS) {
            if event.new.is_none() {
                self.names.retain(|_, known| *known != name(&key));
            }
            self.cluster(event, &key, out);
        } else if key.group == POLICY_GROUP || key.group == APPS_GROUP {
            if meaning(&event.new) != meaning(&event.previous) {
                let everywhere = key.namespace.is_empty();
                self.templates(everywhere.then_some("").or(Some(&key.namespace)), out);
                self.policies("a policy changed", out);
            }
        } else if at == (FLEET_GROUP, FLEETS) {
            if meaning(&event.new) != meaning(&event.previous) {
                self.templates(Some(""), out);
                self.policies("a fleet changed", out);
            }
        } else if at == (OWN_GROUP, RESOURCE_INTERPRETER.1) {
            self.explained(event, out);
        } else if at == ("", "namespaces") {
            if meaning(&event.new) != meaning(&event.previous) {
                self.templates(Some(""), out);
            }
            self.template(event, &key, out);
        } else {
            if key.plural == "customresourcedefinitions" {
                self.define(event, out);
            }
            self.template(event, &key, out);
        }
    }

    fn template(&self, event: &Event, key: &ObjectKey, out: &mut Vec<Woken<Work>>) {
        let Some(item) = world::item(&self.registry(), key) else {
            return;
        };
        if written(&event.new) != written(&event.previous) {
            out.extend(woken([Work::Placement(item)], Duration::ZERO, "template"));
            self.policies("a template changed", out);
        } else {
            out.extend(woken([Work::Status(item)], self.settle, "template"));
        }
    }

    /// Whether the template of a decision waits for room, or for hardware.
    fn unplaced(&mut self, event: &Event, decision: &Decision, out: &mut Vec<Woken<Work>>) {
        let item = item(decision);
        if event.new.is_some() && lacks(decision) {
            self.lacking.insert(item.clone());
        } else {
            self.lacking.remove(&item);
        }
        if event.new.is_some() && decision.spec.unplaced.is_some() {
            self.unplaced.insert(item);
        } else {
            self.unplaced.remove(&item);
        }
        let held = self.room.wanted(!self.unplaced.is_empty());
        out.extend(woken(held.into_iter().map(Work::Cluster), GATHER, "wanted"));
    }

    /// Takes note of whether a decision waits for what clusters report.
    pub(super) fn note(&mut self, decision: &Decision) {
        let item = item(decision);
        if waits(decision) {
            self.waiting.insert(item);
        } else {
            self.waiting.remove(&item);
        }
    }

    /// Whatever waits for what clusters report.
    fn waiting(&self, out: &mut Vec<Woken<Work>>) {
        let work = self.waiting.iter().cloned().map(Work::Placement);
        out.extend(woken(work, GATHER, "what a cluster reports"));
    }

    fn decision(&mut self, event: &Event, out: &mut Vec<Woken<Work>>) {
        self.linked(event, out);
        let newest = event.new.as_ref().or(event.previous.as_ref());
        if let Some(decision) = newest.and_then(|entry| objects::typed(entry).ok()) {
            self.unplaced(event, &decision, out);
        }
        if members(&event.new) != members(&event.previous) {
            self.waiting(out);
        }
        for entry in event.new.iter().chain(&event.previous) {
            let Ok(decision) = objects::typed::<Decision>(entry) else {
                continue;
            };
            let item = item(&decision);
            if event.new.is_none() {
                self.waiting.remove(&item);
                out.extend(woken([Work::Placement(item.clone())], GATHER, "decision"));
            }
            if event.new.as_ref() == Some(entry) {
                self.note(&decision);
                if decision.spec.template.kind == "CustomResourceDefinition" {
                    self.waiting(out);
                }
            }
            out.extend(woken([Work::Status(item)], self.settle, "decision"));
            let by = decision.spec.policy.iter().chain(&decision.spec.overrides);
            let policies = by.filter_map(policy);
            out.extend(woken(policies, self.settle * POLICY_SETTLES, "decision"));
        }
    }

    fn cluster(&mut self, event: &Event, key: &ObjectKey, out: &mut Vec<Woken<Work>>) {
        let turned = meaning(&event.new) != meaning(&event.previous);
        #[cfg(planted)]
        let turned = turned && !roadstead_protocol::planted::is("cluster-wakes-nothing");
        if turned {
            self.templates(Some(""), out);
            self.policies("a cluster changed", out);
        }
        let read = |entry: &Option<roadstead_store::Entry>| {
            entry
                .as_ref()
                .and_then(|e| objects::typed::<AttachedCluster>(e).ok())
        };
        let (new, old) = (read(&event.new), read(&event.previous));
        let ready = |c: &Option<AttachedCluster>| {
            let conditions = c.as_ref().map(|c| c.status.conditions.as_slice());
            condition::find(conditions.unwrap_or_default(), "Ready").cloned()
        };
        let shapes = |c: &Option<AttachedCluster>| {
            let shapes = c.as_ref().map(|c| c.status.node_shapes.clone());
            shapes.unwrap_or_default()
        };
        if shapes(&new) != shapes(&old) {
            let work = self.unplaced.union(&self.lacking).cloned();
            let work = work.map(Work::Placement);
            out.extend(woken(work, self.settle, "room"));
        }
        if reported(&new) != reported(&old) {
            self.waiting(out);
        }
        let facts = |c| reported(c).map(|(_, version, groups)| (version, groups));
        if facts(&new) != facts(&old) {
            self.overridden(out);
        }
        if ready(&new) == ready(&old) {
            return;
        }
        let snapshot = self.store.snapshot();
        for uid in new.iter().chain(&old).map(|c| &c.metadata.uid) {
            let items = snapshot.range(&ledger_prefix(uid));
            let items = items.filter_map(|entry| parse_ledger_key(entry.key.as_str()));
            let work = items.map(|(_, item)| Work::Status(item));
            out.extend(woken(work, self.settle, "a cluster's condition"));
        }
        for entry in snapshot.range(&objects_prefix(FLEET_GROUP, FLEETS)) {
            let member = objects::typed::<Fleet>(entry).is_ok_and(|fleet| {
                fleet.metadata.namespace == key.namespace
                    && fleet.spec.clusters.iter().any(|m| m.name == key.name)
            });
            let fleet = parse_object_key(entry.key.as_str()).filter(|_| member);
            out.extend(woken(
                fleet.map(|key| Work::Fleet(name(&key))),
                GATHER,
                "a member",
            ));
        }
    }

    /// All templates of a namespace, or of all with `Some("")`, and what is left of former ones.
    pub(super) fn templates(&self, namespace: Option<&str>, out: &mut Vec<Woken<Work>>) {
        let snapshot = self.store.snapshot();
        let registry = self.registry();
        let within = |ns: &str| namespace.is_none_or(|n| n.is_empty() || n == ns);
        let mut work = BTreeSet::new();
        for entry in snapshot.range(OBJECTS_PREFIX) {
            let key = parse_object_key(entry.key.as_str()).filter(|key| within(&key.namespace));
            if let Some(item) = key.and_then(|key| world::item(&registry, &key)) {
                work.insert(Work::Placement(item));
            }
        }
        for entry in snapshot.range(LEDGER_PREFIX) {
            let item = parse_ledger_key(entry.key.as_str()).map(|(_, item)| item);
            if let Some(item) = item.filter(|item| within(&item.namespace)) {
                work.insert(Work::Placement(item));
            }
        }
        out.extend(woken(work, GATHER, "policies or clusters"));
    }

    /// All policies, gathered for longer: their conditions follow from much else.
    fn policies(&self, reason: &'static str, out: &mut Vec<Woken<Work>>) {
        let snapshot = self.store.snapshot();
        for (group, _, plural) in world::POLICIES {
            let entries = snapshot.range(&objects_prefix(group, plural));
            let work = entries.filter_map(|e| own(&parse_object_key(e.key.as_str())?));
            out.extend(woken(work, self.settle * POLICY_SETTLES, reason));
        }
    }

    /// What a change of the volatile store wakes.
    pub(super) fn changed_news(&mut self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let key = event.key.as_str();
        if let Some((_, item)) = parse_report_key(key) {
            out.extend(woken([Work::Status(item)], self.settle, "report"));
            return;
        }
        if let Some((uid, _)) = parse_hold_key(key) {
            self.cluster_by_uid(&uid, (self.settle, "hold"), out);
            return;
        }
        let uid = [
            LIVENESS_PREFIX,
            FACTS_PREFIX,
            HOSTED_PREFIX,
            TURNED_AWAY_PREFIX,
        ]
        .iter()
        .find_map(|p| key.strip_prefix(p));
        if let Some(uid) = uid {
            self.cluster_by_uid(uid, (GATHER, "agent"), out);
        }
    }

    /// The cluster with this UID, after a delay and for a reason.
    fn cluster_by_uid(
        &mut self,
        uid: &str,
        (delay, reason): (Duration, &'static str),
        out: &mut Vec<Woken<Work>>,
    ) {
        if !self.names.contains_key(uid)
            && let Some(name) = cluster_of(&self.store.snapshot(), uid)
        {
            self.names.insert(uid.to_owned(), name);
        }
        let cluster = self.names.get(uid).cloned().map(Work::Cluster);
        out.extend(woken(cluster, delay, reason));
    }
}

pub(super) fn woken(
    work: impl IntoIterator<Item = Work>,
    delay: Duration,
    reason: &'static str,
) -> Vec<Woken<Work>> {
    work.into_iter()
        .map(|key| Woken { key, delay, reason })
        .collect()
}

/// What an object is that has conditions of its own.
pub(super) fn own(key: &ObjectKey) -> Option<Work> {
    if (key.group.as_str(), key.plural.as_str()) == (CLUSTER_GROUP, ATTACHED_CLUSTERS) {
        return Some(Work::Cluster(name(key)));
    }
    if (key.group.as_str(), key.plural.as_str()) == (FLEET_GROUP, FLEETS) {
        return Some(Work::Fleet(name(key)));
    }
    let at = (key.group.as_str(), key.plural.as_str());
    let mut policies = world::POLICIES.iter();
    let is_policy = policies.any(|(group, _, plural)| (*group, *plural) == at);
    is_policy.then(|| Work::Policy {
        group: key.group.clone(),
        plural: key.plural.clone(),
        name: name(key),
    })
}

fn name(key: &ObjectKey) -> Name {
    Name {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}

fn policy(policy: &roadstead_protocol::api::decision::PolicyRef) -> Option<Work> {
    let at = (policy.group(), policy.kind.as_str());
    let mut kinds = world::POLICIES.iter();
    let (group, _, plural) = kinds.find(|(group, kind, _)| (*group, *kind) == at)?;
    let name = Name {
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
    };
    Some(Work::Policy {
        group: (*group).to_owned(),
        plural: (*plural).to_owned(),
        name,
    })
}

/// What people wrote of a template: all but its status.
fn written(entry: &Option<roadstead_store::Entry>) -> Option<Value> {
    let mut object = objects::object(entry.as_ref()?).ok()?;
    object.as_object_mut()?.remove("status");
    Some(object)
}

/// What of an object matters to others: not its status, and not who manages which field.
fn meaning(entry: &Option<roadstead_store::Entry>) -> Option<(Value, Value, Value)> {
    let object: Value = objects::object(entry.as_ref()?).ok()?;
    let part = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    Some((
        part("/spec"),
        part("/metadata/labels"),
        part("/metadata/annotations"),
    ))
}

/// What of a cluster's report decides about what is not there yet.
fn reported(
    cluster: &Option<AttachedCluster>,
) -> Option<(Option<ConditionStatus>, &str, &[String])> {
    let status = &cluster.as_ref()?.status;
    let ready = condition::find(&status.conditions, "Ready").map(|ready| ready.status);
    Some((ready, &status.version, &status.api_groups))
}

/// Which groups of workloads a decision's template belongs to, and where it is.
fn members(
    entry: &Option<roadstead_store::Entry>,
) -> Option<(BTreeMap<String, String>, Vec<String>)> {
    let spec = objects::typed::<Decision>(entry.as_ref()?).ok()?.spec;
    let clusters = spec.clusters.into_iter().map(|target| target.uid).collect();
    (!spec.groups.is_empty()).then_some((spec.groups, clusters))
}

fn cluster_of(snapshot: &Snapshot, uid: &str) -> Option<Name> {
    let clusters = objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS);
    snapshot.range(&clusters).find_map(|entry| {
        let cluster: AttachedCluster = objects::typed(entry).ok()?;
        let name = || Name {
            namespace: cluster.metadata.namespace.clone(),
            name: cluster.metadata.name.clone(),
        };
        (cluster.metadata.uid == uid).then(name)
    })
}
