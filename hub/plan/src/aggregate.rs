//! The status of a workload over all clusters, in the shape that its kind has on one: so that
//! `kubectl get deployment` on the hub counts replicas wherever they run.
//!
//! Numbers are sums of what was reported lately; a condition holds when it holds everywhere; a
//! generation is observed when every cluster has what was decided and its controllers have seen it.
//! A kind that is not listed here is as its interpreter says; without one, the status of the one cluster
//! that has it is mirrored, and of several nothing is said: they are never summed up by guess.

use roadstead_protocol::wire::ItemKey;
use serde_json::{Map, Value};

use crate::interpreter::Interpreter;
use crate::observed::Observed;

/// What is summed up and what is judged of a kind's status.
struct Shape {
    sums: &'static [&'static str],
    conditions: &'static [&'static str],
    /// Whether conditions carry `lastUpdateTime` (Deployment) or `lastProbeTime` (Job) too.
    extra_time: Option<&'static str>,
}

fn shape(key: &ItemKey) -> Option<Shape> {
    let (sums, conditions, extra_time): (&[&str], &[&str], _) =
        match (key.group.as_str(), key.kind.as_str()) {
            ("apps", "Deployment") => (
                &[
                    "replicas",
                    "updatedReplicas",
                    "readyReplicas",
                    "availableReplicas",
                    "unavailableReplicas",
                ],
                &["Available", "Progressing"],
                Some("lastUpdateTime"),
            ),
            ("apps", "StatefulSet") => (
                &[
                    "replicas",
                    "readyReplicas",
                    "currentReplicas",
                    "updatedReplicas",
                    "availableReplicas",
                ],
                &[],
                None,
            ),
            ("apps", "DaemonSet") => (
                &[
                    "currentNumberScheduled",
                    "numberMisscheduled",
                    "desiredNumberScheduled",
                    "numberReady",
                    "updatedNumberScheduled",
                    "numberAvailable",
                    "numberUnavailable",
                ],
                &[],
                None,
            ),
            ("apps", "ReplicaSet") => (
                &[
                    "replicas",
                    "fullyLabeledReplicas",
                    "readyReplicas",
                    "availableReplicas",
                ],
                &[],
                None,
            ),
            ("batch", "Job") => (
                &["active", "ready", "succeeded", "failed"],
                &["Complete"],
                Some("lastProbeTime"),
            ),
            _ => return None,
        };
    Some(Shape {
        sums,
        conditions,
        extra_time,
    })
}

/// Sums that Kubernetes requires to be there also when they are zero.
const ALWAYS: &[&str] = &[
    "replicas",
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
];

/// Kinds whose status the hub itself writes: `group/kind`.
const OWN: &[&str] = &[
    "/Namespace",
    "/Node",
    "/ResourceQuota",
    "apiextensions.k8s.io/CustomResourceDefinition",
];

/// What is there of a template, to fold statuses into.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What names it.
    pub key: &'a ItemKey,
    /// The object on the hub.
    pub object: &'a Value,
    /// What people tell of its kind.
    pub interpreter: Option<&'a Interpreter>,
    /// How many replicas are to run over all clusters, where override policies pin some of them.
    pub pinned: Option<u64>,
}

impl Subject<'_> {
    fn generation(&self) -> i64 {
        let generation = self.object.pointer("/metadata/generation");
        generation.and_then(Value::as_i64).unwrap_or(0)
    }

    /// The generation that all `members` have reported, or the one that they had before.
    fn observed(&self, members: &[Observed]) -> i64 {
        let generation = self.generation();
        if members.iter().all(settled) {
            return generation;
        }
        let former = self.object.pointer("/status/observedGeneration");
        former.and_then(Value::as_i64).unwrap_or(0).min(generation)
    }
}

/// The status over all `members` of a template. `None` where nothing is to be said of it. `now` is RFC
/// 3339.
pub fn aggregate(subject: Subject<'_>, members: &[Observed], now: &str) -> Option<Value> {
    let Some(shape) = shape(subject.key) else {
        return reflected(subject, members);
    };
    let former = subject.object.get("status").unwrap_or(&Value::Null);
    let mut status = Map::new();
    for name in shape.sums {
        let numbers = members.iter().filter_map(|m| m.status.get(*name)?.as_u64());
        let sum = numbers.fold(0, u64::saturating_add);
        if sum > 0 || ALWAYS.contains(name) {
            status.insert((*name).to_owned(), sum.into());
        }
    }
    round_up(subject, &mut status);
    if subject.key.kind != "Job" {
        let observed = subject.observed(members);
        status.insert("observedGeneration".to_owned(), observed.into());
    }
    let conditions: Vec<Value> = shape
        .conditions
        .iter()
        .filter_map(|kind| condition(&shape, kind, former, members, now))
        .collect();
    if !conditions.is_empty() {
        status.insert("conditions".to_owned(), conditions.into());
    }
    Some(Value::Object(status))
}

