//! The seed's policy that goes by hardware, as it is: nodes with GPUs, pods that use them, and
//! replicas that wait for room.

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::{Fleet, Site, condition};
use roadstead_tests::nodes;
use roadstead_tests::process::within;
use serde_json::{Value, json};

use crate::stage::{SOON, deployment, until_gone, until_runs};
use crate::{DR, PROD};

const POLICY: &str = include_str!("given/ai-workload-distribution.yaml");
const APP: &str = include_str!("../../../deploy/examples/hardware-app.yaml");
pub(crate) const A100: &str = "cluster-gpu-a100";
pub(crate) const H100: &str = "cluster-gpu-h100";
const NAME: &str = "llm-inference";
const DECISION: &str =
    "/apis/roadstead.dev/v1alpha1/namespaces/default/decisions/deployment.apps.llm-inference";
const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";

/// Makes a node with eight GPUs.
async fn add(site: &Site, name: &str, product: &str) -> Result<()> {
    let labels = json!({"nvidia.com/gpu.product": product});
    nodes::add(
        &site.api,
        name,
        labels,
        110,
        &json!({"nvidia.com/gpu": "8"}),
    )
    .await?;
    nodes::until_ready(&site.api, name).await
}

/// A pod with so many GPUs, which the scheduler puts where they are.
async fn occupy(site: &Site, gpus: u32) -> Result<()> {
    let limits = json!({"nvidia.com/gpu": gpus.to_string()});
    let container =
        json!({"name": "c", "image": "registry.example/c:1", "resources": {"limits": limits}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"},
        "spec": {"containers": [container]},
    });
    let pods = "/api/v1/namespaces/default/pods";
    site.api.create(pods, &pod).await?.ok()?;
    let runs = |o: Option<&Value>| o.is_some_and(|o| text(o, "/status/phase") == "Running");
    site.until(&format!("{pods}/trial"), "it runs", runs)
        .await?;
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
    let left = ["/spec", "/status"].iter().find_map(|at| {
        let left = decision.pointer(&format!("{at}/unplaced/replicas"))?;
        Some(format!(", {left} left"))
    });
    format!("{}{}", shown.join(", "), left.unwrap_or_default())
}

async fn until(fleet: &Fleet, expected: &str) -> Result<Value> {
    let look = || async {
        let decision = fleet.api.get(DECISION).await?.ok()?;
        let shares = shares(&decision);
        ensure!(shares == expected, "{shares}");
        Ok(true)
    };
    within(SOON, expected, look).await?;
    fleet.api.get(DECISION).await?.ok()
}

/// A node comes, and the agent looks now, not at the end of its minute: what is free is known.
async fn looked_at(fleet: &mut Fleet, name: &str, node: (&str, &str), nodes: u32) -> Result<()> {
    let (called, product) = node;
    add(fleet.site(name)?, called, product).await?;
    let agent = fleet.agent(name)?;
    agent.kill().await?;
    agent.begin(None)?;
    let path = format!("{CLUSTERS}/{name}");
    within(SOON, &format!("{name} has {nodes} nodes"), || async {
        let cluster = fleet.api.get(&path).await?.ok()?;
        Ok(cluster.pointer("/status/readyNodes") == Some(&Value::from(nodes)))
    })
    .await
}

pub(crate) async fn placed(fleet: &mut Fleet) -> Result<()> {
    for (former, name) in [(PROD, A100), (DR, H100)] {
        fleet.detach(former, name).await?;
    }
    add(fleet.site(A100)?, "a", "NVIDIA-A100-SXM4-80GB").await?;
    add(fleet.site(H100)?, "h", "NVIDIA-H100-80GB-HBM3").await?;
    occupy(fleet.site(H100)?, 4).await?;
    for name in [A100, H100] {
        fleet.join(name)?;
    }
    for name in [A100, H100] {
        fleet.until_ready(name, "True").await?;
    }
    fleet.apply("default", POLICY)?;
    fleet.apply("default", APP)?;
    // Two on the eight A100s; the H100s have four left, which take one.
    until(fleet, &format!("{A100} 2, {H100} 1")).await?;
    for (name, share) in [(A100, 2), (H100, 1)] {
        until_runs(fleet.site(name)?, &deployment(NAME), share).await?;
        looked_at(fleet, name, ("other", "Tesla-T4"), 3).await?;
    }
    fleet
        .kubectl
        .run(&format!("scale deployment {NAME} --replicas=5"))?;
    let decision = until(fleet, &format!("{A100} 2, {H100} 1, 2 left")).await?;
    let placed = condition(&decision, "Placed");
    ensure!(placed.0 == "False" && placed.1 == "Unplaced", "{placed:?}");
    ensure!(placed.2.contains("nvidia.com/gpu"), "{placed:?}");
    let why = fleet.hub.roadstead(&["why", "deployment", NAME])?;
    ensure!(why.contains("nvidia.com/gpu"), "{why}");
    // Room comes, and what waited is placed; nothing else moves.
    looked_at(fleet, H100, ("h2", "NVIDIA-H100-80GB-HBM3"), 4).await?;
    until(fleet, &format!("{A100} 2, {H100} 3"))
        .await
        .context("after room came")?;
    for (name, share) in [(A100, 2), (H100, 3)] {
        until_runs(fleet.site(name)?, &deployment(NAME), share).await?;
    }
    fleet
        .kubectl
        .run(&format!("delete deployment {NAME} --wait=false"))?;
    for name in [A100, H100] {
        until_gone(fleet.site(name)?, &deployment(NAME)).await?;
    }
    Ok(())
}
