//! A deleted object comes back: with the hub up, with it down, and after the agent's own start.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::time::Instant;

use super::samples::Samples;
use super::site::{Bench, CLUSTER, CONFIG_MAPS, Seen, config_map, put};
use super::table::Table;

/// How often each is measured.
const TIMES: usize = 30;
/// How often an agent is started.
const STARTS: usize = 10;
/// The goal while the agent runs.
const RUNNING: Duration = Duration::from_millis(500);
/// The goal for an agent that starts.
const STARTING: Duration = Duration::from_secs(3);

/// Measures.
pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let mut bench = Bench::start().await?;
    let seen = Seen::watch(&bench.site()?.api, CONFIG_MAPS).await?;
    put(&bench.fleet.api, &config_map("kept", "one")).await?;
    seen.until("kept", "one").await?;
    let samples = deletions(&bench, &seen).await?;
    row(table, "a deleted object is back, hub up", &samples, RUNNING);
    bench.fleet.hub.kill().await?;
    let samples = deletions(&bench, &seen).await?;
    row(
        table,
        "a deleted object is back, hub down",
        &samples,
        RUNNING,
    );
    let mut samples = Samples::default();
    for _ in 0..STARTS {
        bench.fleet.agent(CLUSTER)?.kill().await?;
        delete(&bench, &seen).await?;
        let started = Instant::now();
        bench.fleet.agent(CLUSTER)?.begin(None)?;
        let back = seen.until("kept", "one").await?;
        samples.add(back.saturating_duration_since(started));
    }
    row(
        table,
        "a deleted object is back, from the agent's start, hub down",
        &samples,
        STARTING,
    );
    Ok(())
}

fn row(table: &mut Table, what: &str, samples: &Samples, goal: Duration) {
    let longest = samples.percentile(100);
    table.goal(what, samples.text(), format!("< {goal:?}"), longest < goal);
}

/// Deletes the object on the member, and gives the moment when the member confirmed it.
async fn delete(bench: &Bench, seen: &Seen) -> Result<Instant> {
    seen.forget("kept", "one");
    let options = json!({"propagationPolicy": "Background"});
    let path = format!("{CONFIG_MAPS}/kept");
    let answer = bench.site()?.api.delete(&path, Some(&options)).await?;
    let confirmed = Instant::now();
    answer.ok().context("delete on the member")?;
    Ok(confirmed)
}

async fn deletions(bench: &Bench, seen: &Seen) -> Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..TIMES {
        let confirmed = delete(bench, seen).await?;
        let back = seen.until("kept", "one").await?;
        samples.add(back.saturating_duration_since(confirmed));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(samples)
}
