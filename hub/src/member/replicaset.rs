//! Replica sets: as many pods as wanted.

use serde_json::{Value, json};

use super::cache::Cached;
use super::object::{generation, is_deleting, name, number, text, uid};
use super::pod::{self, is_available, is_ready};
use super::scene::Scene;

pub(super) fn look(scene: &mut Scene<'_>, set: &Cached) {
    if is_deleting(&set.value) {
        return;
    }
    let object = &set.value;
    let wanted = wanted(object);
    let mut pods = scene.active_pods(uid(object));
    let counts = counts(scene, object, &pods);
    scene.update_status(set, status(counts, object));
    if pods.len() > wanted {
        // Those go first that serve least, and of these the newest.
        pods.sort_by_key(|pod| {
            let created = text(&pod.value, "/metadata/creationTimestamp");
            (
                is_ready(&pod.value),
                std::cmp::Reverse(created),
                name(&pod.value),
            )
        });
        for pod in pods.iter().take(pods.len() - wanted) {
            scene.delete(pod);
            if scene.exhausted() {
                return;
            }
        }
    }
    let template = object
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    for _ in pods.len()..wanted {
        let pod_name = format!("{}-{}", name(object), scene.suffix());
        let pod = pod::make(&template, object, ("apps/v1", "ReplicaSet"), &pod_name);
        scene.create("", "pods", pod);
        if scene.exhausted() {
            return;
        }
    }
}

/// How many pods are wanted; one where nothing is said.
pub(super) fn wanted(object: &Value) -> usize {
    usize::try_from(number(object, "/spec/replicas").unwrap_or(1)).unwrap_or(0)
}

struct Counts {
    all: usize,
    ready: usize,
    available: usize,
}

fn counts(scene: &mut Scene<'_>, object: &Value, pods: &[&Cached]) -> Counts {
    let seconds = number(object, "/spec/minReadySeconds").unwrap_or(0);
    let ready = pods.iter().filter(|pod| is_ready(&pod.value)).count();
    let available = pods
        .iter()
        .filter(|pod| is_available(scene, pod, seconds))
        .count();
    Counts {
        all: pods.len(),
        ready,
        available,
    }
}

fn status(counts: Counts, object: &Value) -> Value {
    let Counts {
        all,
        ready,
        available,
    } = counts;
    let mut status = json!({"replicas": all});
    put_counts(
        &mut status,
        &[
            ("fullyLabeledReplicas", all),
            ("readyReplicas", ready),
            ("availableReplicas", available),
        ],
    );
    super::object::set(&mut status, &[], "observedGeneration", generation(object));
    status
}

/// Puts those that are not 0, as the API does.
pub(super) fn put_counts(status: &mut Value, counts: &[(&str, usize)]) {
    for (field, count) in counts.iter().filter(|(_, count)| *count > 0) {
        super::object::set(status, &[], field, *count);
    }
}