/// Counts what override policies leave out of the object's number of replicas as done, once all that is to
/// run is there: who waits for that number would wait for ever.
fn round_up(subject: Subject<'_>, status: &mut Map<String, Value>) {
    let counts: &[&str] = match (subject.key.group.as_str(), subject.key.kind.as_str()) {
        ("apps", "Deployment") => &["updatedReplicas", "availableReplicas"],
        ("apps", "StatefulSet") => &["updatedReplicas", "availableReplicas", "readyReplicas"],
        _ => return,
    };
    let Some(pinned) = subject.pinned else { return };
    let whole = subject.object.pointer("/spec/replicas");
    let whole = whole.and_then(Value::as_u64).unwrap_or(1);
    let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or(0);
    let counted: Vec<u64> = counts.iter().map(|name| number(name)).collect();
    if whole <= pinned || counted.iter().any(|count| *count < pinned) {
        return;
    }
    for (name, count) in counts.iter().zip(counted) {
        status.insert((*name).to_owned(), count.max(whole).into());
    }
}

/// The status of an object of a kind that is not summed up by the table.
fn reflected(subject: Subject<'_>, members: &[Observed]) -> Option<Value> {
    let key = subject.key;
    if OWN.contains(&format!("{}/{}", key.group, key.kind).as_str()) {
        return None;
    }
    let told = subject.interpreter.filter(|told| told.aggregates());
    let said: Vec<&Value> = members.iter().map(|m| &m.status).collect();
    let said: Vec<&Value> = said.into_iter().filter(|s| s.is_object()).collect();
    let status = match (told, members) {
        // What fails on what is there now leaves what was said before.
        (Some(told), _) => told.status(subject.object, &said)?,
        (None, [one]) if one.status.is_object() => one.status.clone(),
        (None, [one]) if one.away => return None,
        (None, _) => return emptied(subject.object),
    };
    Some(dated(subject, status, members))
}

/// Nothing, where a status of one cluster alone would be left from before.
fn emptied(object: &Value) -> Option<Value> {
    let status = object.get("status")?.as_object()?;
    let means = |value: &Value| match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    let left = status.values().any(means);
    left.then(|| Value::Object(Map::new()))
}

/// A status with the generations of the object on the hub in it, in place of those of the clusters.
fn dated(subject: Subject<'_>, mut status: Value, members: &[Observed]) -> Value {
    const OBSERVED: &str = "observedGeneration";
    let counts = |status: &Value| status.get(OBSERVED).is_some_and(Value::is_i64);
    let counted = counts(&status) || members.iter().any(|m| counts(&m.status));
    let observed = Value::from(subject.observed(members));
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        if let Some(at) = condition.get_mut(OBSERVED) {
            *at = observed.clone();
        }
    }
    if let Some(map) = status.as_object_mut().filter(|_| counted) {
        map.insert(OBSERVED.to_owned(), observed);
    }
    status
}

/// Whether a member has what was decided, and its controllers have seen that.
fn settled(member: &Observed) -> bool {
    let seen = member
        .status
        .get("observedGeneration")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    member.applied && seen >= member.generation
}

fn condition(
    shape: &Shape,
    kind: &str,
    former: &Value,
    members: &[Observed],
    now: &str,
) -> Option<Value> {
    let of = |status: &Value| -> Option<Value> {
        let all = status.get("conditions")?.as_array()?;
        all.iter()
            .find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
            .cloned()
    };
    let text = |condition: &Value, field: &str| {
        condition
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let found: Vec<Option<Value>> = members.iter().map(|m| of(&m.status)).collect();
    let word = |c: &Option<Value>| c.as_ref().map(|c| text(c, "status"));
    let worst = found
        .iter()
        .find(|c| word(c).as_deref() == Some("False"))
        .or_else(|| found.iter().find(|c| word(c).as_deref() != Some("True")))
        .or_else(|| found.first())?;
    let was = of(former);
    let mut new = Map::new();
    let mut put = |field: &str, value: String| new.insert(field.to_owned(), value.into());
    let status = word(worst).unwrap_or_else(|| "Unknown".to_owned());
    let kept = was.as_ref().filter(|was| text(was, "status") == status);
    let since = kept.map_or_else(|| now.to_owned(), |was| text(was, "lastTransitionTime"));
    put("type", kind.to_owned());
    put("status", status);
    put(
        "reason",
        worst
            .as_ref()
            .map_or_else(|| "NoNews".to_owned(), |c| text(c, "reason")),
    );
    let silent = || "a cluster has not said anything about it lately".to_owned();
    put(
        "message",
        worst.as_ref().map_or_else(silent, |c| text(c, "message")),
    );
    if let Some(field) = shape.extra_time {
        put(field, since.clone());
    }
    put("lastTransitionTime", since);
    Some(Value::Object(new))
}
