//! Jobs: pods until enough have succeeded.

use std::time::Duration;

use serde_json::{Value, json};

use super::cache::Cached;
use super::object::{
    Condition, conditions, flag, is_deleting, name, number, set, text, timestamp, uid,
};
use super::pod::{self, is_ready};
use super::replicaset::put_counts;
use super::scene::Scene;

pub(super) fn look(scene: &mut Scene<'_>, job: &Cached) {
    let object = &job.value;
    if is_deleting(object) {
        return;
    }
    if !text(object, "/status/completionTime").is_empty() {
        return clean(scene, job);
    }
    let count = |field: &str, default: i64| {
        usize::try_from(number(object, field).unwrap_or(default)).unwrap_or(0)
    };
    let parallelism = count("/spec/parallelism", 1);
    // Without a number of completions one success is enough.
    let completions = count("/spec/completions", 1);
    let suspended = flag(object, "/spec/suspend");
    let active = scene.active_pods(uid(object));
    let pods = scene
        .cache
        .dependents(uid(object))
        .filter(|c| c.is("", "pods"));
    let succeeded = pods
        .filter(|c| text(&c.value, "/status/phase") == "Succeeded")
        .count();

    let complete = succeeded >= completions;
    write_status(scene, job, &active, succeeded, (complete, suspended));
    let wanted = match (complete, suspended) {
        (false, false) => parallelism.min(completions - succeeded),
        (true, _) | (_, true) => 0,
    };
    for pod in active.iter().skip(wanted) {
        scene.delete(pod);
    }
    for _ in active.len()..wanted {
        create(scene, object);
        if scene.exhausted() {
            return;
        }
    }
}

fn create(scene: &mut Scene<'_>, object: &Value) {
    let mut template = object
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    let labels = ["metadata", "labels"];
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", uid(object)),
        ("batch.kubernetes.io/job-name", name(object)),
        ("controller-uid", uid(object)),
        ("job-name", name(object)),
    ] {
        set(&mut template, &labels, label, value);
    }
    let pod_name = format!("{}-{}", name(object), scene.suffix());
    let pod = pod::make(&template, object, ("batch/v1", "Job"), &pod_name);
    scene.create("", "pods", pod);
}

fn write_status(
    scene: &mut Scene<'_>,
    job: &Cached,
    active: &[&Cached],
    succeeded: usize,
    (complete, suspended): (bool, bool),
) {
    let object = &job.value;
    let now = timestamp(scene.now);
    let since = match text(object, "/status/startTime") {
        "" => now.clone(),
        since => since.to_owned(),
    };
    let mut status = json!({"uncountedTerminatedPods": {}, "ready": 0, "terminating": 0});
    let running = if complete { 0 } else { active.len() };
    put_counts(
        &mut status,
        &[("active", running), ("succeeded", succeeded)],
    );
    if !complete {
        let ready = active.iter().filter(|pod| is_ready(&pod.value)).count();
        set(&mut status, &[], "ready", ready);
    }
    if !suspended {
        set(&mut status, &[], "startTime", since);
    }
    let condition = |kind, status, reason, message: &str| Condition {
        kind,
        status,
        reason,
        message: message.to_owned(),
    };
    let mut all = Vec::new();
    if complete {
        let (reason, message) = (
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        );
        all.push(condition("SuccessCriteriaMet", true, reason, message));
        all.push(condition("Complete", true, reason, message));
        set(&mut status, &[], "completionTime", now);
    }
    let was = super::object::list(object, "/status/conditions")
        .iter()
        .any(|c| text(c, "/type") == "Suspended");
    if suspended {
        all.push(condition(
            "Suspended",
            true,
            "JobSuspended",
            "Job suspended",
        ));
    } else if was {
        all.push(condition("Suspended", false, "JobResumed", "Job resumed"));
    }
    let conditions = conditions(object, &all, scene.now, false);
    if conditions.as_array().is_some_and(|c| !c.is_empty()) {
        set(&mut status, &[], "conditions", conditions);
    }
    scene.update_status(job, status);
}

/// Deletes a job that is done when its time has come.
fn clean(scene: &mut Scene<'_>, job: &Cached) {
    let Some(seconds) = number(&job.value, "/spec/ttlSecondsAfterFinished") else {
        return;
    };
    let wait = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    if scene.waited(&job.key, "done", uid(&job.value), wait) {
        scene.delete(job);
    }
}
