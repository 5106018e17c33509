//! Columns of what runs: Deployments down to Pods, and Jobs.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Printer, age, created, duration, list, number, or_none, text};

pub(super) const DEPLOYMENT: &[Printer] = &[
    Printer("Ready", "string", 0, |o, _| of(o, "/status/readyReplicas")),
    Printer("Up-to-date", "integer", 0, |o, _| {
        json!(number(o, "/status/updatedReplicas"))
    }),
    Printer("Available", "integer", 0, |o, _| {
        json!(number(o, "/status/availableReplicas"))
    }),
    Printer("Age", "string", 0, created),
    Printer("Containers", "string", 1, containers),
    Printer("Images", "string", 1, images),
    Printer("Selector", "string", 1, selector),
];

pub(super) const REPLICA_SET: &[Printer] = &[
    Printer("Desired", "integer", 0, |o, _| json!(wanted(o))),
    Printer("Current", "integer", 0, |o, _| {
        json!(number(o, "/status/replicas"))
    }),
    Printer("Ready", "integer", 0, |o, _| {
        json!(number(o, "/status/readyReplicas"))
    }),
    Printer("Age", "string", 0, created),
    Printer("Containers", "string", 1, containers),
    Printer("Images", "string", 1, images),
    Printer("Selector", "string", 1, selector),
];

pub(super) const STATEFUL_SET: &[Printer] = &[
    Printer("Ready", "string", 0, |o, _| of(o, "/status/readyReplicas")),
    Printer("Age", "string", 0, created),
    Printer("Containers", "string", 1, containers),
    Printer("Images", "string", 1, images),
];

pub(super) const DAEMON_SET: &[Printer] = &[
    Printer("Desired", "integer", 0, |o, _| {
        json!(number(o, "/status/desiredNumberScheduled"))
    }),
    Printer("Current", "integer", 0, |o, _| {
        json!(number(o, "/status/currentNumberScheduled"))
    }),
    Printer("Ready", "integer", 0, |o, _| {
        json!(number(o, "/status/numberReady"))
    }),
    Printer("Up-to-date", "integer", 0, |o, _| {
        json!(number(o, "/status/updatedNumberScheduled"))
    }),
    Printer("Available", "integer", 0, |o, _| {
        json!(number(o, "/status/numberAvailable"))
    }),
    Printer("Node Selector", "string", 0, |o, _| {
        or_none(super::labels(o, "/spec/template/spec/nodeSelector"))
    }),
    Printer("Age", "string", 0, created),
    Printer("Containers", "string", 1, containers),
    Printer("Images", "string", 1, images),
    Printer("Selector", "string", 1, selector),
];

pub(super) const JOB: &[Printer] = &[
    Printer("Status", "string", 0, job_status),
    Printer("Completions", "string", 0, |o, _| {
        let wanted = o
            .pointer("/spec/completions")
            .and_then(Value::as_i64)
            .unwrap_or(1);
        json!(format!("{}/{wanted}", number(o, "/status/succeeded")))
    }),
    Printer("Duration", "string", 0, job_duration),
    Printer("Age", "string", 0, created),
    Printer("Containers", "string", 1, containers),
    Printer("Images", "string", 1, images),
    Printer("Selector", "string", 1, selector),
];

pub(super) const CRON_JOB: &[Printer] = &[
    Printer("Schedule", "string", 0, |o, _| {
        json!(text(o, "/spec/schedule"))
    }),
    Printer("Timezone", "string", 0, |o, _| {
        or_none(text(o, "/spec/timeZone").to_owned())
    }),
    Printer("Suspend", "string", 0, |o, _| {
        let suspended = o.pointer("/spec/suspend") == Some(&Value::Bool(true));
        json!(if suspended { "True" } else { "False" })
    }),
    Printer("Active", "integer", 0, |o, _| {
        json!(list(o, "/status/active").len())
    }),
    Printer("Last Schedule", "string", 0, |o, now| {
        match text(o, "/status/lastScheduleTime") {
            "" => json!("<none>"),
            when => json!(age(when, now)),
        }
    }),
    Printer("Age", "string", 0, created),
];

pub(super) const POD: &[Printer] = &[
    Printer("Ready", "string", 0, |o, _| {
        let states = list(o, "/status/containerStatuses");
        let ready = states.iter().filter(|c| c["ready"] == true).count();
        json!(format!("{ready}/{}", list(o, "/spec/containers").len()))
    }),
    Printer("Status", "string", 0, pod_status),
    Printer("Restarts", "string", 0, |o, _| {
        let states = list(o, "/status/containerStatuses");
        json!(
            states
                .iter()
                .map(|c| number(c, "/restartCount"))
                .sum::<i64>()
                .to_string()
        )
    }),
    Printer("Age", "string", 0, created),
    Printer("IP", "string", 1, |o, _| {
        or_none(text(o, "/status/podIP").to_owned())
    }),
    Printer("Node", "string", 1, |o, _| {
        or_none(text(o, "/spec/nodeName").to_owned())
    }),
    Printer("Nominated Node", "string", 1, |o, _| {
        or_none(text(o, "/status/nominatedNodeName").to_owned())
    }),
    Printer("Readiness Gates", "string", 1, |o, _| {
        match list(o, "/spec/readinessGates").len() {
            0 => json!("<none>"),
            n => json!(n.to_string()),
        }
    }),
];

/// `spec.replicas`, which is 1 where nothing is said.
fn wanted(o: &Value) -> i64 {
    o.pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1)
}

fn of(o: &Value, pointer: &str) -> Value {
    json!(format!("{}/{}", number(o, pointer), wanted(o)))
}

fn each_container(o: &Value, field: &str) -> Value {
    let all = list(o, "/spec/template/spec/containers");
    json!(
        all.iter()
            .map(|c| text(c, field))
            .collect::<Vec<_>>()
            .join(",")
    )
}

fn containers(o: &Value, _: Timestamp) -> Value {
    each_container(o, "/name")
}

fn images(o: &Value, _: Timestamp) -> Value {
    each_container(o, "/image")
}

fn selector(o: &Value, _: Timestamp) -> Value {
    let parsed = o
        .pointer("/spec/selector")
        .and_then(|s| crate::selector::LabelSelector::from_value(s).ok())
        .unwrap_or_default();
    or_none(parsed.to_string())
}

fn pod_status(o: &Value, _: Timestamp) -> Value {
    if o.pointer("/metadata/deletionTimestamp").is_some() {
        return json!("Terminating");
    }
    let waiting = list(o, "/status/containerStatuses")
        .iter()
        .map(|c| match text(c, "/state/waiting/reason") {
            "" => text(c, "/state/terminated/reason"),
            reason => reason,
        })
        .find(|reason| !reason.is_empty());
    let reason = text(o, "/status/reason");
    match (reason.is_empty(), waiting) {
        (false, _) => json!(reason),
        (true, Some(waiting)) => json!(waiting),
        (true, None) => json!(text(o, "/status/phase")),
    }
}

fn job_status(o: &Value, _: Timestamp) -> Value {
    let is = |kind: &str| {
        list(o, "/status/conditions")
            .iter()
            .any(|c| c["type"] == kind && c["status"] == "True")
    };
    json!(match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if is("Suspended") => "Suspended",
        () => "Running",
    })
}

fn job_duration(o: &Value, now: Timestamp) -> Value {
    let Ok(start) = text(o, "/status/startTime").parse::<Timestamp>() else {
        return json!("");
    };
    let end = text(o, "/status/completionTime")
        .parse::<Timestamp>()
        .unwrap_or(now);
    json!(duration(end.as_second() - start.as_second()))
}
