//! A hub with many items in its ledger starts again: how long until everything is as it was.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use roadstead_tests::api::Api;
use roadstead_tests::hub::Hub;
use roadstead_tests::process::within;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::herd::{Herd, metric};
use super::idle::{Memory, bytes};
use super::samples::ms;
use super::site::{config_map, prepare, put};
use super::table::Table;

/// Agents among which the items are.
const AGENTS: usize = 100;
/// Requests under way at once.
const CONCURRENCY: usize = 16;
/// The goals.
const CONVERGED: Duration = Duration::from_secs(10);
const MEMORY: f64 = 1.5e9;
/// How long anything may take before it is given up.
const GIVE_UP: Duration = Duration::from_secs(900);

/// Measures a hub with some `items` in its ledgers.
pub(crate) async fn measure(table: &mut Table, items: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut hub = Hub::start(folder.path()).await?;
    let herd = Herd::join(&hub, AGENTS).await?;
    let api = hub.api().await?;
    prepare(&api, "").await?;
    let templates = items / AGENTS;
    let started = Instant::now();
    fill(&api, templates).await?;
    for i in 0..templates {
        herd.until(&format!("item-{i}"), "one").await?;
    }
    let what = format!("{} items at {AGENTS} agents", templates * AGENTS);
    table.note(
        &format!("{what}: from nothing to all members"),
        ms(started.elapsed()),
    );
    reported(&api, templates * AGENTS).await?;
    hub.stop().await?;

    let started = Instant::now();
    hub.begin().await?;
    let serves = started.elapsed();
    let api = hub.api().await?;
    put(&api, &config_map("item-0", "after")).await?;
    herd.until_connected(&api).await?;
    herd.until("item-0", "after").await?;
    ready(&api).await?;
    reported(&api, templates * AGENTS).await?;
    let converged = started.elapsed();
    table.goal(
        &format!("{what}: a hub that starts again has converged"),
        format!("{} (its API serves after {})", ms(converged), ms(serves)),
        format!("< {CONVERGED:?}"),
        converged < CONVERGED,
    );
    let memory = Memory::of(hub.id().context("no hub")?)?;
    table.goal(
        &format!("{what}: the hub's memory after that"),
        memory.text(),
        "< 1.5 GB".to_owned(),
        bytes(memory.peak) < MEMORY,
    );
    herd.end().await;
    Ok(())
}

async fn fill(api: &Api, templates: usize) -> Result<()> {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut tasks = JoinSet::new();
    for i in 0..templates {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let api = api.clone();
        tasks.spawn(async move {
            let _permit = permit;
            put(&api, &config_map(&format!("item-{i}"), "one")).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Waits until the hub has heard of every item.
async fn reported(api: &Api, items: usize) -> Result<()> {
    within(GIVE_UP, "all items are reported", || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let reports = metric(api, "roadstead_agent_reports_total").await?;
        anyhow::ensure!(reports >= items as f64, "{reports} of {items}");
        Ok(true)
    })
    .await
}

/// Waits until every cluster is Ready.
async fn ready(api: &Api) -> Result<()> {
    let path = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters?limit=1000";
    within(GIVE_UP, "all clusters are Ready", || async {
        let list = api.get(path).await?.ok()?;
        let items = list.get("items").and_then(Value::as_array);
        let ready = |c: &&Value| roadstead_tests::fleet::condition(c, "Ready").0 == "True";
        let count = items.into_iter().flatten().filter(ready).count();
        anyhow::ensure!(count == AGENTS, "{count} of {AGENTS}");
        Ok(true)
    })
    .await
}
