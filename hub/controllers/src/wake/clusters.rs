//! What a change of a cluster wakes: only what goes by what changed.
//!
//! A label concerns the policies that go by its key and see a difference between what it was and what it
//! is. Who takes a template does not follow from clusters, so of a distribution policy the templates that
//! it holds are woken.

use std::collections::{BTreeMap, BTreeSet};

use roadstead_plan::cluster::{PROVIDER_LABEL, REGION_LABEL, ZONE_LABEL};
use roadstead_protocol::api::cluster::AttachedCluster;
use roadstead_protocol::api::fleet::Fleet;
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP, FLEET_GROUP, FLEETS};
use roadstead_protocol::api::policy::{CLUSTER_OVERRIDE, OVERRIDE};
use roadstead_protocol::api::{ConditionStatus, ObjectMeta, condition};
use roadstead_store::records::{
    ObjectKey, ledger_prefix, objects_prefix, parse_ledger_key, parse_object_key,
};
use roadstead_store::{Entry, Event, Snapshot};
use serde::Deserialize;
use serde_json::Value;

use super::changes::{name, woken};
use super::concern::{Turn, concerns};
use super::wide::names;
use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::objects;
use crate::work::{Name, Work};
use crate::world;

/// The labels that a policy goes by without naming them.
const UNNAMED: [&str; 3] = [PROVIDER_LABEL, REGION_LABEL, ZONE_LABEL];

/// What a policy may go by of how people wrote a cluster.
#[derive(Debug, PartialEq, Eq)]
enum Turned {
    Nothing,
    /// These labels.
    Labels(BTreeMap<String, Turn>),
    /// It came, went, or anything of it may matter.
    Anything,
}

impl Wake {
    pub(super) fn cluster(&mut self, event: &Event, key: &ObjectKey, out: &mut Vec<Woken<Work>>) {
        let value = |entry: &Option<Entry>| objects::object(entry.as_ref()?).ok();
        let (new, old) = (value(&event.new), value(&event.previous));
        let turned = turned(new.as_ref(), old.as_ref());
        #[cfg(planted)]
        let turned = match roadstead_protocol::planted::is("cluster-wakes-nothing") {
            true => Turned::Nothing,
            false => turned,
        };
        match turned {
            Turned::Nothing => {}
            Turned::Labels(labels) => self.labelled(&labels),
            Turned::Anything => {
                self.wide.templates("");
                self.wide.policies();
            }
        }
        let read = |value: Option<Value>| AttachedCluster::deserialize(value?).ok();
        let (new, old) = (read(new), read(old));
        match (&new, &old) {
            (Some(new), _) => self.know(new),
            (None, _) => self.names.retain(|_, known| *known != name(key)),
        }
        self.facts(&new, &old, out);
        let ready = |c: &Option<AttachedCluster>| {
            let conditions = c.as_ref().map(|c| c.status.conditions.as_slice());
            condition::find(conditions.unwrap_or_default(), "Ready").cloned()
        };
        if ready(&new) == ready(&old) {
            return;
        }
        let snapshot = self.store.snapshot();
        let uids: BTreeSet<&String> = new.iter().chain(&old).map(|c| &c.metadata.uid).collect();
        for uid in uids {
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
            let work = fleet.map(|key| Work::Fleet(name(&key)));
            out.extend(woken(work, GATHER, "a member"));
        }
    }

    /// What a cluster reports about itself.
    fn facts(
        &mut self,
        new: &Option<AttachedCluster>,
        old: &Option<AttachedCluster>,
        out: &mut Vec<Woken<Work>>,
    ) {
        let shapes = |c: &Option<AttachedCluster>| {
            let shapes = c.as_ref().map(|c| c.status.node_shapes.clone());
            shapes.unwrap_or_default()
        };
        if shapes(new) != shapes(old) {
            let work = self.unplaced.union(&self.lacking).cloned();
            let work = work.map(Work::Placement);
            out.extend(woken(work, self.settle, "room"));
        }
        self.wide.waiting |= reported(new) != reported(old);
        let facts = |c| reported(c).map(|(_, version, groups)| (version, groups));
        if facts(new) != facts(old) {
            self.overridden();
        }
    }

    /// These labels of a cluster are new, gone or others.
    fn labelled(&mut self, labels: &BTreeMap<String, Turn>) {
        let snapshot = self.store.snapshot();
        let goes_by = |policy: &&Entry| {
            // Most policies name none of them, which is much less to look for.
            names(policy, labels.keys().map(String::as_str)) && {
                let object = objects::object(policy).unwrap_or_default();
                object.get("spec").is_none_or(|spec| concerns(spec, labels))
            }
        };
        for (group, kind, plural) in world::POLICIES {
            let overrides = [OVERRIDE.0, CLUSTER_OVERRIDE.0].contains(&kind);
            let policies = snapshot.range(&objects_prefix(group, plural));
            for policy in policies.filter(goes_by) {
                self.wide.policy(&policy.key);
                let Some(at) = parse_object_key(policy.key.as_str()) else {
                    continue;
                };
                let held = self.held_by(policy).filter(|_| !overrides);
                match held {
                    Some(held) => self.wide.decided(held),
                    None => self.wide.templates(&at.namespace),
                }
            }
        }
    }

