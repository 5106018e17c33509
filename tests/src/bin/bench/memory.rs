//! What an agent and an empty hub take of memory and processor.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use roadstead_tests::api::Api;
use roadstead_tests::hub::{Hub, binary};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::idle::{Memory, bytes, processor};
use super::site::{Bench, CLUSTER, CONFIG_MAPS, NAMESPACE};
use super::table::Table;

/// How long a process is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(15);
/// How long its processor time is watched.
const WATCHED: Duration = Duration::from_secs(60);
/// How often the member is asked what has arrived.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Requests under way at once.
const CONCURRENCY: usize = 16;
/// The agent's goals, in megabytes.
const AGENT_IDLE: f64 = 12.0;
const AGENT_LOADED: f64 = 20.0;
const AGENT_BINARY: f64 = 12.0;
const HUB_EMPTY: f64 = 30.0;
/// The goal for a loaded agent's share of a processor, in percent.
const PROCESSOR: f64 = 0.1;
/// Objects of others on the member, and of ours.
const FOREIGN: usize = 20_000;
const OURS: [(&str, usize); 3] = [
    ("configmaps", 1000),
    ("services", 500),
    ("deployments", 500),
];

/// Measures.
pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let size = std::fs::metadata(binary("roadstead-agent")?)?.len();
    let megabytes = size as f64 / 1e6;
    table.goal(
        "the agent's binary",
        format!("{megabytes:.1} MB"),
        format!("≤ {AGENT_BINARY} MB"),
        megabytes <= AGENT_BINARY,
    );
    hub(table).await?;
    let mut bench = Bench::start().await?;
    let agent = bench.fleet.agent(CLUSTER)?.id().context("no agent")?;
    tokio::time::sleep(SETTLE).await;
    row(table, "an idle agent", Memory::of(agent)?, AGENT_IDLE);

    let member = bench.site()?.api.clone();
    foreign(&member).await?;
    ours(&bench.fleet.api).await?;
    arrived(&member).await?;
    tokio::time::sleep(SETTLE).await;
    let what = "an agent with 2 000 objects of ours beside 20 000 of others";
    row(table, what, Memory::of(agent)?, AGENT_LOADED);
    let share = processor(agent, WATCHED).await?;
    table.goal(
        &format!("{what}: processor while nothing changes"),
        format!("{share:.2} %"),
        format!("< {PROCESSOR} %"),
        share < PROCESSOR,
    );
    bench.fleet.agent(CLUSTER)?.kill().await?;
    bench.fleet.agent(CLUSTER)?.begin(None)?;
    tokio::time::sleep(2 * SETTLE).await;
    let agent = bench.fleet.agent(CLUSTER)?.id().context("no agent")?;
    row(
        table,
        "the same after a start of the agent",
        Memory::of(agent)?,
        AGENT_LOADED,
    );
    Ok(())
}

fn row(table: &mut Table, what: &str, memory: Memory, goal: f64) {
    let met = [memory.rss, memory.anon, memory.peak]
        .iter()
        .all(|kib| bytes(*kib) <= goal * 1e6);
    table.goal(what, memory.text(), format!("≤ {goal} MB"), met);
}

async fn hub(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::start(folder.path()).await?;
    tokio::time::sleep(SETTLE).await;
    let id = hub.id().context("no hub")?;
    row(table, "an empty hub", Memory::of(id)?, HUB_EMPTY);
    Ok(())
}

async fn all(api: &Api, objects: impl Iterator<Item = (String, Value)>) -> Result<()> {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut tasks = JoinSet::new();
    for (path, object) in objects {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let api = api.clone();
        tasks.spawn(async move {
            let _permit = permit;
            api.create(&path, &object).await?.ok()
        });
        while let Some(done) = tasks.try_join_next() {
            done??;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Objects that are none of ours.
async fn foreign(member: &Api) -> Result<()> {
    let text = "x".repeat(1000);
    let object = |i: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("foreign-{i}"), "namespace": "default"}, "data": {"text": text}});
    let path = "/api/v1/namespaces/default/configmaps".to_owned();
    all(member, (0..FOREIGN).map(|i| (path.clone(), object(i)))).await
}

/// Objects that the hub sends.
async fn ours(hub: &Api) -> Result<()> {
    let meta = |kind: &str, i: usize| json!({"name": format!("{kind}-{i}"), "namespace": NAMESPACE, "labels": {"bench": "true"}});
    let text = "y".repeat(1000);
    let maps = (0..OURS[0].1).map(|i| {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("map", i), "data": {"text": format!("{i}{text}")}});
        (CONFIG_MAPS.to_owned(), object)
    });
    all(hub, maps).await?;
    let services = (0..OURS[1].1).map(|i| {
        let spec = json!({"selector": {"app": format!("app-{i}")}, "ports": [{"port": 80, "protocol": "TCP"}]});
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("service", i), "spec": spec});
        (format!("/api/v1/namespaces/{NAMESPACE}/services"), object)
    });
    all(hub, services).await?;
    let deployments = (0..OURS[2].1).map(|i| {
        let labels = json!({"app": format!("app-{i}")});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]}});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("deployment", i), "spec": spec});
        (format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments"), object)
    });
    all(hub, deployments).await
}

/// Waits until all of ours are there.
async fn arrived(member: &Api) -> Result<()> {
    for (plural, wanted) in OURS {
        let group = if plural == "deployments" {
            "apis/apps/v1"
        } else {
            "api/v1"
        };
        let path = format!(
            "/{group}/namespaces/{NAMESPACE}/{plural}?labelSelector=bench%3Dtrue&limit=2000"
        );
        let limit = Duration::from_secs(300);
        roadstead_tests::process::within(limit, plural, || async {
            tokio::time::sleep(LOOK_EVERY).await;
            let list = member.get(&path).await?.ok()?;
            let count = list
                .get("items")
                .and_then(Value::as_array)
                .map_or(0, Vec::len);
            anyhow::ensure!(count >= wanted, "{count} of {wanted}");
            Ok(true)
        })
        .await?;
    }
    Ok(())
}
