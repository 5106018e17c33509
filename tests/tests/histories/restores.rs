//! A hub that is put back to what it was before something happened: what is held, how that is shown,
//! and every way out of it.

use anyhow::{Context as _, Result, ensure};
use roadstead_protocol::wire::report::ItemState;
use serde_json::json;

use crate::stage::Stage;
use crate::stage::objects::{CLUSTER, CLUSTERS, map, map_key, map_path, policy_path};

const COPY: &str = "copy.redb";
const A: &str = "ConfigMap/default/a";
const LATER: &str = "ConfigMap/default/later";

/// `a` as the copy has it, then as it became; and `later`, which the copy lacks. All is kept as it
/// is, and shown.
async fn restored(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.given(&[("a", "2"), ("later", "1")]).await?;
    back(stage).await?;
    let said = stage
        .until_report(&map_key("a"), ItemState::Held, "OtherHistory")
        .await?;
    ensure!(!said.message.is_empty(), "a hold without words");
    stage
        .until_report(&map_key("later"), ItemState::Unclaimed, "NotInHub")
        .await?;
    stage.until_held(&[A, LATER]).await?;
    kept(stage).await
}

/// The hub goes back to the copy.
async fn back(stage: &mut Stage) -> Result<()> {
    stage.hub.stop().await?;
    stage.hub.put_back(COPY)?;
    stage.hub.start().await
}

async fn kept(stage: &Stage) -> Result<()> {
    stage.member.expect_map("a", Some("2")).await?;
    stage.member.expect_map("later", Some("1")).await?;
    stage.expect_deleted(&[]).await
}

/// What is held is kept right, over a restart of agent and hub too; a user's write of the object
/// ends one hold, and adopting the other.
pub(crate) async fn restored_to_before_a_put(stage: &mut Stage) -> Result<()> {
    restored(stage).await?;
    let drift = json!({"data": {"key": "drift"}});
    for name in ["a", "later"] {
        let path = map_path(name);
        stage.member.api.merge(&path, &drift).await?.ok()?;
    }
    stage.member.until_map("a", Some("2")).await?;
    stage.member.until_map("later", Some("1")).await?;
    stage.restart_agent().await?;
    stage.hub.restart().await?;
    stage.until_held(&[A, LATER]).await?;
    stage.quiet().await;
    kept(stage).await?;

    let uid = stage.member.uid(&map_path("later")).await?;
    stage.given(&[("a", "3")]).await?;
    stage.until_held(&[LATER]).await?;
    stage.reconcile("--adopt", LATER).await?;
    stage.until_applied("later").await?;
    stage.until_said_to_be_settled().await?;
    let template = stage.hub.api()?.get(&map_path("later")).await?.ok()?;
    ensure!(
        template.pointer("/data/key") == Some(&json!("1")),
        "{template}"
    );
    ensure!(
        stage.member.uid(&map_path("later")).await? == uid,
        "made anew"
    );
    stage.given(&[("later", "2"), ("a", "4")]).await?;
    stage.expect_deleted(&[]).await
}

/// The ways out by command: the hub's word is taken for one, the other is deleted.
pub(crate) async fn restored_and_the_hubs_word_taken(stage: &mut Stage) -> Result<()> {
    restored(stage).await?;
    stage.reconcile("--take-hub", A).await?;
    stage.member.until_map("a", Some("1")).await?;
    stage.until_applied("a").await?;
    stage.until_held(&[LATER]).await?;
    stage.reconcile("--delete", LATER).await?;
    stage.member.until_map("later", None).await?;
    stage.until_nothing_held().await?;
    stage.given(&[("a", "3"), ("later", "2")]).await?;
    stage.expect_deleted(&[map_path("later")]).await
}

/// The other ways out: one is adopted, the other let go of.
pub(crate) async fn restored_and_adopted_and_released(stage: &mut Stage) -> Result<()> {
    restored(stage).await?;
    stage.reconcile("--adopt", A).await?;
    stage.until_applied("a").await?;
    stage.member.expect_map("a", Some("2")).await?;
    stage.reconcile("--release", LATER).await?;
    let free = |o: Option<&serde_json::Value>| {
        o.is_some_and(|o| o.pointer("/metadata/labels/roadstead.dev~1owner").is_none())
    };
    let path = map_path("later");
    stage.member.until(&path, "it is let go of", free).await?;
    stage.until_nothing_held().await?;
    stage.quiet().await;
    kept(stage).await
}

