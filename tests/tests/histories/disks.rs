//! Agents that lose what they wrote, or never wrote it.

use anyhow::{Context as _, Result, ensure};
use http::Method;
use roadstead_protocol::wire::report::ItemState;
use serde_json::{Value, json};

use crate::stage::objects::{CLUSTER, CLUSTERS, map, map_key, map_path};
use crate::stage::{ANCHOR, Agent, Fate, Member, Stage};

/// The Secret in which an agent keeps who it is.
const SECRET: &str = "roadstead-agent-identity";
const SECRETS: &str = "/api/v1/namespaces/roadstead-system/secrets";

/// The agent keeps its identity in a Secret on its member, too.
async fn keeps_a_secret(stage: &mut Stage) -> Result<()> {
    stage.agent.secret = Some(SECRET.to_owned());
    stage.restart_agent().await
}

/// Waits until that Secret says something of this name, and gives it.
async fn until_kept(stage: &Stage, name: &str) -> Result<Value> {
    let pointer = format!("/data/{name}");
    let kept = |o: Option<&Value>| o.is_some_and(|o| o.pointer(&pointer).is_some());
    let path = format!("{SECRETS}/{SECRET}");
    let what = format!("the Secret keeps the {name}");
    let secret = stage.member.until(&path, &what, kept).await?;
    secret.context("the Secret is gone")
}

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

/// The agent's disk goes back before the member was told how far the agent is, and the hub is away:
/// what is newer there is not overwritten. What was deleted meanwhile comes back, for nobody there
/// knows better; the hub, once it is back, shows it until a user says what it is.
pub(crate) async fn rewound_before_the_member_knew(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    stage.until_anchored("b").await?;
    stage.agent.kill()?;
    stage.agent.copy_to("agent-copy.redb")?;
    stage.start_agent().await?;
    stage.until_ready().await?;
    stage.given(&[("a", "2")]).await?;
    stage.hub.delete(&map_path("b")).await?;
    stage.member.until_map("b", None).await?;
    stage.expect_deleted(&[map_path("b")]).await?;
    stage.agent.kill()?;
    stage.hub.stop().await?;
    stage.agent.put_back("agent-copy.redb")?;
    stage.start_agent().await?;
    // The third start; nothing is applied before that is on the member.
    let third = |o: Option<&Value>| o.and_then(|o| o.pointer("/data/boot")) == Some(&json!("3"));
    stage
        .member
        .until(ANCHOR, "it is the third start", third)
        .await?;
    stage.quiet().await;
    stage.member.expect_map("a", Some("2")).await?;
    stage.hub.start().await?;
    stage.until_ready().await?;
    stage.until_applied("a").await?;
    stage.quiet().await;
    stage.member.expect_map("a", Some("2")).await?;
    if stage.member.map("b").await?.is_some() {
        let b = "ConfigMap/default/b";
        stage.until_held(&[b]).await?;
        stage.reconcile("--delete", b).await?;
        stage.member.until_map("b", None).await?;
    }
    stage.until_nothing_held().await?;
    stage.given(&[("a", "3")]).await
}

/// A user detaches the cluster and lets it join again, with the agent's disk as it was: nothing is
/// removed, what it made before is still its own, and what nobody names any more is shown.
pub(crate) async fn detached_and_joined_again_with_its_disk(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    let uids = [uid(stage, "a").await?, uid(stage, "b").await?];
    stage.hub.delete(&format!("{CLUSTERS}/{CLUSTER}")).await?;
    stage.agent.until_said("detached").await?;
    // Nothing is applied any more, and nothing removed.
    let drift = json!({"data": {"key": "theirs now"}});
    stage.member.api.merge(&map_path("b"), &drift).await?.ok()?;
    stage.hub.delete(&map_path("b")).await?;
    stage.quiet().await;
    stage.member.expect_map("a", Some("1")).await?;
    stage.member.expect_map("b", Some("theirs now")).await?;
    stage.hub.put(&[map("a", "2")]).await?;
    let token = stage.hub.token().await?;
    stage.agent.kill()?;
    stage.agent.start(&stage.member, Some(&token)).await?;
    stage.until_ready().await?;
    stage.member.until_map("a", Some("2")).await?;
    stage.until_applied("a").await?;
    stage.quiet().await;
    let b = "ConfigMap/default/b";
    stage.until_held(&[b]).await?;
    stage.member.expect_map("b", Some("theirs now")).await?;
    let now = [uid(stage, "a").await?, uid(stage, "b").await?];
    ensure!(now == uids, "they were made anew");
    stage.expect_deleted(&[]).await?;
    stage.reconcile("--delete", b).await?;
    stage.member.until_map("b", None).await?;
    stage.until_nothing_held().await?;
    stage.expect_deleted(&[map_path("b")]).await
}

