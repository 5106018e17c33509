//! How an object is, by its kind's own rules.
//!
//! Only what the object says of itself counts, and only where it says it of its present generation.
//! One function per kind; a kind without one is judged by its `conditions`.

use roadstead_protocol::wire::report::Health;
use serde_json::Value;

/// The health of `object`, and why, where there is something to say.
pub fn of(group: &str, kind: &str, object: &Value) -> (Health, String) {
    let judged = match (group, kind) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replica_set(object),
        ("batch", "Job") => job(object),
        ("batch", "CronJob") => cron_job(object),
        ("", "Pod") => pod(object),
        ("", "Service") => service(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => generic(object),
    };
    judged.unwrap_or((Health::Healthy, String::new()))
}

type Judged = Option<(Health, String)>;

fn int(object: &Value, pointer: &str, default: i64) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or(default)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn flag(object: &Value, pointer: &str) -> bool {
    object
        .pointer(pointer)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

fn progressing(why: impl Into<String>) -> Judged {
    Some((Health::Progressing, why.into()))
}

fn degraded(why: impl Into<String>) -> Judged {
    Some((Health::Degraded, why.into()))
}

/// Progressing while the controller has not seen the present generation.
fn unseen(object: &Value) -> Judged {
    let generation = int(object, "/metadata/generation", 0);
    let observed = int(object, "/status/observedGeneration", 0);
    if observed < generation {
        progressing("its controller has not seen the latest change yet")
    } else {
        None
    }
}

/// The status and the words of the condition `name`.
fn condition<'a>(object: &'a Value, name: &str) -> Option<(&'a str, String)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|c| c.get("type").and_then(Value::as_str) == Some(name))?;
    let words = [text(found, "/reason"), text(found, "/message")];
    let words: Vec<&str> = words.into_iter().filter(|w| !w.is_empty()).collect();
    Some((text(found, "/status"), words.join(": ")))
}

fn deployment(object: &Value) -> Judged {
    let paused = flag(object, "/spec/paused");
    if let Some(judged) = unseen(object) {
        return Some(judged);
    }
    if let Some(("False", why)) = condition(object, "Progressing") {
        return degraded(why);
    }
    if let Some(("True", why)) = condition(object, "ReplicaFailure") {
        return degraded(why);
    }
    let wanted = int(object, "/spec/replicas", 1);
    let updated = int(object, "/status/updatedReplicas", 0);
    let all = int(object, "/status/replicas", 0);
    let available = int(object, "/status/availableReplicas", 0);
    if paused && updated < wanted {
        return Some((Health::Suspended, "its rollout is paused".to_owned()));
    }
    if updated < wanted {
        return progressing(format!("{updated} of {wanted} replicas are updated"));
    }
    if all > updated {
        return progressing(format!("{} old replicas are still there", all - updated));
    }
    if available < updated {
        return progressing(format!("{available} of {updated} replicas are available"));
    }
    None
}

fn stateful_set(object: &Value) -> Judged {
    if let Some(judged) = unseen(object) {
        return Some(judged);
    }
    let wanted = int(object, "/spec/replicas", 1);
    let ready = int(object, "/status/readyReplicas", 0);
    if ready < wanted {
        return progressing(format!("{ready} of {wanted} replicas are ready"));
    }
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return None;
    }
    let partition = int(object, "/spec/updateStrategy/rollingUpdate/partition", 0);
    let updated = int(object, "/status/updatedReplicas", 0);
    let expected = (wanted - partition).max(0);
    let (current, update) = (
        text(object, "/status/currentRevision"),
        text(object, "/status/updateRevision"),
    );
    if current != update && updated < expected {
        return progressing(format!("{updated} of {expected} replicas are updated"));
    }
    None
}

