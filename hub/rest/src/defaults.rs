//! Defaults of the usual workloads, for APIs that stand for a cluster.
//!
//! A cluster fills these in, and the agent's comparisons with what it applied meet them. Only the
//! kinds that people run every day are here; the hub, whose objects are templates, uses none.

use roadstead_machinery::resource::Resource;
use serde_json::{Map, Value, json};

use crate::meta;

/// Fills in what Kubernetes would.
pub(crate) fn workload(resource: &Resource, object: &mut Value) {
    let kind = (resource.group.as_str(), resource.kind.as_str());
    let template = match kind {
        ("", "Pod") => meta::root(object),
        ("", "Service") => return service(spec(object)),
        ("apps", "Deployment") => deployment(spec(object)),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => {
            default(spec(object), "replicas", 1);
            spec(object)
        }
        ("apps", "StatefulSet") => stateful_set(spec(object)),
        ("apps", "DaemonSet") => daemon_set(spec(object)),
        ("batch", "Job") => job(spec(object)),
        ("batch", "CronJob") => {
            let spec = spec(object);
            default(spec, "concurrencyPolicy", "Allow");
            default(spec, "suspend", false);
            default(spec, "successfulJobsHistoryLimit", 3);
            default(spec, "failedJobsHistoryLimit", 1);
            meta::map(meta::map(spec, "jobTemplate"), "spec")
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => return definition(spec(object)),
        _ => return,
    };
    let holder = if kind == ("", "Pod") {
        template
    } else {
        meta::map(template, "template")
    };
    pod(meta::map(holder, "spec"), matches!(kind.0, "batch"));
}

fn spec(object: &mut Value) -> &mut Map<String, Value> {
    meta::map(meta::root(object), "spec")
}

fn default(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    let missing = map.get(field).is_none_or(Value::is_null);
    if missing {
        map.insert(field.to_owned(), value.into());
    }
}

fn definition(spec: &mut Map<String, Value>) {
    default(meta::map(spec, "conversion"), "strategy", "None");
    let names = meta::map(spec, "names");
    let kind = names
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    default(names, "singular", kind.to_lowercase());
    default(names, "listKind", format!("{kind}List"));
}

fn deployment(spec: &mut Map<String, Value>) -> &mut Map<String, Value> {
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
    let strategy = meta::map(spec, "strategy");
    default(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|t| t == "RollingUpdate") {
        let rolling = meta::map(strategy, "rollingUpdate");
        default(rolling, "maxUnavailable", "25%");
        default(rolling, "maxSurge", "25%");
    }
    spec
}

fn stateful_set(spec: &mut Map<String, Value>) -> &mut Map<String, Value> {
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "podManagementPolicy", "OrderedReady");
    let strategy = meta::map(spec, "updateStrategy");
    default(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|t| t == "RollingUpdate") {
        default(meta::map(strategy, "rollingUpdate"), "partition", 0);
    }
    let retention = meta::map(spec, "persistentVolumeClaimRetentionPolicy");
    default(retention, "whenDeleted", "Retain");
    default(retention, "whenScaled", "Retain");
    spec
}

fn daemon_set(spec: &mut Map<String, Value>) -> &mut Map<String, Value> {
    default(spec, "revisionHistoryLimit", 10);
    let strategy = meta::map(spec, "updateStrategy");
    default(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|t| t == "RollingUpdate") {
        let rolling = meta::map(strategy, "rollingUpdate");
        default(rolling, "maxUnavailable", 1);
        default(rolling, "maxSurge", 0);
    }
    spec
}

fn job(spec: &mut Map<String, Value>) -> &mut Map<String, Value> {
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        default(spec, "completions", 1);
    }
    default(spec, "parallelism", 1);
    default(spec, "backoffLimit", 6);
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "podReplacementPolicy", "TerminatingOrFailed");
    spec
}

fn service(spec: &mut Map<String, Value>) {
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    default(spec, "internalTrafficPolicy", "Cluster");
    for port in items(spec, "ports") {
        default(port, "protocol", "TCP");
        let same = port.get("port").cloned().unwrap_or_default();
        default(port, "targetPort", same);
    }
}

fn pod(spec: &mut Map<String, Value>, job: bool) {
    if !job {
        default(spec, "restartPolicy", "Always");
    }
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "securityContext", json!({}));
    default(spec, "schedulerName", "default-scheduler");
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            default(container, "resources", json!({}));
            default(container, "terminationMessagePath", "/dev/termination-log");
            default(container, "terminationMessagePolicy", "File");
            let image = container
                .get("image")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let pull = pull_policy(image);
            default(container, "imagePullPolicy", pull);
            for port in items(container, "ports") {
                default(port, "protocol", "TCP");
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if let Some(Value::Object(probe)) = container.get_mut(probe) {
                    default(probe, "timeoutSeconds", 1);
                    default(probe, "periodSeconds", 10);
                    default(probe, "successThreshold", 1);
                    default(probe, "failureThreshold", 3);
                }
            }
        }
    }
    for volume in items(spec, "volumes") {
        for source in ["configMap", "secret"] {
            if let Some(Value::Object(source)) = volume.get_mut(source) {
                default(source, "defaultMode", 420);
            }
        }
    }
}

/// An image that may change under its name is always pulled.
fn pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let name = image.rsplit('/').next().unwrap_or_default();
    match name.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn items<'a>(
    map: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = map.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_may_change_are_pulled() {
        let check =
            |image: &str, expected: &str| assert_eq!(pull_policy(image), expected, "{image}");
        check("nginx", "Always");
        check("registry:5000/nginx", "Always");
        check("registry:5000/nginx:latest", "Always");
        check("nginx:1.27", "IfNotPresent");
        check("nginx@sha256:00", "IfNotPresent");
    }
}
