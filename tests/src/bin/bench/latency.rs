//! From the hub's answer to the object on the member, one at a time and many at once, interleaved
//! with the floor: one server-side-apply PATCH straight to the member, seen by the same watch.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use roadstead_tests::api::Api;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::samples::{Samples, ms, sync_time};
use super::site::{Bench, CONFIG_MAPS, Seen, config_map, put};
use super::table::Table;
use super::{Options, Part};

/// Between two samples: ten a second.
const EVERY: Duration = Duration::from_millis(100);
/// Objects that are changed in turn.
const OBJECTS: usize = 50;
/// What the product may add to floor and syncs.
const OWN: Duration = Duration::from_millis(2);
/// Changes in a burst.
const BURST: usize = 1000;
/// Between two changes of an offered burst: a hundred a second.
const BURST_EVERY: Duration = Duration::from_millis(10);
/// What a change may take in a burst.
const BURST_P99: Duration = Duration::from_millis(100);
/// Requests under way at once in an unthrottled burst.
const CONCURRENCY: usize = 16;

/// Measures.
pub(crate) async fn measure(table: &mut Table, options: &Options) -> Result<()> {
    let bench = Bench::start().await?;
    let sync = sync_time(bench.path())?;
    table.note("the disk's own sync of a page", sync.text());
    if options.wants(Part::Latency) {
        changes(table, &bench, &sync, options.samples).await?;
        firsts(table, &bench, &sync, options.samples).await?;
    }
    if options.wants(Part::Burst) {
        offered(table, &bench).await?;
        unthrottled(table, &bench).await?;
    }
    Ok(())
}

struct Pair {
    floor: Samples,
    ours: Samples,
}

async fn one(
    seen: &Seen,
    hub: &Api,
    member: &Api,
    pair: &mut Pair,
    names: [&str; 2],
    value: &str,
) -> Result<()> {
    let [ours, direct] = names;
    let started = Instant::now();
    put(member, &config_map(direct, value)).await?;
    let at = seen.until(direct, value).await?;
    pair.floor.add(at.saturating_duration_since(started));
    tokio::time::sleep_until(started + EVERY / 2).await;
    let accepted = put(hub, &config_map(ours, value)).await?;
    let at = seen.until(ours, value).await?;
    pair.ours.add(at.saturating_duration_since(accepted));
    tokio::time::sleep_until(started + EVERY).await;
    Ok(())
}

fn rows(table: &mut Table, what: &str, pair: &Pair, sync: &Samples) {
    table.note(
        &format!("{what}: floor, PATCH to the member"),
        pair.floor.text(),
    );
    let (p50, p99) = (pair.ours.percentile(50), pair.ours.percentile(99));
    let goal50 = pair.floor.percentile(50) + 2 * sync.percentile(50) + OWN;
    let goal99 = 3 * pair.floor.percentile(99);
    table.goal(
        &format!("{what}: hub's answer → on the member, p50"),
        format!("{}; {}", ms(p50), pair.ours.text()),
        format!("≤ {} (floor + two syncs + 2 ms)", ms(goal50)),
        p50 <= goal50,
    );
    table.goal(
        &format!("{what}: hub's answer → on the member, p99"),
        ms(p99),
        format!("≤ {} (3 × floor)", ms(goal99)),
        p99 <= goal99,
    );
}

async fn changes(table: &mut Table, bench: &Bench, sync: &Samples, samples: usize) -> Result<()> {
    let (hub, member) = (&bench.fleet.api, &bench.site()?.api);
    let seen = Seen::watch(member, CONFIG_MAPS).await?;
    let mut pair = Pair {
        floor: Samples::default(),
        ours: Samples::default(),
    };
    for i in 0..OBJECTS {
        for (api, prefix) in [(hub, "change"), (member, "direct")] {
            put(api, &config_map(&format!("{prefix}-{i}"), "first")).await?;
            seen.until(&format!("{prefix}-{i}"), "first").await?;
        }
    }
    for i in 0..samples {
        let names = [
            format!("change-{}", i % OBJECTS),
            format!("direct-{}", i % OBJECTS),
        ];
        let names = [names[0].as_str(), names[1].as_str()];
        one(&seen, hub, member, &mut pair, names, &format!("v{i}")).await?;
    }
    rows(table, "a change, 10/s", &pair, sync);
    Ok(())
}

