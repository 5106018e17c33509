//! Agents that lose what they wrote, or never wrote it.

use anyhow::{Result, ensure};
use http::Method;
use roadstead_protocol::wire::report::ItemState;

use crate::stage::objects::{map, map_key, map_path};
use crate::stage::{Agent, Fate, Member, Stage};

/// An object is created, and its agent is killed before it wrote that down; then a user deletes it.
/// It is ours by label and stamp: it goes.
pub(crate) async fn created_and_killed_before_its_commit_then_tombstoned(
    stage: &mut Stage,
) -> Result<()> {
    stage.given(&[("other", "1")]).await?;
    lose_the_creation(stage, "a").await?;
    stage.agent.kill()?;
    stage.member.expect_map("a", Some("1")).await?;
    stage.hub.delete(&map_path("a")).await?;
    stage.quiet().await;
    stage.member.gate.open();
    stage.start_agent().await?;
    stage.member.until_map("a", None).await?;
    stage.member.expect_map("other", Some("1")).await?;
    stage.expect_deleted(&[map_path("a")]).await
}

/// A user writes a ConfigMap, and the answer to its creation never comes to the agent.
async fn lose_the_creation(stage: &Stage, name: &str) -> Result<()> {
    let part = map_path(name);
    let lost = Fate::AnswerLost;
    stage.member.gate.next((Method::PATCH, &part), lost, 1);
    let maps = part.trim_end_matches(&format!("/{name}"));
    stage.member.gate.next((Method::POST, maps), lost, 1);
    stage.hub.put(&[map(name, "1")]).await?;
    stage.member.gate.met().await
}

/// A create stays on its way; meanwhile a user deletes the object; then it lands. Nothing was there
/// to delete before, so it counts only once it can land no more: the object goes all the same.
pub(crate) async fn a_create_whose_answer_never_came_lands_late(stage: &mut Stage) -> Result<()> {
    let path = map_path("a");
    let (gate, late) = (&stage.member.gate, Fate::Delayed);
    gate.next((Method::PATCH, &path), late, 1);
    gate.next((Method::POST, path.trim_end_matches("/a")), late, 1);
    stage.hub.put(&[map("a", "1")]).await?;
    gate.met().await?;
    gate.open();
    stage.hub.delete(&path).await?;
    stage.quiet().await;
    stage.member.expect_map("a", None).await?;
    let codes = stage.member.deliver().await?;
    ensure!(codes.len() == 1, "{codes:?}");
    stage.member.expect_map("a", Some("1")).await?;
    stage.member.until_map("a", None).await?;
    stage.expect_deleted(&[path]).await
}

/// The agent's disk goes back to an earlier day: what has happened since is not undone, neither by
/// putting old contents back nor by making anew what was deleted.
pub(crate) async fn rewound(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1"), ("c", "1")]).await?;
    stage.agent.kill()?;
    stage.agent.copy_to("agent-copy.redb")?;
    stage.start_agent().await?;
    stage.until_ready().await?;
    stage.given(&[("a", "2"), ("later", "1")]).await?;
    stage.hub.delete(&map_path("b")).await?;
    stage.member.until_map("b", None).await?;
    stage.until_anchored("later").await?;
    stage.agent.kill()?;
    stage.agent.put_back("agent-copy.redb")?;
    // With the hub away nothing is known of what has happened since.
    stage.hub.stop().await?;
    stage.start_agent().await?;
    stage
        .agent
        .until_said("the agent's disk is behind its member")
        .await?;
    stage.quiet().await;
    let as_it_was = async |stage: &Stage| {
        stage.member.expect_map("a", Some("2")).await?;
        stage.member.expect_map("b", None).await?;
        stage.member.expect_map("c", Some("1")).await?;
        stage.member.expect_map("later", Some("1")).await
    };
    as_it_was(stage).await?;
    stage.hub.start().await?;
    for name in ["a", "c", "later"] {
        stage.until_applied(name).await?;
    }
    stage.quiet().await;
    as_it_was(stage).await?;
    stage.given(&[("a", "3")]).await?;
    stage.hub.delete(&map_path("later")).await?;
    stage.member.until_map("later", None).await?;
    stage
        .expect_deleted(&[map_path("b"), map_path("later")])
        .await
}

/// What an agent knows is copied to another cluster: there it does nothing, and says why.
pub(crate) async fn copied_to_another_cluster(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1")]).await?;
    stage.agent.kill()?;
    let other = Member::simulated().await?;
    let mut copy = Agent::new(stage.folder()?, "copy");
    stage.agent.copy_to("agent-copy.redb")?;
    copy.put_back("agent-copy.redb")?;
    stage.start_agent().await?;
    copy.start(&other, None).await?;
    let ended = copy.ended().await?;
    let words = ended.to_string();
    ensure!(
        matches!(
            ended,
            roadstead_agent::Error::OtherMember { .. } | roadstead_agent::Error::Refused(_)
        ),
        "{words}"
    );
    other.expect_map("a", None).await?;
    ensure!(other.gate.acts().is_empty(), "{:?}", other.gate.acts());
    // The right one goes on.
    stage.until_ready().await?;
    stage.given(&[("a", "2")]).await?;
    stage
        .until_report(&map_key("a"), ItemState::Applied, "Applied")
        .await?;
    stage.expect_deleted(&[]).await
}
