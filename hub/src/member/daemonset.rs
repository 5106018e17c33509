//! Daemon sets: one pod on every node that takes it.

use std::collections::BTreeMap;

use serde_json::json;

use super::cache::Cached;
use super::object::{generation, is_deleting, name, number, set, short_hash, text, uid};
use super::pod::{self, is_available, is_ready};
use super::replicaset::put_counts;
use super::scene::Scene;
use super::schedule::takes;

const HASH: &str = "controller-revision-hash";
const HASH_POINTER: &str = "/metadata/labels/controller-revision-hash";

pub(super) fn look(scene: &mut Scene<'_>, daemon_set: &Cached) {
    let object = &daemon_set.value;
    if is_deleting(object) {
        return;
    }
    let mut template = object
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    let hash = short_hash(&template);
    set(&mut template, &["metadata", "labels"], HASH, hash.as_str());
    let pods = scene.active_pods(uid(object));
    let on: BTreeMap<&str, &Cached> = pods
        .iter()
        .map(|pod| (text(&pod.value, "/spec/nodeName"), *pod))
        .collect();
    let nodes: Vec<&Cached> = scene.cache.range("/objects/core/nodes/").collect();
    // Daemons run on cordoned nodes too; only labels and taints keep them away.
    let eligible: Vec<&str> = nodes
        .iter()
        .filter(|node| {
            let mut node = node.value.clone();
            super::object::map(&mut node, &["spec"]).remove("unschedulable");
            takes(&node, &template)
        })
        .map(|node| name(&node.value))
        .collect();

    write_status(scene, daemon_set, &eligible, &on, &hash);

    for node in &eligible {
        if !on.contains_key(node) {
            let pod_name = format!("{}-{}", name(object), scene.suffix());
            let mut pod = pod::make(&template, object, ("apps/v1", "DaemonSet"), &pod_name);
            set(&mut pod, &["spec"], "nodeName", *node);
            scene.create("", "pods", pod);
        }
    }
    for (node, pod) in &on {
        if !eligible.contains(node) {
            scene.delete(pod);
        }
    }
    for pod in pods
        .iter()
        .filter(|pod| text(&pod.value, "/spec/nodeName").is_empty())
    {
        scene.delete(pod);
    }
    if text(object, "/spec/updateStrategy/type") != "OnDelete" {
        roll(scene, daemon_set, &eligible, &on, &hash);
    }
}

/// Deletes one pod of an older template if all nodes have a pod that serves.
fn roll(
    scene: &mut Scene<'_>,
    daemon_set: &Cached,
    eligible: &[&str],
    on: &BTreeMap<&str, &Cached>,
    hash: &str,
) {
    let seconds = number(&daemon_set.value, "/spec/minReadySeconds").unwrap_or(0);
    let here: Vec<&Cached> = eligible
        .iter()
        .filter_map(|node| on.get(node).copied())
        .collect();
    let outdated = |pod: &Cached| text(&pod.value, HASH_POINTER) != hash;
    // Those that do not serve cost nothing.
    for pod in here
        .iter()
        .filter(|pod| outdated(pod) && !is_ready(&pod.value))
    {
        scene.delete(pod);
    }
    let serving = here
        .iter()
        .filter(|pod| is_available(scene, pod, seconds))
        .count();
    if serving == eligible.len()
        && let Some(pod) = here.iter().find(|pod| outdated(pod))
    {
        scene.delete(pod);
    }
}

fn write_status(
    scene: &mut Scene<'_>,
    daemon_set: &Cached,
    eligible: &[&str],
    on: &BTreeMap<&str, &Cached>,
    hash: &str,
) {
    let object = &daemon_set.value;
    let seconds = number(object, "/spec/minReadySeconds").unwrap_or(0);
    let here: Vec<&Cached> = eligible
        .iter()
        .filter_map(|node| on.get(node).copied())
        .collect();
    let ready = here.iter().filter(|pod| is_ready(&pod.value)).count();
    let available = here
        .iter()
        .filter(|pod| is_available(scene, pod, seconds))
        .count();
    let updated = here
        .iter()
        .filter(|pod| text(&pod.value, HASH_POINTER) == hash)
        .count();
    let mut status = json!({
        "currentNumberScheduled": here.len(),
        "desiredNumberScheduled": eligible.len(),
        "numberMisscheduled": on.keys().filter(|node| !eligible.contains(node)).count(),
        "numberReady": ready,
        "observedGeneration": generation(object),
    });
    put_counts(
        &mut status,
        &[
            ("updatedNumberScheduled", updated),
            ("numberAvailable", available),
            ("numberUnavailable", eligible.len() - available),
        ],
    );
    scene.update_status(daemon_set, status);
}
