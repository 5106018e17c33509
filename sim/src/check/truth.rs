//! What is said to be so is so (invariant 7): while faults happen, a decision that says of itself that
//! it is applied everywhere, about the template as it is now, names clusters that all once held just
//! that. A decision does not change in the moment in which its template does, so it has a while.

use roadstead_protocol::api::ConditionStatus;
use roadstead_protocol::api::condition;
use roadstead_protocol::api::decision::{Decision, Target};
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_store::records::{object_key, objects_prefix};
use roadstead_store::{Snapshot, Store};
use serde_json::Value;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::check::safety::version;
use crate::model::Kind;
use crate::trace;
use crate::world::{World, lock};

/// How long a hub whose disk does well may take to take back what it said about an older template: it looks
/// every 5 s whether its file can be opened again, and brings forward what was refused every 2 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// Since when the hub has had each template as it is, by kind and name: revision and moment.
pub type Seen = BTreeMap<(Kind, String), (u64, Duration)>;

/// Looks at all decisions.
pub fn watch(world: &World, now: Duration) {
    let snapshot = lock(&world.hub.store).as_ref().map(Store::snapshot);
    let Some(snapshot) = snapshot.filter(|_| !world.hub.disk.is_troubled()) else {
        // Whatever it knew, it has to look at everything again.
        lock(&world.checks.templates).clear();
        return;
    };
    for entry in snapshot.range(&objects_prefix(OWN_GROUP, DECISIONS)) {
        if let Ok(decision) = serde_json::from_slice::<Decision>(&entry.value) {
            one(world, now, &snapshot, &decision);
        }
    }
}

fn one(world: &World, now: Duration, snapshot: &Snapshot, decision: &Decision) {
    let status = &decision.status;
    let applied = condition::find(&status.conditions, "Applied");
    let is_true = applied.is_some_and(|c| c.status == ConditionStatus::True);
    let current = status.observed_generation == decision.metadata.generation;
    let claims = is_true && current && status.desired > 0;
    let template = &decision.spec.template;
    let Some(kind) = Kind::of(&template.kind, &template.namespace) else {
        return;
    };
    let (group, plural, namespace) = kind.place();
    let object = object_key(group, plural, namespace, &template.name).ok();
    let Some(entry) = object.and_then(|key| snapshot.get(key.as_str()).cloned()) else {
        return;
    };
    let object: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
    let since = {
        let mut seen = lock(&world.checks.templates);
        let at = (kind, template.name.clone());
        let seen = seen.entry(at).or_insert((entry.revision.0, now));
        if seen.0 != entry.revision.0 {
            *seen = (entry.revision.0, now);
        }
        seen.1
    };
    if now.saturating_sub(since) < PATIENCE {
        return;
    }
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64);
    let of = object.pointer("/metadata/uid").and_then(Value::as_str);
    if !claims
        || of != Some(template.uid.as_str())
        || generation.is_some_and(|g| g != template.generation)
    {
        // The decision is about an older one, and says so.
        return;
    }
    let Some(version) = version(kind, &object) else {
        return;
    };
    trace::count("sometimes: a decision was said to be applied everywhere");
    let held = lock(&world.checks.held);
    // What a rollout did not let its change to has the one before.
    let as_is = |t: &&Target| !t.held && !t.behind;
    for target in decision.spec.clusters.iter().filter(as_is) {
        let at = (target.name.clone(), (kind, template.name.clone()));
        if target.replicas != Some(0) && !held.contains(&(at, version)) {
            let what = format!(
                "{} says that it is applied, and {} never held version {version} of {}",
                decision.metadata.name, target.name, template.name
            );
            return world.checks.violation("applied means applied", &what);
        }
    }
}
