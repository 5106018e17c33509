//! Deployments: a replica set per template, rolled over within the strategy's limits.

use std::time::Duration;

use serde_json::{Value, json};

use super::cache::Cached;
use super::object::{
    Condition, conditions, controlled_by, flag, generation, is_deleting, list, map, name,
    namespace, number, set, short_hash, text, uid,
};
use super::replicaset::{put_counts, wanted};
use super::rollout::{Limits, Size, step};
use super::scene::Scene;

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_POINTER: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";
/// Seconds without progress after which a rollout has failed, where nothing is said.
const DEADLINE_SECONDS: i64 = 600;
/// Old replica sets that are kept, where nothing is said.
const HISTORY: i64 = 10;

pub(super) fn look(scene: &mut Scene<'_>, deployment: &Cached) {
    let object = &deployment.value;
    if is_deleting(object) {
        return;
    }
    let mut sets = owned(scene, object);
    let new = sets
        .iter()
        .position(|set| same_template(&set.value, object))
        .map(|at| sets.remove(at));
    let paused = flag(object, "/spec/paused");
    match new {
        Some(new) => roll(scene, object, new, &sets, paused),
        None if paused => {}
        None => create(scene, object, &sets),
    }
    update(scene, deployment, new, &sets);
    forget(scene, object, &sets);
}

/// The replica sets that the deployment controls, oldest first.
fn owned<'s>(scene: &Scene<'s>, object: &Value) -> Vec<&'s Cached> {
    let sets = scene
        .cache
        .dependents(uid(object))
        .filter(|c| c.is("apps", "replicasets"));
    let mut sets: Vec<_> = sets.filter(|c| !is_deleting(&c.value)).collect();
    sets.sort_by_key(|set| (revision(&set.value), name(&set.value).to_owned()));
    sets
}

fn revision(object: &Value) -> u64 {
    text(object, REVISION_POINTER).parse().unwrap_or(0)
}

fn same_template(set: &Value, deployment: &Value) -> bool {
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    map(&mut template, &["metadata", "labels"]).remove(HASH);
    let mut wanted = deployment
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    map(&mut wanted, &["metadata", "labels"]);
    template == wanted
}

fn create(scene: &mut Scene<'_>, object: &Value, olds: &[&Cached]) {
    let mut template = object
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    let hash = short_hash(&template);
    set(&mut template, &["metadata", "labels"], HASH, hash.as_str());
    let mut selector = object
        .pointer("/spec/selector")
        .cloned()
        .unwrap_or_default();
    set(&mut selector, &["matchLabels"], HASH, hash.as_str());
    let desired = wanted(object);
    let limits = Limits::of(object, desired);
    let sizes: Vec<Size> = olds.iter().map(|old| size(&old.value)).collect();
    let blocked = recreates(object) && sizes.iter().any(|old| old.available > 0 || old.wanted > 0);
    let (replicas, _) = step(
        desired,
        limits,
        Size {
            wanted: 0,
            available: 0,
        },
        &sizes,
    );
    let revision = olds.last().map_or(0, |old| revision(&old.value)) + 1;
    let mut replica_set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", name(object)), "namespace": namespace(object),
            "labels": template.pointer("/metadata/labels"),
            "annotations": {REVISION: revision.to_string()},
            "ownerReferences": controlled_by("apps/v1", "Deployment", object),
        },
        "spec": {
            "replicas": if blocked { 0 } else { replicas },
            "selector": selector, "template": template,
        },
        "status": {"replicas": 0},
    });
    if let Some(seconds) = number(object, "/spec/minReadySeconds") {
        set(&mut replica_set, &["spec"], "minReadySeconds", seconds);
    }
    scene.create("apps", "replicasets", replica_set);
}

fn recreates(object: &Value) -> bool {
    text(object, "/spec/strategy/type") == "Recreate"
}

fn size(set: &Value) -> Size {
    let available = number(set, "/status/availableReplicas").unwrap_or(0);
    Size {
        wanted: wanted(set),
        available: usize::try_from(available).unwrap_or(0),
    }
}

fn roll(scene: &mut Scene<'_>, object: &Value, new: &Cached, olds: &[&Cached], paused: bool) {
    let desired = wanted(object);
    let limits = Limits::of(object, desired);
    let sizes: Vec<Size> = olds.iter().map(|old| size(&old.value)).collect();
    let current = size(&new.value);
    let old_pods = olds
        .iter()
        .any(|old| number(&old.value, "/status/replicas").unwrap_or(0) > 0);
    let (grown, shrunk) = if recreates(object) && sizes.iter().any(|old| old.wanted > 0) {
        (current.wanted, vec![0; olds.len()])
    } else if recreates(object) && old_pods || paused && sizes.iter().any(|old| old.wanted > 0) {
        (current.wanted, sizes.iter().map(|old| old.wanted).collect())
    } else {
        step(desired, limits, current, &sizes)
    };
    let newest = olds.last().map_or(0, |old| revision(&old.value));
    let revision = revision(&new.value).max(newest + 1);
    resize(scene, new, grown, Some(revision));
    for (old, replicas) in olds.iter().zip(shrunk) {
        resize(scene, old, replicas, None);
    }
}