/// A write of the policy, after the hold was shown, lets the hub's word go too; it says nothing about
/// what the hub does not name.
pub(crate) async fn restored_and_the_policy_written(stage: &mut Stage) -> Result<()> {
    restored(stage).await?;
    let note = json!({"metadata": {"annotations": {"example.com/seen": "yes"}}});
    let path = policy_path("all");
    stage.hub.api()?.merge(&path, &note).await?.ok()?;
    stage.member.until_map("a", Some("1")).await?;
    stage.until_applied("a").await?;
    stage.until_held(&[LATER]).await?;
    stage.member.expect_map("later", Some("1")).await?;
    stage.expect_deleted(&[]).await?;
    // Deleting the template is a write, too.
    stage.hub.delete(&map_path("a")).await?;
    stage.member.until_map("a", None).await?;
    stage.expect_deleted(&[map_path("a")]).await
}

/// A user deletes the template of what is held: that user's word goes.
pub(crate) async fn restored_and_the_template_deleted(stage: &mut Stage) -> Result<()> {
    restored(stage).await?;
    stage.hub.delete(&map_path("a")).await?;
    stage.member.until_map("a", None).await?;
    stage.until_held(&[LATER]).await?;
    stage.expect_deleted(&[map_path("a")]).await
}

/// Users of a restored hub write and delete before its agent has come and shown what is held: they
/// did not know, so their word is held as all else, and is asked for once more.
pub(crate) async fn written_before_the_hold_was_shown(stage: &mut Stage) -> Result<()> {
    const B: &str = "ConfigMap/default/b";
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.given(&[("a", "2"), ("b", "2")]).await?;
    stage.agent.kill()?;
    back(stage).await?;
    stage.hub.put(&[map("a", "early")]).await?;
    stage.hub.delete(&map_path("b")).await?;
    stage.quiet().await;
    stage.start_agent().await?;
    stage.until_held(&[A, B]).await?;
    stage.quiet().await;
    stage.member.expect_map("a", Some("2")).await?;
    stage.member.expect_map("b", Some("2")).await?;
    stage.expect_deleted(&[]).await?;
    stage.given(&[("a", "knowing")]).await?;
    // The tombstone was acknowledged, and so is no longer among what the hub has to say.
    stage.reconcile("--delete", B).await?;
    stage.member.until_map("b", None).await?;
    stage.until_nothing_held().await?;
    stage.expect_deleted(&[map_path("b")]).await
}

/// The hub is as it was before deletions: what was deleted is not made anew; a user writes one of
/// them, and deletes the other once more.
pub(crate) async fn restored_to_before_a_tombstone(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1"), ("c", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.until_ready().await?;
    let (a, c) = (map_path("a"), map_path("c"));
    stage.hub.delete(&a).await?;
    stage.member.until_map("a", None).await?;
    stage.hub.delete(&c).await?;
    stage.member.until_map("c", None).await?;
    stage.expect_deleted(&[a.clone(), c.clone()]).await?;
    back(stage).await?;
    stage.until_held(&[A, "ConfigMap/default/c"]).await?;
    stage.until_applied("b").await?;
    stage.quiet().await;
    stage.member.expect_map("a", None).await?;
    stage.member.expect_map("b", Some("1")).await?;
    stage.member.expect_map("c", None).await?;
    stage.given(&[("a", "2")]).await?;
    stage.hub.delete(&c).await?;
    stage.until_nothing_held().await?;
    stage.member.expect_map("c", None).await?;
    stage.expect_deleted(&[a, c]).await
}

/// The hub is as it was before the cluster was frozen: its agent stays frozen, and that is shown,
/// until a user lifts it.
pub(crate) async fn restored_to_before_a_freeze(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.until_ready().await?;
    freeze(stage).await?;
    back(stage).await?;
    stage.until_ready().await?;
    let said = stage
        .until_condition("Frozen", "Unknown", "OtherHistory")
        .await?;
    ensure!(said.contains("roadstead unfreeze"), "{said}");
    stage.hub.put(&[map("a", "2")]).await?;
    stage.quiet().await;
    still_frozen(stage).await?;
    // Over a restart of the agent, too.
    stage.restart_agent().await?;
    stage
        .until_condition("Frozen", "Unknown", "OtherHistory")
        .await?;
    stage.quiet().await;
    still_frozen(stage).await?;
    stage.hub.roadstead(&["unfreeze", "member"]).await?;
    thawed(stage).await
}

