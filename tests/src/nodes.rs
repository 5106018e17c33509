//! Nodes of real clusters, on which kwok makes pods seem to run.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::api::Api;
use crate::fleet::condition;
use crate::process::within;

/// How long a node has to become Ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Makes a node with room for `pods` pods and with `more` resources, such as
/// `{"nvidia.com/gpu": "8"}`.
///
/// # Errors
/// When the API refuses it.
pub async fn add(api: &Api, name: &str, labels: Value, pods: u32, more: &Value) -> Result<()> {
    let mut room = json!({"cpu": "64", "memory": "512Gi", "pods": pods.to_string()});
    if let (Some(room), Some(more)) = (room.as_object_mut(), more.as_object()) {
        room.extend(more.clone());
    }
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"capacity": room, "allocatable": room},
    });
    api.create("/api/v1/nodes", &node).await?.ok()?;
    Ok(())
}

/// Waits until a node is Ready and takes pods.
///
/// # Errors
/// When that does not come.
pub async fn until_ready(api: &Api, name: &str) -> Result<()> {
    within(READY_WITHIN, &format!("node {name} takes pods"), || async {
        let node = api.get(&format!("/api/v1/nodes/{name}")).await?.ok()?;
        let (ready, taints) = (condition(&node, "Ready"), node.pointer("/spec/taints"));
        ensure!(
            ready.0 == "True" && taints.is_none(),
            "{ready:?}, {taints:?}"
        );
        Ok(true)
    })
    .await
}
