//! The example that goes by hardware, on real API servers: nodes with GPUs, pods that use them, and
//! replicas that wait for room.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::assets::Assets;
use roadstead_tests::fleet::{Fleet, Kind, Site, condition};
use roadstead_tests::process::within;
use roadstead_tests::skipped;
use serde_json::{Value, json};

const POLICY: &str = include_str!("../../deploy/examples/hardware-policy.yaml");
const APP: &str = include_str!("../../deploy/examples/hardware-app.yaml");
const A100: &str = "cluster-gpu-a100";
const H100: &str = "cluster-gpu-h100";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/llm-inference";
const DECISION: &str =
    "/apis/roadstead.dev/v1alpha1/namespaces/default/decisions/deployment.apps.llm-inference";
/// An agent looks at its nodes once a minute.
const SEEN_WITHIN: Duration = Duration::from_secs(150);

/// Makes a Ready node with eight GPUs.
async fn node(site: &Site, name: &str, product: &str) -> Result<()> {
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": product}},
    });
    let made = site.api.create("/api/v1/nodes", &node).await?.ok()?;
    let room = json!({"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": "8"});
    let status = json!({"status": {
        "capacity": room, "allocatable": room,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Test"}],
    }});
    let path = format!("/api/v1/nodes/{}/status", text(&made, "/metadata/name"));
    site.api.merge(&path, &status).await?.ok()?;
    // A new node is tainted until somebody has seen that it works.
    let spec = json!({"spec": {"taints": null}});
    site.api
        .merge(&format!("/api/v1/nodes/{name}"), &spec)
        .await?
        .ok()?;
    Ok(())
}

/// Puts a pod with so many GPUs on a node.
async fn occupy(site: &Site, node: &str, gpus: u32) -> Result<()> {
    let limits = json!({"nvidia.com/gpu": gpus.to_string()});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("on-{node}")},
        "spec": {
            "nodeName": node, "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "registry.example/c:1", "resources": {"limits": limits}}],
        },
    });
    // No controller makes the account that every pod has.
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    site.api.create(accounts, &account).await?;
    let pods = "/api/v1/namespaces/default/pods";
    site.api.create(pods, &pod).await?.ok()?;
    Ok(())
}

/// `cluster replicas` of each, and what is left.
fn shares(decision: &Value) -> String {
    let clusters = decision.pointer("/spec/clusters").and_then(Value::as_array);
    let shown: Vec<String> = clusters
        .into_iter()
        .flatten()
        .map(|c| format!("{} {}", text(c, "/name"), c["replicas"]))
        .collect();
    let left = decision.pointer("/spec/unplaced/replicas");
    let left = left.map(|n| format!(", {n} left")).unwrap_or_default();
    format!("{}{left}", shown.join(", "))
}

async fn until(fleet: &Fleet, expected: &str) -> Result<Value> {
    let look = || async {
        let decision = fleet.api.get(DECISION).await?.ok()?;
        let shares = shares(&decision);
        ensure!(shares == expected, "{shares}");
        Ok(true)
    };
    within(SEEN_WITHIN, expected, look).await?;
    fleet.api.get(DECISION).await?.ok()
}

async fn story(fleet: &Fleet) -> Result<()> {
    node(fleet.site(A100)?, "a", "NVIDIA-A100-SXM4-80GB").await?;
    node(fleet.site(H100)?, "h", "NVIDIA-H100-80GB-HBM3").await?;
    occupy(fleet.site(H100)?, "h", 4).await?;
    fleet.apply("default", POLICY)?;
    fleet.apply("default", APP)?;
    // Two on the eight A100s; the H100s have four left, which take one.
    until(fleet, &format!("{A100} 2, {H100} 1")).await?;
    for (name, share) in [(A100, 2), (H100, 1)] {
        let site = fleet.site(name)?;
        let has = |o: Option<&Value>| {
            o.and_then(|o| o.pointer("/spec/replicas")) == Some(&Value::from(share))
        };
        site.until(DEPLOYMENT, "its share", has).await?;
    }
    fleet
        .kubectl
        .run("scale deployment llm-inference --replicas=5")?;
    let decision = until(fleet, &format!("{A100} 2, {H100} 1, 2 left")).await?;
    let placed = condition(&decision, "Placed");
    ensure!(placed.0 == "False" && placed.1 == "Unplaced", "{placed:?}");
    let why = fleet
        .hub
        .roadstead(&["why", "deployment", "llm-inference", "-n", "default"])?;
    ensure!(why.contains("nvidia.com/gpu"), "{why}");
    // Room comes, and what waited is placed; nothing else moves.
    node(fleet.site(H100)?, "h2", "NVIDIA-H100-80GB-HBM3").await?;
    until(fleet, &format!("{A100} 2, {H100} 3"))
        .await
        .context("after room came")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_that_goes_by_hardware() {
    let assets = match Assets::find() {
        Ok(assets) => assets,
        Err(e) => return skipped("the_example_that_goes_by_hardware", &format!("{e:#}")),
    };
    let folder = tempfile::tempdir().unwrap();
    run(assets, folder.path()).await.unwrap();
}

async fn run(assets: Assets, folder: &Path) -> Result<()> {
    let kind = |name| Kind {
        name,
        ..Kind::default()
    };
    let fleet = Fleet::start(assets, folder, &[kind(A100), kind(H100)]).await?;
    story(&fleet).await
}
