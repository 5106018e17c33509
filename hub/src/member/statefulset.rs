//! Stateful sets: numbered pods, one after the other, each with claims of its own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cache::Cached;
use super::object::{
    generation, is_deleting, list, name, namespace, number, set, short_hash, text, uid,
};
use super::pod::{self, is_available, is_ready};
use super::replicaset::{put_counts, wanted};
use super::scene::Scene;

const HASH: &str = "controller-revision-hash";
const HASH_POINTER: &str = "/metadata/labels/controller-revision-hash";

pub(super) fn look(scene: &mut Scene<'_>, stateful_set: &Cached) {
    let object = &stateful_set.value;
    if is_deleting(object) {
        return;
    }
    let hash = object
        .pointer("/spec/template")
        .map_or_else(String::new, short_hash);
    let update = format!("{}-{hash}", name(object));
    let pods: BTreeMap<usize, &Cached> = scene
        .active_pods(uid(object))
        .into_iter()
        .filter_map(|pod| Some((ordinal(name(&pod.value))?, pod)))
        .collect();
    let current = write_status(scene, stateful_set, &pods, &update);
    let parallel = text(object, "/spec/podManagementPolicy") == "Parallel";
    if !resize(scene, object, &pods, (&current, &update), parallel) {
        return;
    }
    if text(object, "/spec/updateStrategy/type") != "OnDelete" {
        roll(scene, object, &pods, &update);
    }
}

fn ordinal(pod_name: &str) -> Option<usize> {
    pod_name.rsplit_once('-')?.1.parse().ok()
}

/// The lowest number whose pod follows the template; those below stay as they were.
fn partition(object: &Value) -> usize {
    let given = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    usize::try_from(given).unwrap_or(0)
}

/// Makes what is missing and deletes what is too much; whether all are there and serve.
fn resize(
    scene: &mut Scene<'_>,
    object: &Value,
    pods: &BTreeMap<usize, &Cached>,
    (current, update): (&str, &str),
    parallel: bool,
) -> bool {
    let wanted = wanted(object);
    let mut complete = true;
    for number in 0..wanted {
        match pods.get(&number) {
            Some(pod) if is_ready(&pod.value) => continue,
            Some(_) => {}
            None => {
                let revision = if number < partition(object) {
                    current
                } else {
                    update
                };
                create(scene, object, number, revision);
            }
        }
        complete = false;
        if !parallel || scene.exhausted() {
            return false;
        }
    }
    for (_, pod) in pods.range(wanted..).rev() {
        scene.delete(pod);
        complete = false;
        if !parallel {
            return false;
        }
    }
    complete
}

fn create(scene: &mut Scene<'_>, object: &Value, number: usize, revision: &str) {
    let pod_name = format!("{}-{number}", name(object));
    let mut template = object
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    let labels = ["metadata", "labels"];
    set(&mut template, &labels, HASH, revision);
    set(
        &mut template,
        &labels,
        "statefulset.kubernetes.io/pod-name",
        pod_name.as_str(),
    );
    set(
        &mut template,
        &labels,
        "apps.kubernetes.io/pod-index",
        number.to_string(),
    );
    let mut pod = pod::make(&template, object, ("apps/v1", "StatefulSet"), &pod_name);
    set(&mut pod, &["spec"], "hostname", pod_name.as_str());
    for claim in list(object, "/spec/volumeClaimTemplates") {
        let claim_name = format!("{}-{pod_name}", name(claim));
        let key = format!(
            "/objects/core/persistentvolumeclaims/{}/{claim_name}",
            namespace(object)
        );
        if scene.cache.get(&key).is_none() {
            let made = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": claim_name, "namespace": namespace(object),
                    "labels": object.pointer("/spec/selector/matchLabels"),
                },
                "spec": claim.get("spec"), "status": {"phase": "Pending"},
            });
            scene.create("", "persistentvolumeclaims", made);
        }
    }
    scene.create("", "pods", pod);
}

/// Deletes the highest pod of an older template; it comes back with the new one.
fn roll(scene: &mut Scene<'_>, object: &Value, pods: &BTreeMap<usize, &Cached>, update: &str) {
    let outdated = |pod: &Cached| text(&pod.value, HASH_POINTER) != update;
    let mut due = pods
        .range(partition(object)..)
        .rev()
        .filter(|(_, pod)| outdated(pod));
    if let Some((_, pod)) = due.next() {
        scene.delete(pod);
    }
}

/// Writes the status; returns the revision that the pods had before the one that is rolled out.
fn write_status(
    scene: &mut Scene<'_>,
    stateful_set: &Cached,
    pods: &BTreeMap<usize, &Cached>,
    update: &str,
) -> String {
    let object = &stateful_set.value;
    let seconds = number(object, "/spec/minReadySeconds").unwrap_or(0);
    let of = |revision: &str| {
        pods.values()
            .filter(|pod| text(&pod.value, HASH_POINTER) == revision)
            .count()
    };
    let ready = pods.values().filter(|pod| is_ready(&pod.value)).count();
    let available = pods
        .values()
        .filter(|pod| is_available(scene, pod, seconds))
        .count();
    let rolled = of(update) == pods.len() && pods.len() == wanted(object);
    let former = text(object, "/status/currentRevision");
    let current = if former.is_empty() || (rolled && partition(object) == 0) {
        update
    } else {
        former
    };
    let mut status = json!({
        "replicas": pods.len(), "availableReplicas": available,
        "currentRevision": current, "updateRevision": update, "collisionCount": 0,
        "observedGeneration": generation(object),
    });
    put_counts(
        &mut status,
        &[
            ("readyReplicas", ready),
            ("currentReplicas", of(current)),
            ("updatedReplicas", of(update)),
        ],
    );
    scene.update_status(stateful_set, status);
    current.to_owned()
}
