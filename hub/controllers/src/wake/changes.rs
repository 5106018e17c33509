//! What one change wakes.

use std::time::Duration;

use roadstead_protocol::api::interpreter::RESOURCE_INTERPRETER;
use roadstead_protocol::api::names::{
    APPS_GROUP, ATTACHED_CLUSTERS, CLUSTER_GROUP, DECISIONS, FLEET_GROUP, FLEETS, OWN_GROUP,
    POLICY_GROUP,
};
use roadstead_store::Event;
use roadstead_store::records::{
    APPROVALS_PREFIX, FACTS_PREFIX, FREEZE_PREFIX, HOSTED_PREFIX, LIVENESS_PREFIX, ObjectKey,
    TURNED_AWAY_PREFIX, parse_answer_key, parse_hold_key, parse_ledger_key, parse_object_key,
    parse_report_key,
};
use serde_json::Value;

use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::objects;
use crate::work::{Name, Work};
use crate::world;

/// How soon it is looked at whether all that was confirmed has been carried out.
const APPROVAL_LOOK: Duration = Duration::from_secs(5);

impl Wake {
    /// What a change of the durable store wakes.
    pub(crate) fn durable(&mut self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let key = event.key.as_str();
        self.rolls(event, out);
        if let Some((_, item)) = parse_ledger_key(key) {
            let settle = self.settle_of(&item);
            out.extend(woken([Work::Status(item.clone())], settle, "ledger"));
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
            self.cluster(event, &key, out);
        } else if key.group == POLICY_GROUP || key.group == APPS_GROUP {
            // Others hear of it by the decisions that follow.
            if meaning(&event.new) != meaning(&event.previous) {
                self.wide.templates(&key.namespace);
            }
        } else if at == (FLEET_GROUP, FLEETS) {
            if meaning(&event.new) != meaning(&event.previous) {
                self.wide.templates("");
                self.wide.policies();
            }
        } else if at == (OWN_GROUP, RESOURCE_INTERPRETER.1) {
            self.explained(event, out);
        } else if at == ("", "namespaces") {
            if meaning(&event.new) != meaning(&event.previous) {
                self.wide.templates("");
            }
            self.template(event, &key, out);
        } else {
            if key.plural == "customresourcedefinitions" {
                self.define(event, out);
            }
            self.template(event, &key, out);
        }
    }

    fn template(&mut self, event: &Event, key: &ObjectKey, out: &mut Vec<Woken<Work>>) {
        let Some(item) = world::item(&self.registry(), key) else {
            return;
        };
        let (new, old) = (written(&event.new), written(&event.previous));
        if new == old {
            let settle = self.settle_of(&item);
            return out.extend(woken([Work::Status(item)], settle, "template"));
        }
        if selectable(&new) != selectable(&old) {
            self.wide.policies_of(&item.kind);
        }
        out.extend(woken([Work::Placement(item)], Duration::ZERO, "template"));
    }

    /// What a change of the volatile store wakes.
    pub(crate) fn changed_news(&mut self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let key = event.key.as_str();
        if let Some((_, item)) = parse_report_key(key) {
            self.rolls_on(&item, out);
            self.spared(&item);
            let settle = self.settle_of(&item);
            out.extend(woken([Work::Status(item)], settle, "report"));
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
    world::is_policy(key).then(|| Work::Policy {
        group: key.group.clone(),
        plural: key.plural.clone(),
        name: name(key),
    })
}

pub(super) fn name(key: &ObjectKey) -> Name {
    Name {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}

/// What people wrote of a template: all but its status.
fn written(entry: &Option<roadstead_store::Entry>) -> Option<Value> {
    let mut object = objects::object(entry.as_ref()?).ok()?;
    object.as_object_mut()?.remove("status");
    Some(object)
}

/// What of a template its policies may select it by.
fn selectable(object: &Option<Value>) -> Option<[Option<&Value>; 2]> {
    let object = object.as_ref()?;
    Some(["/metadata/labels", "/type"].map(|pointer| object.pointer(pointer)))
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