fn daemon_set(object: &Value) -> Judged {
    if let Some(judged) = unseen(object) {
        return Some(judged);
    }
    let wanted = int(object, "/status/desiredNumberScheduled", 0);
    let updated = int(object, "/status/updatedNumberScheduled", 0);
    let available = int(object, "/status/numberAvailable", 0);
    if text(object, "/spec/updateStrategy/type") != "OnDelete" && updated < wanted {
        return progressing(format!("{updated} of {wanted} nodes are updated"));
    }
    if available < wanted {
        return progressing(format!("it is available on {available} of {wanted} nodes"));
    }
    None
}

fn replica_set(object: &Value) -> Judged {
    if let Some(judged) = unseen(object) {
        return Some(judged);
    }
    if let Some(("True", why)) = condition(object, "ReplicaFailure") {
        return degraded(why);
    }
    let wanted = int(object, "/spec/replicas", 1);
    let available = int(object, "/status/availableReplicas", 0);
    if available < wanted {
        return progressing(format!("{available} of {wanted} replicas are available"));
    }
    None
}

fn job(object: &Value) -> Judged {
    if let Some(("True", why)) = condition(object, "Failed") {
        return degraded(why);
    }
    if let Some(("True", _)) = condition(object, "Complete") {
        return None;
    }
    if flag(object, "/spec/suspend") {
        return Some((Health::Suspended, "it is suspended".to_owned()));
    }
    progressing(match int(object, "/status/active", 0) {
        1 => "1 pod is active".to_owned(),
        n => format!("{n} pods are active"),
    })
}

fn cron_job(object: &Value) -> Judged {
    flag(object, "/spec/suspend").then(|| (Health::Suspended, "it is suspended".to_owned()))
}

fn pod(object: &Value) -> Judged {
    match text(object, "/status/phase") {
        "Succeeded" => return None,
        "Failed" => {
            let why = [
                text(object, "/status/reason"),
                text(object, "/status/message"),
            ];
            return degraded(why.join(" ").trim().to_owned());
        }
        _ => {}
    }
    let statuses = object
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array);
    for status in statuses.into_iter().flatten() {
        let reason = text(status, "/state/waiting/reason");
        if matches!(
            reason,
            "CrashLoopBackOff"
                | "ErrImagePull"
                | "ImagePullBackOff"
                | "CreateContainerConfigError"
                | "InvalidImageName"
        ) {
            return degraded(format!(
                "container {} waits: {reason}",
                text(status, "/name")
            ));
        }
    }
    match condition(object, "Ready") {
        Some(("True", _)) => None,
        Some((_, why)) => progressing(why),
        None => progressing("it is not ready yet"),
    }
}

fn service(object: &Value) -> Judged {
    let balanced = text(object, "/spec/type") == "LoadBalancer";
    let ingress = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array);
    if balanced && ingress.is_none_or(Vec::is_empty) {
        return progressing("its load balancer has no address yet");
    }
    None
}

fn claim(object: &Value) -> Judged {
    match text(object, "/status/phase") {
        "Bound" => None,
        "Lost" => degraded("its volume is lost"),
        _ => progressing("it is not bound yet"),
    }
}

fn definition(object: &Value) -> Judged {
    if let Some(("False", why)) = condition(object, "NamesAccepted") {
        return degraded(why);
    }
    match condition(object, "Established") {
        Some(("True", _)) => None,
        Some((_, why)) => progressing(why),
        None => progressing("it is not established yet"),
    }
}

/// The usual conditions: a bad one wins, then the first of the good ones that is there.
fn generic(object: &Value) -> Judged {
    for bad in ["Stalled", "Failed", "Degraded"] {
        if let Some(("True", why)) = condition(object, bad) {
            return degraded(why);
        }
    }
    let observed = object
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    if observed.is_some_and(|seen| seen < int(object, "/metadata/generation", 0)) {
        return progressing("its controller has not seen the latest change yet");
    }
    for good in [
        "Ready",
        "Available",
        "Healthy",
        "Succeeded",
        "Complete",
        "Established",
    ] {
        match condition(object, good) {
            Some(("True", _)) => return None,
            Some(("False", why)) => return progressing(why),
            Some((_, why)) => return Some((Health::Unknown, why)),
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