async fn firsts(table: &mut Table, bench: &Bench, sync: &Samples, samples: usize) -> Result<()> {
    let (hub, member) = (&bench.fleet.api, &bench.site()?.api);
    let seen = Seen::watch(member, CONFIG_MAPS).await?;
    let mut pair = Pair {
        floor: Samples::default(),
        ours: Samples::default(),
    };
    for i in 0..samples {
        let names = [format!("new-{i}"), format!("new-direct-{i}")];
        let names = [names[0].as_str(), names[1].as_str()];
        one(&seen, hub, member, &mut pair, names, "first").await?;
    }
    rows(table, "a new object, 10/s", &pair, sync);
    Ok(())
}

async fn offered(table: &mut Table, bench: &Bench) -> Result<()> {
    let (hub, member) = (bench.fleet.api.clone(), &bench.site()?.api);
    let seen = Seen::watch(member, CONFIG_MAPS).await?;
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for i in 0..BURST {
        tokio::time::sleep_until(started + BURST_EVERY * u32::try_from(i)?).await;
        let (hub, seen) = (hub.clone(), seen.clone());
        tasks.spawn(async move {
            let name = format!("offered-{i}");
            let accepted = put(&hub, &config_map(&name, "one")).await?;
            let at = seen.until(&name, "one").await?;
            anyhow::Ok((at, at.saturating_duration_since(accepted)))
        });
    }
    let mut samples = Samples::default();
    let mut last = started;
    while let Some(done) = tasks.join_next().await {
        let (at, took) = done??;
        samples.add(took);
        last = last.max(at);
    }
    let took = last - started;
    let offered = BURST_EVERY * u32::try_from(BURST)?;
    table.goal(
        "1 000 new objects offered at 100/s: as fast as offered",
        ms(took),
        format!("≤ {}", ms(offered + Duration::from_millis(500))),
        took <= offered + Duration::from_millis(500),
    );
    table.goal(
        "1 000 new objects offered at 100/s: p99",
        samples.text(),
        format!("< {}", ms(BURST_P99)),
        samples.percentile(99) < BURST_P99,
    );
    Ok(())
}

/// Writes [`BURST`] objects with [`CONCURRENCY`] requests under way, and says how long it took until
/// the last was seen on the member.
async fn burst(api: &Api, seen: &Seen, prefix: &str) -> Result<Duration> {
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for i in 0..BURST {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let (api, name) = (api.clone(), format!("{prefix}-{i}"));
        tasks.spawn(async move {
            let _permit = permit;
            put(&api, &config_map(&name, "one")).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let mut last = started;
    for i in 0..BURST {
        last = last.max(seen.until(&format!("{prefix}-{i}"), "one").await?);
    }
    Ok(last - started)
}

async fn unthrottled(table: &mut Table, bench: &Bench) -> Result<()> {
    let member = &bench.site()?.api;
    let seen = Seen::watch(member, CONFIG_MAPS).await?;
    let (mut floor, mut ours) = (Duration::ZERO, Duration::ZERO);
    // Twice each, in turn, for what else the machine does comes and goes.
    for round in 0..2 {
        floor += burst(member, &seen, &format!("straight-{round}")).await?;
        ours += burst(&bench.fleet.api, &seen, &format!("through-{round}")).await?;
    }
    let (floor, ours) = (floor / 2, ours / 2);
    table.note(
        "1 000 PATCHes straight to the member, 16 at a time",
        ms(floor),
    );
    table.goal(
        "1 000 new objects through the hub, 16 requests at a time",
        ms(ours),
        format!("≤ {} (1.5 × straight)", ms(floor * 3 / 2)),
        ours <= floor * 3 / 2,
    );
    Ok(())
}