/// As before, of an agent whose disk is emptied on the way: its Secret says which cluster it was, so what
/// is from then is its own, and what nobody names any more is shown, to be let go or to be the hub's.
pub(crate) async fn detached_wiped_and_joined_again_with_its_secret(
    stage: &mut Stage,
) -> Result<()> {
    keeps_a_secret(stage).await?;
    let all = ["a", "b", "c"];
    stage.given(&all.map(|name| (name, "1"))).await?;
    stage.until_anchored("c").await?;
    let mut uids = Vec::new();
    for name in all {
        uids.push(uid(stage, name).await?);
    }
    stage.hub.delete(&format!("{CLUSTERS}/{CLUSTER}")).await?;
    until_kept(stage, "detached").await?;
    stage.hub.delete(&map_path("b")).await?;
    stage.hub.delete(&map_path("c")).await?;
    stage.hub.put(&[map("a", "2")]).await?;
    stage.agent.kill()?;
    stage.agent.wipe()?;
    let token = stage.hub.token().await?;
    stage.agent.start(&stage.member, Some(&token)).await?;
    stage.until_ready().await?;
    stage.member.until_map("a", Some("2")).await?;
    stage.until_applied("a").await?;
    let [b, c] = ["ConfigMap/default/b", "ConfigMap/default/c"];
    stage.until_held(&[b, c]).await?;
    let mut now = Vec::new();
    for name in all {
        now.push(uid(stage, name).await?);
    }
    ensure!(now == uids, "they were made anew");
    stage.reconcile("--release", b).await?;
    stage.reconcile("--adopt", c).await?;
    stage.until_nothing_held().await?;
    stage.member.expect_map("b", Some("1")).await?;
    stage.until_applied("c").await?;
    stage.hub.put(&[map("c", "2")]).await?;
    stage.member.until_map("c", Some("2")).await?;
    stage.expect_deleted(&[]).await
}

/// The agent's disk is empty at a start, and its identity is in the Secret on its member: it is the
/// same agent. What was decided while it was away is carried out, and nothing else moves.
pub(crate) async fn wiped_with_its_secret_kept(stage: &mut Stage) -> Result<()> {
    keeps_a_secret(stage).await?;
    stage.given(&[("a", "1"), ("b", "1"), ("c", "1")]).await?;
    stage.until_anchored("c").await?;
    until_kept(stage, "identity").await?;
    let uids = [uid(stage, "a").await?, uid(stage, "c").await?];
    stage.agent.kill()?;
    stage.agent.wipe()?;
    stage.hub.put(&[map("a", "2")]).await?;
    stage.hub.delete(&map_path("b")).await?;
    stage.quiet().await;
    stage.start_agent().await?;
    anew(stage, &uids).await
}