    /// Takes note of who has a UID.
    fn know(&mut self, cluster: &AttachedCluster) {
        let uid = &cluster.metadata.uid;
        let is = |name: &Name| {
            (&name.namespace, &name.name) == (&cluster.metadata.namespace, &cluster.metadata.name)
        };
        if !self.names.get(uid).is_some_and(is) {
            let named = named(&cluster.metadata);
            self.names.insert(uid.clone(), named);
        }
    }

    /// The cluster with this UID, after a delay and for a reason.
    pub(super) fn cluster_by_uid(
        &mut self,
        uid: &str,
        (delay, reason): (std::time::Duration, &'static str),
        out: &mut Vec<Woken<Work>>,
    ) {
        if !self.names.contains_key(uid) {
            // Whoever comes later is noted when it comes.
            self.names.extend(all(&self.store.snapshot()));
        }
        let cluster = self.names.get(uid).cloned().map(Work::Cluster);
        out.extend(woken(cluster, delay, reason));
    }
}

/// What changed of what people wrote. Nothing goes by annotations of a cluster.
fn turned(new: Option<&Value>, old: Option<&Value>) -> Turned {
    let (Some(new), Some(old)) = (new, old) else {
        return match new.is_none() && old.is_none() {
            true => Turned::Nothing,
            false => Turned::Anything,
        };
    };
    let (spec, uid) = ("/spec", "/metadata/uid");
    if new.pointer(spec) != old.pointer(spec) || new.pointer(uid) != old.pointer(uid) {
        return Turned::Anything;
    }
    let none = serde_json::Map::new();
    let labels = |object: &'_ Value| {
        let labels = object.pointer("/metadata/labels");
        labels.and_then(Value::as_object).unwrap_or(&none).clone()
    };
    let (new, old) = (labels(new), labels(old));
    let keys: BTreeSet<&String> = new.keys().chain(old.keys()).collect();
    let mut turned = BTreeMap::new();
    for key in keys {
        if new.get(key) == old.get(key) {
            continue;
        }
        if UNNAMED.contains(&key.as_str()) {
            return Turned::Anything;
        }
        let value = |of: &serde_json::Map<String, Value>| Some(of.get(key)?.as_str()?.to_owned());
        turned.insert(key.clone(), (value(&old), value(&new)));
    }
    match turned.is_empty() {
        true => Turned::Nothing,
        false => Turned::Labels(turned),
    }
}

/// What of a cluster's report decides about what is not there yet.
fn reported(
    cluster: &Option<AttachedCluster>,
) -> Option<(Option<ConditionStatus>, &str, &[String])> {
    let status = &cluster.as_ref()?.status;
    let ready = condition::find(&status.conditions, "Ready").map(|ready| ready.status);
    Some((ready, &status.version, &status.api_groups))
}

/// Of a cluster only who it is, which is much less to read.
#[derive(Deserialize)]
struct Who {
    metadata: ObjectMeta,
}

/// All clusters there are, by UID.
fn all(snapshot: &Snapshot) -> impl Iterator<Item = (String, Name)> {
    let clusters = snapshot.range(&objects_prefix(CLUSTER_GROUP, ATTACHED_CLUSTERS));
    clusters.filter_map(|entry| {
        let Who { metadata } = objects::typed(entry).ok()?;
        let named = named(&metadata);
        Some((metadata.uid, named))
    })
}

fn named(metadata: &ObjectMeta) -> Name {
    Name {
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(labels: &Value, spec: &Value, note: &str) -> Value {
        json!({
            "metadata": {"uid": "u", "labels": labels, "annotations": {"note": note}},
            "spec": spec, "status": {"version": note},
        })
    }

    fn check(new: &Value, old: &Value, expected: &Turned) {
        assert_eq!(turned(Some(new), Some(old)), *expected);
        let back = match expected {
            Turned::Labels(labels) => {
                let turn =
                    |(key, (old, new)): (&String, &Turn)| (key.clone(), (new.clone(), old.clone()));
                &Turned::Labels(labels.iter().map(turn).collect())
            }
            Turned::Nothing | Turned::Anything => expected,
        };
        assert_eq!(turned(Some(old), Some(new)), *back);
    }

    #[test]
    fn only_what_can_matter_counts() {
        let (none, tier) = (json!({}), json!({"tier": "a"}));
        let plain = cluster(&none, &none, "a");
        check(&plain, &cluster(&none, &none, "b"), &Turned::Nothing);
        let is = |value: &str| Some(value.to_owned());
        let labels = Turned::Labels([("tier".to_owned(), (is("a"), None))].into());
        check(&plain, &cluster(&tier, &none, "a"), &labels);
        let other = cluster(&json!({"tier": "b", "x": "y"}), &none, "a");
        let (tier_turn, x) = ((is("b"), is("a")), (is("y"), None));
        let labels = [("tier".to_owned(), tier_turn), ("x".to_owned(), x)];
        check(
            &cluster(&tier, &none, "a"),
            &other,
            &Turned::Labels(labels.into()),
        );
        let region = cluster(&json!({REGION_LABEL: "r"}), &none, "a");
        check(&plain, &region, &Turned::Anything);
        let cordoned = cluster(&none, &json!({"unschedulable": true}), "a");
        check(&plain, &cordoned, &Turned::Anything);
        assert_eq!(turned(Some(&plain), None), Turned::Anything);
        assert_eq!(turned(None, Some(&plain)), Turned::Anything);
        assert_eq!(turned(None, None), Turned::Nothing);
    }
}
