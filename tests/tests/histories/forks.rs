//! Hubs whose past is not what their agents remember: new ones, restored ones, twins.

use anyhow::{Result, ensure};
use roadstead_protocol::wire::report::ItemState;
use roadstead_tests::process::within;
use serde_json::json;

use crate::stage::objects::{map, map_key, map_path, policy_path, sends};
use crate::stage::{Hub, SOON, Stage};

/// What a hold says on both sides.
const HELD: (ItemState, &str) = (ItemState::Held, "OtherHistory");
const UNNAMED: (ItemState, &str) = (ItemState::Unclaimed, "NotInHub");
const COPY: &str = "copy.redb";

/// A hub that knows nothing stands where the agent's hub stood. It is not the hub that the agent
/// trusts: nothing is applied, nothing removed, and what runs is kept. A user lets the cluster join
/// anew, and says that what is there may be taken.
pub(crate) async fn a_new_empty_hub_in_the_old_ones_place(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "old"), ("b", "old")]).await?;
    stage.hub.stop().await?;
    let mut empty = Hub::new(stage.folder()?, "empty")?;
    empty.start().await?;
    stage.agent.wires.lead_to(empty.address());
    stage.restart_agent().await?;
    stage.agent.until_said("the handshake with").await?;
    // Kept meanwhile.
    let answer = stage.member.api.delete(&map_path("b"), None).await?;
    answer.ok()?;
    stage.member.until_map("b", Some("old")).await?;
    stage.member.expect_map("a", Some("old")).await?;
    stage.expect_deleted(&[]).await?;

    // The way out: the cluster joins the new hub, from an empty folder.
    stage.hub = empty;
    let token = stage.hub.token().await?;
    stage.agent.kill()?;
    stage.agent.wipe()?;
    stage.agent.start(&stage.member, Some(&token)).await?;
    stage.until_ready().await?;
    stage.hub.put(&[sends("all", ("v1", "ConfigMap"))]).await?;
    stage.hub.put(&[map("a", "new")]).await?;
    let said = stage
        .until_report(&map_key("a"), ItemState::Conflict, "ForeignObject")
        .await?;
    ensure!(said.message.contains("Overwrite"), "{}", said.message);
    stage.member.expect_map("a", Some("old")).await?;
    let take = json!({"spec": {"conflictResolution": "Overwrite"}});
    let path = policy_path("all");
    stage.hub.api()?.merge(&path, &take).await?.ok()?;
    stage.member.until_map("a", Some("new")).await?;
    stage.until_applied("a").await?;
    let status = stage.hub.roadstead(&["status"]).await?;
    ensure!(status.contains("member"), "{status}");
    // What the new hub never heard of is nobody's, and stays.
    stage.quiet().await;
    stage.member.expect_map("b", Some("old")).await?;
    stage.expect_deleted(&[]).await
}

