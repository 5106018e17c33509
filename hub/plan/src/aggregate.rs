//! The status of a workload over all clusters, in the shape that its kind has on one: so that
//! `kubectl get deployment` on the hub counts replicas wherever they run.
//!
//! Numbers are sums of what was reported lately; a condition holds when it holds everywhere; a
//! generation is observed when every cluster has what was decided and its controllers have seen it.
//! Kinds that are not listed here get no status on the hub.

use roadstead_protocol::wire::ItemKey;
use serde_json::{Map, Value};

/// One cluster that is to have the workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    /// The workload's `.status` there; `Null` where there is no recent news of it.
    pub status: Value,
    /// The workload's `metadata.generation` there; 0 where it is not known.
    pub generation: i64,
    /// Whether what is there is what was decided last.
    pub current: bool,
}

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

/// The status over all `members` of a workload whose template is at `generation` and had the status
/// `former`. `None` for a kind that gets none. `now` is RFC 3339.
pub fn aggregate(
    key: &ItemKey,
    generation: i64,
    former: &Value,
    members: &[Member],
    now: &str,
) -> Option<Value> {
    let shape = shape(key)?;
    let mut status = Map::new();
    for name in shape.sums {
        let numbers = members.iter().filter_map(|m| m.status.get(*name)?.as_u64());
        let sum = numbers.fold(0, u64::saturating_add);
        if sum > 0 || ALWAYS.contains(name) {
            status.insert((*name).to_owned(), sum.into());
        }
    }
    if key.kind != "Job" {
        let observed = if members.iter().all(settled) {
            generation
        } else {
            former
                .get("observedGeneration")
                .and_then(Value::as_i64)
                .unwrap_or(0)
                .min(generation)
        };
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

/// Whether a member has what was decided, and its controllers have seen that.
fn settled(member: &Member) -> bool {
    let seen = member
        .status
        .get("observedGeneration")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    member.current && seen >= member.generation
}

fn condition(
    shape: &Shape,
    kind: &str,
    former: &Value,
    members: &[Member],
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