/// The cluster is detached, its agent's disk is emptied and its hub goes back to before: the Secret still
/// says that it was detached, and only a user who joins it anew ends that.
pub(crate) async fn detached_and_wiped_with_its_secret_kept(stage: &mut Stage) -> Result<()> {
    const COPY: &str = "before-the-detachment";
    keeps_a_secret(stage).await?;
    stage.given(&[("a", "1")]).await?;
    stage.until_anchored("a").await?;
    stage.hub.stop().await?;
    stage.hub.copy_to(COPY)?;
    stage.hub.start().await?;
    stage.until_ready().await?;
    stage.hub.delete(&format!("{CLUSTERS}/{CLUSTER}")).await?;
    until_kept(stage, "detached").await?;
    let theirs = json!({"data": {"key": "theirs now"}});
    let path = map_path("a");
    stage.member.api.merge(&path, &theirs).await?.ok()?;
    stage.agent.kill()?;
    stage.agent.wipe()?;
    stage.hub.stop().await?;
    stage.hub.put_back(COPY)?;
    stage.hub.start().await?;
    stage.start_agent().await?;
    stage.agent.until_said("until it is joined anew").await?;
    stage.quiet().await;
    stage.member.expect_map("a", Some("theirs now")).await?;

    let token = stage.hub.token().await?;
    stage.agent.kill()?;
    stage.agent.start(&stage.member, Some(&token)).await?;
    stage.until_ready().await?;
    stage.member.until_map("a", Some("1")).await?;
    stage.given(&[("a", "2")]).await?;
    stage.expect_deleted(&[]).await
}

/// The same, and without a Secret a user lets the cluster join anew, as the AttachedCluster that it is.
pub(crate) async fn wiped_and_joined_anew(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1"), ("c", "1")]).await?;
    stage.until_anchored("c").await?;
    let uids = [uid(stage, "a").await?, uid(stage, "c").await?];
    stage.agent.kill()?;
    stage.agent.wipe()?;
    stage.hub.put(&[map("a", "2")]).await?;
    stage.hub.delete(&map_path("b")).await?;
    stage.quiet().await;
    let token = stage.hub.token().await?;
    stage.agent.start(&stage.member, Some(&token)).await?;
    anew(stage, &uids).await
}

async fn uid(stage: &Stage, name: &str) -> Result<String> {
    stage.member.uid(&map_path(name)).await
}

/// `a` was changed and `b` deleted while the agent was away; `c` is as it was.
async fn anew(stage: &Stage, uids: &[String]) -> Result<()> {
    stage.member.until_map("a", Some("2")).await?;
    stage.member.until_map("b", None).await?;
    for name in ["a", "c"] {
        stage.until_applied(name).await?;
    }
    stage.member.expect_map("c", Some("1")).await?;
    let now = [uid(stage, "a").await?, uid(stage, "c").await?];
    ensure!(now == uids, "they were made anew");
    stage.until_nothing_held().await?;
    // What is drifted is put right, and what is deleted goes, as ever.
    let drift = json!({"data": {"key": "drift"}});
    stage.member.api.merge(&map_path("c"), &drift).await?.ok()?;
    stage.member.until_map("c", Some("1")).await?;
    stage.hub.delete(&map_path("c")).await?;
    stage.member.until_map("c", None).await?;
    stage.expect_deleted(&[map_path("b"), map_path("c")]).await
}

/// The Secret with the identity is copied to another cluster: an agent there is nobody.
pub(crate) async fn its_secret_copied_to_another_cluster(stage: &mut Stage) -> Result<()> {
    keeps_a_secret(stage).await?;
    stage.given(&[("a", "1")]).await?;
    let mut secret = until_kept(stage, "identity").await?;
    secret["metadata"] = json!({"name": SECRET, "namespace": "roadstead-system"});
    let other = Member::simulated().await?;
    let space =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "roadstead-system"}});
    other.api.create("/api/v1/namespaces", &space).await?.ok()?;
    other.api.create(SECRETS, &secret).await?.ok()?;
    let mut copy = Agent::new(stage.folder()?, "copy");
    copy.secret = Some(SECRET.to_owned());
    copy.start(&other, None).await?;
    let ended = copy.ended().await?;
    ensure!(
        matches!(ended, roadstead_agent::Error::CopiedSecret { .. }),
        "{ended}"
    );
    other.expect_map("a", None).await?;
    ensure!(other.gate.acts().is_empty(), "{:?}", other.gate.acts());
    stage.given(&[("a", "2")]).await?;
    stage.expect_deleted(&[]).await
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