/// Sets the scene: `a` as the copy has it, then as it became; `later` that the copy lacks.
async fn restored(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.given(&[("a", "2"), ("later", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.put_back(COPY)?;
    stage.hub.start().await
}

/// The hub is as it was before it gave something: what it gave is kept, kept right, and shown as
/// held; a user's write of it ends that.
pub(crate) async fn restored_to_before_a_put(stage: &mut Stage) -> Result<()> {
    restored(stage).await?;
    let said = stage.until_report(&map_key("a"), HELD.0, HELD.1).await?;
    ensure!(!said.message.is_empty(), "a hold without words");
    stage
        .until_report(&map_key("later"), UNNAMED.0, UNNAMED.1)
        .await?;
    stage.member.expect_map("a", Some("2")).await?;
    stage.member.expect_map("later", Some("1")).await?;
    // Kept right while it is held.
    let drift = json!({"data": {"key": "drift"}});
    for name in ["a", "later"] {
        let path = map_path(name);
        stage.member.api.merge(&path, &drift).await?.ok()?;
    }
    stage.member.until_map("a", Some("2")).await?;
    stage.member.until_map("later", Some("1")).await?;
    stage.expect_deleted(&[]).await
}

/// The hub is as it was before something was deleted: it is not made anew.
pub(crate) async fn restored_to_before_a_tombstone(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.until_ready().await?;
    stage.hub.delete(&map_path("a")).await?;
    stage.member.until_map("a", None).await?;
    stage.hub.stop().await?;
    stage.hub.put_back(COPY)?;
    stage.hub.start().await?;
    stage.until_report(&map_key("a"), HELD.0, HELD.1).await?;
    stage.until_applied("b").await?;
    stage.quiet().await;
    stage.member.expect_map("a", None).await?;
    stage.member.expect_map("b", Some("1")).await?;
    stage.expect_deleted(&[map_path("a")]).await
}

/// Two hubs go on from one copy, and an agent meets one after the other: key by key, what the other
/// wrote is held, and what both have in common goes on.
pub(crate) async fn two_hubs_from_one_copy(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1"), ("c", "1")]).await?;
    stage.hub.stop().await?;
    let mut twin = stage.hub.twin("twin")?;
    stage.hub.start().await?;
    twin.start().await?;
    stage.given(&[("a", "first"), ("only", "first")]).await?;
    twin.put(&[map("a", "second"), map("b", "second")]).await?;

    stage.agent.wires.lead_to(twin.address());
    stage.restart_agent().await?;
    stage.member.until_map("b", Some("second")).await?;
    stage.until_report_to(&twin, &map_key("a"), HELD).await?;
    stage
        .until_report_to(&twin, &map_key("only"), UNNAMED)
        .await?;
    stage.member.expect_map("a", Some("first")).await?;
    stage.member.expect_map("c", Some("1")).await?;

    // Back to the first: now the other's is what is held.
    stage.agent.wires.lead_to(stage.hub.address());
    stage.restart_agent().await?;
    stage.until_report(&map_key("b"), HELD.0, HELD.1).await?;
    stage.until_applied("a").await?;
    stage.until_applied("only").await?;
    stage.member.expect_map("b", Some("second")).await?;
    // What both know goes on at either of them.
    stage.given(&[("c", "2")]).await?;
    stage.expect_deleted(&[]).await
}

/// An agent is killed in the middle of what one of two twins gives it, and goes on with the other:
/// every object is as the one whose word is on the agent's disk said, and the other's is held.
pub(crate) async fn half_of_one_catch_up_and_then_the_other(stage: &mut Stage) -> Result<()> {
    let names: Vec<String> = (0..40).map(|i| format!("m{i:02}")).collect();
    let all = |value: &str| names.iter().map(|n| map(n, value)).collect::<Vec<_>>();
    stage.hub.put(&all("1")).await?;
    for name in &names {
        stage.member.until_map(name, Some("1")).await?;
        stage.until_applied(name).await?;
    }
    stage.agent.kill()?;
    stage.hub.stop().await?;
    let mut twin = stage.hub.twin("twin")?;
    stage.hub.start().await?;
    twin.start().await?;
    // One after the other, so that the agent finds them on its way.
    stage.start_agent().await?;
    let (first, rest) = names.split_at(names.len() / 2);
    for name in first {
        stage.hub.put(&[map(name, "first")]).await?;
    }
    let half = first.last().map(String::as_str).unwrap_or_default();
    stage.member.until_map(half, Some("first")).await?;
    for name in rest {
        stage.hub.put(&[map(name, "first")]).await?;
    }
    stage.agent.kill()?;
    twin.put(&all("second")).await?;
    stage.agent.wires.lead_to(twin.address());
    stage.start_agent().await?;
    let (mut held, mut given) = (0, 0);
    for name in &names {
        within(SOON, &format!("{name} is settled"), || async {
            let Some(report) = twin.report(&map_key(name)).await? else {
                return Ok(false);
            };
            let value = stage.member.map(name).await?;
            let (state, reason) = (report.state, report.reason.as_str());
            let consistent = match value.as_deref() {
                Some("first") => (state, reason) == HELD,
                Some("second") => state == ItemState::Applied,
                _ => false,
            };
            ensure!(consistent, "{value:?}, {state:?} {reason}");
            Ok(true)
        })
        .await?;
        match stage.member.map(name).await?.as_deref() {
            Some("first") => held += 1,
            _ => given += 1,
        }
    }
    ensure!(held >= first.len(), "{held} held, {given} given");
    stage.expect_deleted(&[]).await
}

/// A restored hub writes another key, crashes before it meets the agent, and is met afterwards: the
/// revisions of its lives since then are beyond the agent's, and yet over nothing that they do not know.
pub(crate) async fn a_restored_hub_writes_another_key_and_crashes(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.given(&[("a", "2")]).await?;
    stage.agent.kill()?;
    stage.hub.kill()?;
    stage.hub.put_back(COPY)?;
    stage.hub.start().await?;
    stage.hub.put(&[map("b", "1")]).await?;
    stage.hub.kill()?;
    stage.hub.start().await?;
    stage.start_agent().await?;
    stage.member.until_map("b", Some("1")).await?;
    stage.until_applied("b").await?;
    stage.until_report(&map_key("a"), HELD.0, HELD.1).await?;
    stage.member.expect_map("a", Some("2")).await?;
    stage.expect_deleted(&[]).await
}

/// Hub and agent go back together, as a hosted agent does whose disk is beside its hub's: only the
/// member remembers. What it holds is not overwritten, and nothing is removed.
pub(crate) async fn hub_and_agent_restored_together(stage: &mut Stage) -> Result<()> {
    const AGENT: &str = "agent-copy.redb";
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    stage.agent.kill()?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.agent.copy_to(AGENT)?;
    stage.hub.start().await?;
    stage.start_agent().await?;
    stage.until_ready().await?;
    stage.given(&[("a", "2"), ("later", "1")]).await?;
    stage.until_anchored("later").await?;
    stage.agent.kill()?;
    stage.hub.stop().await?;
    stage.hub.put_back(COPY)?;
    stage.agent.put_back(AGENT)?;
    stage.hub.start().await?;
    stage.start_agent().await?;
    stage.until_report(&map_key("a"), HELD.0, HELD.1).await?;
    stage
        .until_report(&map_key("later"), ItemState::Unclaimed, "Unclaimed")
        .await?;
    stage.until_applied("b").await?;
    stage.member.expect_map("a", Some("2")).await?;
    stage.member.expect_map("later", Some("1")).await?;
    stage.expect_deleted(&[]).await
}
