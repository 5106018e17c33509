//! Pods: scheduled, then running and ready after a while, as scheduler and kubelet would do it.
//!
//! An image whose tag is `missing` cannot be pulled, and none can by some nodes. A pod that is not to be restarted succeeds
//! after a while.

use std::time::Duration;

use roadstead_protocol::wire::Digest;
use serde_json::{Value, json};

use super::cache::Cached;
use super::object::{
    Condition, conditions, controlled_by, is_deleting, list, map, namespace, set, text, timestamp,
    uid,
};
use super::scene::Scene;
use super::{NO_IMAGES, schedule};

/// The tag that no registry has.
const MISSING_TAG: &str = ":missing";

/// Neither done nor going.
pub(super) fn is_active(pod: &Value) -> bool {
    !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") && !is_deleting(pod)
}

/// Waits for a node.
pub(super) fn is_waiting(pod: &Value) -> bool {
    text(pod, "/spec/nodeName").is_empty() && is_active(pod)
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let ready = list(pod, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == "Ready");
    ready.is_some_and(|c| text(c, "/status") == "True") && is_active(pod)
}

/// Whether it has been ready for so many seconds; if not, the scene looks again when it will be.
pub(super) fn is_available(scene: &mut Scene<'_>, pod: &Cached, min_seconds: i64) -> bool {
    let wait = Duration::from_secs(u64::try_from(min_seconds).unwrap_or(0));
    is_ready(&pod.value)
        && (wait.is_zero() || scene.waited(&pod.key, "available", uid(&pod.value), wait))
}

/// A pod named `name` as `template` wants it, controlled by `owner`.
pub(super) fn make(
    template: &Value,
    owner: &Value,
    (version, kind): (&str, &str),
    name: &str,
) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace(owner),
            "ownerReferences": controlled_by(version, kind, owner),
        },
        "spec": template.get("spec").cloned().unwrap_or_default(),
        "status": {"phase": "Pending"},
    });
    for field in ["labels", "annotations"] {
        if let Some(value) = template.pointer(&format!("/metadata/{field}")) {
            set(&mut pod, &["metadata"], field, value.clone());
        }
    }
    pod
}

pub(super) fn look(scene: &mut Scene<'_>, pod: &Cached) {
    let node = text(&pod.value, "/spec/nodeName");
    if !is_active(&pod.value) {
        return;
    }
    if node.is_empty() {
        return schedule(scene, pod);
    }
    let Some(node) = scene.cache.get(&format!("/objects/core/nodes/_/{node}")) else {
        return scene.delete(pod);
    };
    let host = text(&node.value, "/status/addresses/0/address");
    match text(&pod.value, "/status/phase") {
        "Running" => finish(scene, pod),
        _ if unpullable(&pod.value) || pulls_nothing(&node.value) => refuse(scene, pod, host),
        _ => {
            if scene.waited(
                &pod.key,
                "starting",
                uid(&pod.value),
                scene.options.ready_after,
            ) {
                run(scene, pod, host);
            }
        }
    }
}

fn schedule(scene: &mut Scene<'_>, pod: &Cached) {
    let mut value = pod.value.clone();
    let (status, reason, message) = match schedule::place(scene.cache, &pod.value) {
        Ok(node) => {
            set(&mut value, &["spec"], "nodeName", node);
            (true, "", String::new())
        }
        Err(refusal) => (false, "Unschedulable", refusal),
    };
    let scheduled = Condition {
        kind: "PodScheduled",
        status,
        reason,
        message,
    };
    let conditions = conditions(&pod.value, &[scheduled], scene.now, false);
    set(&mut value, &["status"], "phase", "Pending");
    set(&mut value, &["status"], "conditions", conditions);
    scene.update(pod, &value);
}

fn containers(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(pod, "/spec/containers")
        .iter()
        .map(|c| (text(c, "/name"), text(c, "/image")))
}

fn unpullable(pod: &Value) -> bool {
    containers(pod).any(|(_, image)| image.ends_with(MISSING_TAG))
}

