//! What goes with the write by which a policy loses its rollout: how its rollouts stood. Whoever gives it
//! one again, however soon, begins from what clusters run, and goes on with nothing.
//!
//! The rest of what is written of rollouts is taken away by the controllers, in time.

use roadstead_machinery::resource::Origin;
use roadstead_machinery::status::Status;
use roadstead_protocol::api::policy::{CLUSTER_DISTRIBUTION, DISTRIBUTION};
use roadstead_rest::Write;
use roadstead_store::Op;
use roadstead_store::records::rollout_key;
use serde_json::Value;

/// What the write takes away.
pub(super) fn forgotten(write: &Write<'_>) -> Result<Vec<Op>, Status> {
    let resource = write.resource;
    let kinds = [DISTRIBUTION.0, CLUSTER_DISTRIBUTION.0];
    if resource.origin != Origin::Own || !kinds.contains(&resource.kind.as_str()) {
        return Ok(Vec::new());
    }
    let rolls = |object: &Value| object.pointer("/spec/rollout").is_some();
    let (Some(old), Some(new)) = (write.old, write.new.as_deref()) else {
        return Ok(Vec::new());
    };
    if !rolls(old) || rolls(new) {
        return Ok(Vec::new());
    }
    let uid = old.pointer("/metadata/uid").and_then(Value::as_str);
    let key = rollout_key(uid.unwrap_or_default()).map_err(Status::internal)?;
    let there = write.snapshot.get(key.as_str()).is_some();
    Ok(there.then_some(Op::Delete { key }).into_iter().collect())
}