fn resize(scene: &mut Scene<'_>, replica_set: &Cached, replicas: usize, revision: Option<u64>) {
    let mut value = replica_set.value.clone();
    if wanted(&value) != replicas {
        let next = generation(&value) + 1;
        set(&mut value, &["metadata"], "generation", next);
        set(&mut value, &["spec"], "replicas", replicas);
    }
    if let Some(revision) = revision {
        set(
            &mut value,
            &["metadata", "annotations"],
            REVISION,
            revision.to_string(),
        );
    }
    scene.update(replica_set, &value);
}

/// What all replica sets together have.
#[derive(Default)]
struct Totals {
    all: usize,
    updated: usize,
    ready: usize,
    available: usize,
}

fn totals(new: Option<&Cached>, olds: &[&Cached]) -> Totals {
    let count = |set: &Cached, field: &str| {
        usize::try_from(number(&set.value, &format!("/status/{field}")).unwrap_or(0)).unwrap_or(0)
    };
    let mut totals = Totals::default();
    for replica_set in olds.iter().copied().chain(new) {
        totals.all += count(replica_set, "replicas");
        totals.ready += count(replica_set, "readyReplicas");
        totals.available += count(replica_set, "availableReplicas");
    }
    totals.updated = new.map_or(0, |new| count(new, "replicas"));
    totals
}

/// Writes status and revision as the deployment's replica sets are now.
fn update(scene: &mut Scene<'_>, deployment: &Cached, new: Option<&Cached>, olds: &[&Cached]) {
    let object = &deployment.value;
    let totals = totals(new, olds);
    let desired = wanted(object);
    let all = [
        available_condition(object, &totals, desired),
        progress_condition(scene, deployment, new, &totals),
    ];
    let conditions = conditions(object, &all, scene.now, true);
    let mut status = json!({"observedGeneration": generation(object), "conditions": conditions});
    put_counts(
        &mut status,
        &[
            ("replicas", totals.all),
            ("updatedReplicas", totals.updated),
            ("readyReplicas", totals.ready),
            ("availableReplicas", totals.available),
            (
                "unavailableReplicas",
                desired.max(totals.all).saturating_sub(totals.available),
            ),
        ],
    );
    let mut value = object.clone();
    set(&mut value, &[], "status", status);
    if let Some(new) = new.filter(|new| revision(&new.value) > 0) {
        let revision = revision(&new.value).to_string();
        set(&mut value, &["metadata", "annotations"], REVISION, revision);
    }
    scene.update(deployment, &value);
}

fn available_condition(object: &Value, totals: &Totals, desired: usize) -> Condition<'static> {
    let least = desired.saturating_sub(Limits::of(object, desired).unavailable);
    let (status, reason, message) = if totals.available >= least {
        (
            true,
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            false,
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    Condition {
        kind: "Available",
        status,
        reason,
        message: message.to_owned(),
    }
}

fn progress_condition(
    scene: &mut Scene<'_>,
    deployment: &Cached,
    new: Option<&Cached>,
    totals: &Totals,
) -> Condition<'static> {
    let object = &deployment.value;
    let kind = "Progressing";
    let Some(new) = new else {
        let message = "Created new replica set".to_owned();
        return Condition {
            kind,
            status: true,
            reason: "NewReplicaSetCreated",
            message,
        };
    };
    let set_name = name(&new.value);
    let Totals {
        all,
        updated,
        ready,
        available,
    } = *totals;
    let desired = wanted(object);
    if updated == desired && all == desired && available == desired {
        let message = format!("ReplicaSet \"{set_name}\" has successfully progressed.");
        return Condition {
            kind,
            status: true,
            reason: "NewReplicaSetAvailable",
            message,
        };
    }
    let seconds = number(object, "/spec/progressDeadlineSeconds").unwrap_or(DEADLINE_SECONDS);
    let deadline = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let state = format!("{} {all} {updated} {ready} {available}", generation(object));
    if scene.waited(&deployment.key, "progress", &state, deadline) {
        let message = format!("ReplicaSet \"{set_name}\" has timed out progressing.");
        return Condition {
            kind,
            status: false,
            reason: "ProgressDeadlineExceeded",
            message,
        };
    }
    let message = format!("ReplicaSet \"{set_name}\" is progressing.");
    Condition {
        kind,
        status: true,
        reason: "ReplicaSetUpdated",
        message,
    }
}

/// Deletes replica sets that are beyond the history to be kept.
fn forget(scene: &mut Scene<'_>, object: &Value, olds: &[&Cached]) {
    let kept = number(object, "/spec/revisionHistoryLimit").unwrap_or(HISTORY);
    let done = olds.iter().filter(|old| {
        wanted(&old.value) == 0
            && number(&old.value, "/status/replicas").unwrap_or(0) == 0
            && list(&old.value, "/metadata/finalizers").is_empty()
    });
    let excess = olds
        .len()
        .saturating_sub(usize::try_from(kept).unwrap_or(0));
    for old in done.take(excess) {
        scene.delete(old);
    }
}
