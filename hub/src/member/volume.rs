//! Claims of volumes: bound at once.

use serde_json::json;

use super::cache::Cached;
use super::object::{set, text, uid};
use super::scene::Scene;

pub(super) fn look(scene: &mut Scene<'_>, claim: &Cached) {
    if text(&claim.value, "/status/phase") == "Bound" {
        return;
    }
    let mut value = claim.value.clone();
    let volume = format!("pvc-{}", uid(&claim.value));
    let capacity = value
        .pointer("/spec/resources/requests")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let modes = value
        .pointer("/spec/accessModes")
        .cloned()
        .unwrap_or_else(|| json!([]));
    set(&mut value, &["spec"], "volumeName", volume);
    set(&mut value, &["status"], "phase", "Bound");
    set(&mut value, &["status"], "capacity", capacity);
    set(&mut value, &["status"], "accessModes", modes);
    scene.update(claim, &value);
}