/// The hub is as it was before its agents' authority had a successor, which the agent's certificate is
/// of by now: they find each other all the same, and what was given since is held.
pub(crate) async fn restored_to_before_an_authority_rollover(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.until_ready().await?;
    let said = stage.hub.roadstead(&["rotate-authority", "--now"]).await?;
    ensure!(said.contains("Generation 2"), "{said}");
    // Met twice: once to hear of it, once with what came of that.
    for value in ["2", "3"] {
        stage.hub.restart().await?;
        stage.restart_agent().await?;
        stage.until_ready().await?;
        stage.given(&[("a", value)]).await?;
        ensure!(renewals(stage)? == 1, "{} renewals", renewals(stage)?);
    }
    back(stage).await?;
    stage.restart_agent().await?;
    stage.until_held(&[A]).await?;
    // By the certificate that it had before.
    ensure!(renewals(stage)? == 2, "{} renewals", renewals(stage)?);
    stage.member.expect_map("a", Some("3")).await?;
    stage.given(&[("a", "4"), ("b", "2")]).await?;
    stage.until_nothing_held().await?;
    stage.expect_deleted(&[]).await
}

/// How often the agent had its certificate renewed.
fn renewals(stage: &Stage) -> Result<usize> {
    let log = stage.agent.log()?;
    Ok(log.matches("the certificate was renewed").count())
}

/// Frozen; meanwhile the agent goes away, and the freeze is lifted while it is: it hears of that.
pub(crate) async fn frozen_and_thawed_while_away(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    freeze(stage).await?;
    stage.hub.put(&[map("a", "2")]).await?;
    stage.quiet().await;
    still_frozen(stage).await?;
    // With the hub away it stays frozen, from its own disk.
    stage.hub.stop().await?;
    stage.restart_agent().await?;
    stage.quiet().await;
    still_frozen(stage).await?;
    stage.agent.kill()?;
    stage.hub.start().await?;
    stage.hub.roadstead(&["unfreeze", "member"]).await?;
    stage.start_agent().await?;
    thawed(stage).await
}

/// Freezes the cluster, and lets `b` be deleted there behind its agent's back.
async fn freeze(stage: &Stage) -> Result<()> {
    let why = ["freeze", "member", "--reason", "maintenance"];
    stage.hub.roadstead(&why).await?;
    let said = stage.until_condition("Frozen", "True", "Frozen").await?;
    ensure!(said.contains("maintenance"), "{said}");
    let status = stage.hub.roadstead(&["status"]).await?;
    ensure!(status.contains("Frozen"), "{status}");
    let gone = stage.member.api.delete(&map_path("b"), None).await?;
    gone.ok()
        .map(drop)
        .context("a user of the member deletes b")
}

async fn still_frozen(stage: &Stage) -> Result<()> {
    stage.member.expect_map("a", Some("1")).await?;
    stage.member.expect_map("b", None).await
}

async fn thawed(stage: &Stage) -> Result<()> {
    stage.until_condition("Frozen", "False", "").await?;
    stage.member.until_map("a", Some("2")).await?;
    stage.member.until_map("b", Some("1")).await?;
    stage.until_applied("a").await?;
    stage.until_nothing_held().await?;
    stage.expect_deleted(&[]).await
}

/// The hub goes back to before it detached the cluster, and lets its agent in: what people changed
/// there since stays as it is, until one of them joins the cluster anew.
pub(crate) async fn restored_to_before_a_detachment(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.until_ready().await?;
    stage.hub.delete(&format!("{CLUSTERS}/{CLUSTER}")).await?;
    stage.agent.until_said("detached").await?;
    let theirs = json!({"data": {"key": "theirs now"}});
    let path = map_path("a");
    stage.member.api.merge(&path, &theirs).await?.ok()?;
    back(stage).await?;
    stage.restart_agent().await?;
    stage.agent.until_said("until it is joined anew").await?;
    stage.quiet().await;
    stage.member.expect_map("a", Some("theirs now")).await?;

    let token = stage.hub.token().await?;
    stage.agent.kill()?;
    stage.agent.start(&stage.member, Some(&token)).await?;
    stage.until_ready().await?;
    stage.member.until_map("a", Some("1")).await?;
    stage.given(&[("a", "2")]).await?;
    stage.restart_agent().await?;
    stage.given(&[("a", "3")]).await?;
    stage.expect_deleted(&[]).await
}
