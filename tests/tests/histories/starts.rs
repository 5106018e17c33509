//! Starts of a hub at bad moments: in the middle of a deletion, with a clock that is wrong.

use anyhow::{Context as _, Result, ensure};
use roadstead_store::records::{LedgerEntry, LedgerState, decode, ledger_key};
use roadstead_tests::api::text;

use crate::stage::objects::{map, map_key, map_path};
use crate::stage::{Hub, Stage};

const HALF_AN_HOUR: i64 = 1800;
const DAY: i64 = 24 * 3600;

/// A user deletes a template, and the hub is killed before it decided what follows. The user's word
/// is on its disk: the next start decides, and the object goes.
pub(crate) async fn a_template_deleted_and_the_hub_killed_before_the_decision(
    stage: &mut Stage,
) -> Result<()> {
    let names: Vec<String> = (0..8).map(|i| format!("m{i}")).collect();
    for name in &names {
        stage.hub.put(&[map(name, "1")]).await?;
    }
    for name in &names {
        stage.member.until_map(name, Some("1")).await?;
    }
    let mut deleted = Vec::new();
    let mut undecided = 0;
    for name in &names {
        stage.agent.kill()?;
        stage.hub.delete(&map_path(name)).await?;
        stage.hub.kill()?;
        undecided += usize::from(is_undecided(&stage.hub, name).await?);
        stage.hub.start().await?;
        stage.start_agent().await?;
        stage.member.until_map(name, None).await?;
        deleted.push(map_path(name));
        stage.expect_deleted(&deleted).await?;
        if undecided >= 2 {
            break;
        }
    }
    ensure!(undecided > 0, "every decision was faster than the kill");
    for name in names.iter().skip(deleted.len()) {
        stage.member.expect_map(name, Some("1")).await?;
    }
    Ok(())
}

/// Whether a stopped hub's file holds no tombstone of a ConfigMap whose template is deleted.
async fn is_undecided(hub: &Hub, name: &str) -> Result<bool> {
    let file = hub.file().with_extension("look");
    std::fs::copy(hub.file(), &file)?;
    let backend = roadstead_store::Backend::Redb(roadstead_store::file(&file));
    let store = roadstead_store::Store::open(
        hub.clock.env(),
        backend,
        roadstead_store::Options::default(),
    );
    let store = store.await?;
    let snapshot = store.snapshot();
    let clusters =
        roadstead_store::records::objects_prefix("cluster.kurator.dev", "attachedclusters");
    let cluster = snapshot.range(&clusters).next().context("no cluster")?;
    let cluster: serde_json::Value = decode(cluster)?;
    let key = ledger_key(text(&cluster, "/metadata/uid"), &map_key(name))?;
    let entry = snapshot.get(key.as_str()).context("no ledger entry")?;
    let entry: LedgerEntry = decode(entry)?;
    store.close().await;
    Ok(!matches!(entry.state, LedgerState::Tombstone))
}

/// The hub starts with a clock that is behind, and later with a right one: what is written
/// goes on to count as newer, and nothing is removed or held.
pub(crate) async fn the_clock_behind_at_a_start(stage: &mut Stage) -> Result<()> {
    goes_on_with_a_clock_off_by(stage, &[-HALF_AN_HOUR, 0, -10 * DAY, 0]).await
}

/// The hub starts with a clock that is ahead, and later with a right one.
pub(crate) async fn the_clock_far_ahead_at_a_start(stage: &mut Stage) -> Result<()> {
    goes_on_with_a_clock_off_by(stage, &[10 * DAY, 0, 60 * DAY, 0]).await
}

async fn goes_on_with_a_clock_off_by(stage: &mut Stage, shifts: &[i64]) -> Result<()> {
    stage.given(&[("a", "0"), ("b", "0")]).await?;
    let uid = stage.member.uid(&map_path("a")).await?;
    let mut before = stage.hub.store()?.revision();
    for (round, shift) in shifts.iter().enumerate() {
        let round = format!("{}", round + 1);
        stage.hub.stop().await?;
        stage.hub.clock.shift(*shift);
        stage.hub.start().await?;
        let now = stage.hub.store()?.lineage().0;
        let first = now.last().context("no epoch")?.first;
        ensure!(first > before, "{first} is not after {before}");
        stage.given(&[("a", &round)]).await?;
        before = stage.hub.store()?.revision();
        stage.member.expect_map("b", Some("0")).await?;
    }
    ensure!(
        stage.member.uid(&map_path("a")).await? == uid,
        "it was made anew"
    );
    stage.expect_deleted(&[]).await?;
    // A tombstone counts as newer, too.
    stage.hub.delete(&map_path("b")).await?;
    stage.member.until_map("b", None).await?;
    stage.expect_deleted(&[map_path("b")]).await
}

/// A clock that cannot be right is refused at the start, with words; nothing is written, and with a
/// right clock the hub goes on.
pub(crate) async fn an_absurd_clock_is_refused(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    stage.hub.stop().await?;
    let before = std::fs::read(stage.hub.file())?;
    for shift in [-30 * 365 * DAY, 300 * 365 * DAY] {
        stage.hub.clock.shift(shift);
        let refused = stage.hub.start().await;
        let words = format!("{:#}", refused.err().context("it started")?);
        ensure!(words.contains("clock"), "{words}");
        ensure!(std::fs::read(stage.hub.file())? == before, "it wrote");
    }
    stage.hub.clock.shift(0);
    stage.hub.start().await?;
    stage.given(&[("a", "2")]).await?;
    stage.expect_deleted(&[]).await
}