fn pulls_nothing(node: &Value) -> bool {
    let annotations = node.pointer("/metadata/annotations");
    annotations.is_some_and(|all| all.get(NO_IMAGES).is_some())
}

/// The conditions of a pod whose containers are `ready`, or not for a reason.
fn ready_conditions(scene: &Scene<'_>, pod: &Value, ready: bool, reason: &str) -> Value {
    let condition = |kind, status, reason| Condition {
        kind,
        status,
        reason,
        message: String::new(),
    };
    let all = [
        condition("Initialized", true, ""),
        condition("Ready", ready, reason),
        condition("ContainersReady", ready, reason),
        condition("PodScheduled", true, ""),
    ];
    conditions(pod, &all, scene.now, false)
}

/// Writes what the kubelet says; the fields of `more` beside phase, conditions and containers.
fn write(scene: &mut Scene<'_>, pod: &Cached, phase: &str, said: (Value, Vec<Value>), more: Value) {
    let mut value = pod.value.clone();
    let (conditions, containers) = said;
    let status = map(&mut value, &["status"]);
    status
        .entry("startTime")
        .or_insert_with(|| timestamp(scene.now).into());
    if let Value::Object(more) = more {
        status.extend(more);
    }
    set(&mut value, &["status"], "phase", phase);
    set(&mut value, &["status"], "conditions", conditions);
    set(&mut value, &["status"], "containerStatuses", containers);
    scene.update(pod, &value);
}

fn refuse(scene: &mut Scene<'_>, pod: &Cached, host: &str) {
    let statuses = containers(&pod.value).map(|(name, image)| {
        json!({
            "name": name, "image": image, "imageID": "", "ready": false, "started": false,
            "restartCount": 0,
            "state": {"waiting": {
                "reason": "ImagePullBackOff",
                "message": format!("Back-off pulling image \"{image}\""),
            }},
        })
    });
    let conditions = ready_conditions(scene, &pod.value, false, "ContainersNotReady");
    let said = (conditions, statuses.collect());
    write(scene, pod, "Pending", said, json!({"hostIP": host}));
}

fn run(scene: &mut Scene<'_>, pod: &Cached, host: &str) {
    let now = timestamp(scene.now);
    let statuses = containers(&pod.value).map(|(name, image)| {
        json!({
            "name": name, "image": image, "imageID": image, "ready": true, "started": true,
            "restartCount": 0, "state": {"running": {"startedAt": now}},
        })
    });
    let conditions = ready_conditions(scene, &pod.value, true, "");
    let Digest(hash) = Digest::of(uid(&pod.value).as_bytes());
    let address = format!("10.244.{}.{}", hash[0], hash[1].max(1));
    let more = json!({"hostIP": host, "podIP": address, "podIPs": [{"ip": address}]});
    let said = (conditions, statuses.collect());
    write(scene, pod, "Running", said, more);
}

/// A pod that is not restarted succeeds once it has run its time.
fn finish(scene: &mut Scene<'_>, pod: &Cached) {
    let restarted = !matches!(
        text(&pod.value, "/spec/restartPolicy"),
        "Never" | "OnFailure"
    );
    if restarted
        || !scene.waited(
            &pod.key,
            "running",
            uid(&pod.value),
            scene.options.job_takes,
        )
    {
        return;
    }
    let now = timestamp(scene.now);
    let statuses = list(&pod.value, "/status/containerStatuses")
        .iter()
        .map(|status| {
            let mut status = status.clone();
            let since = text(&status, "/state/running/startedAt").to_owned();
            let done = json!({"terminated": {
                "exitCode": 0, "reason": "Completed", "startedAt": since, "finishedAt": now,
            }});
            set(&mut status, &[], "ready", false);
            set(&mut status, &[], "started", false);
            set(&mut status, &[], "state", done);
            status
        });
    let conditions = ready_conditions(scene, &pod.value, false, "PodCompleted");
    let said = (conditions, statuses.collect());
    write(scene, pod, "Succeeded", said, Value::Null);
}
