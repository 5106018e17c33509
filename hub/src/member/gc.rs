//! Garbage collection by owner references: background, foreground and orphaning deletion.

use super::cache::Cached;
use super::object::{has_finalizer, is_deleting, list, map, owners, remove_finalizer, text, uid};
use super::scene::Scene;
use serde_json::Value;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Deletes `cached` if all its owners are gone, or goes on with a deletion that waits for what
/// depends on it; whether nobody else needs to look at it.
pub(super) fn collect(scene: &mut Scene<'_>, cached: &Cached) -> bool {
    let object = &cached.value;
    let mut owned = owners(object).peekable();
    if owned.peek().is_some() && !owned.any(|owner| scene.cache.exists(owner)) {
        scene.delete(cached);
        return true;
    }
    if !is_deleting(object) {
        return false;
    }
    if has_finalizer(object, ORPHAN) {
        orphan(scene, cached);
    } else if has_finalizer(object, FOREGROUND) {
        foreground(scene, cached);
    }
    !cached.is("", "pods")
}

/// Lets the dependents go, then the owner.
fn orphan(scene: &mut Scene<'_>, cached: &Cached) {
    let owner = uid(&cached.value);
    for dependent in scene.cache.dependents(owner) {
        let mut value = dependent.value.clone();
        if let Some(Value::Array(references)) = value.pointer_mut("/metadata/ownerReferences") {
            references.retain(|reference| text(reference, "/uid") != owner);
            if references.is_empty() {
                map(&mut value, &["metadata"]).remove("ownerReferences");
            }
        }
        scene.update(dependent, &value);
        if scene.exhausted() {
            return;
        }
    }
    finish(scene, cached, ORPHAN);
}

/// Deletes the dependents, and the owner once none is left that holds it.
fn foreground(scene: &mut Scene<'_>, cached: &Cached) {
    let owner = uid(&cached.value);
    let mut held = false;
    for dependent in scene.cache.dependents(owner) {
        let references = list(&dependent.value, "/metadata/ownerReferences");
        let others = references
            .iter()
            .any(|r| text(r, "/uid") != owner && scene.cache.exists(text(r, "/uid")));
        if others {
            continue;
        }
        held = true;
        if !is_deleting(&dependent.value) {
            delete_foreground(scene, dependent);
        }
        if scene.exhausted() {
            return;
        }
    }
    if !held {
        finish(scene, cached, FOREGROUND);
    }
}

/// A dependent with dependents of its own waits for these too.
fn delete_foreground(scene: &mut Scene<'_>, dependent: &Cached) {
    if scene
        .cache
        .dependents(uid(&dependent.value))
        .next()
        .is_none()
    {
        return scene.delete(dependent);
    }
    let mut value = dependent.value.clone();
    let finalizers = map(&mut value, &["metadata"])
        .entry("finalizers")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(finalizers) = finalizers {
        finalizers.push(FOREGROUND.into());
    }
    let now = super::object::timestamp(scene.now);
    super::object::set(&mut value, &["metadata"], "deletionTimestamp", now);
    super::object::set(&mut value, &["metadata"], "deletionGracePeriodSeconds", 0);
    scene.update(dependent, &value);
}

fn finish(scene: &mut Scene<'_>, cached: &Cached, finalizer: &str) {
    let mut value = cached.value.clone();
    remove_finalizer(&mut value, finalizer);
    if !list(&value, "/metadata/finalizers").is_empty() {
        return scene.update(cached, &value);
    }
    // Nothing holds it any more: it goes in the same transaction, never shown without finalizers.
    let check = roadstead_store::Check::At(cached.key.clone(), cached.revision);
    scene.txn.checks.push(check);
    scene.txn.ops.push(roadstead_store::Op::Delete {
        key: cached.key.clone(),
    });
}
