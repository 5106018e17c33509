//! Hubs whose past is not what their agents remember: new ones, restored ones, twins.

use std::path::Path;

use anyhow::{Result, ensure};
use base64::Engine as _;
use roadstead_protocol::wire::report::ItemState;
use roadstead_tests::process::within;
use serde_json::{Value, json};

use crate::stage::objects::{CLUSTER, CLUSTERS, map, map_key, map_path, policy_path, sends};
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
    stage.until_held(&["ConfigMap/default/b"]).await?;
    // The way out: the member's is taken as the first hub's own.
    stage.reconcile("--adopt", "ConfigMap/default/b").await?;
    stage.until_applied("b").await?;
    stage.member.expect_map("b", Some("second")).await?;
    stage.until_nothing_held().await?;
    stage.given(&[("b", "2")]).await?;
    stage.expect_deleted(&[]).await
}

/// An agent that was away hears half of what one of two twins has for it, and goes on with the other:
/// every object is as the twin said whose word is on the agent's disk, and the other's word is held.
pub(crate) async fn half_of_one_catch_up_and_then_the_other(stage: &mut Stage) -> Result<()> {
    let names: Vec<String> = (0..300).map(|i| format!("m{i:03}")).collect();
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
    stage.hub.put(&all("first")).await?;
    twin.put(&all("second")).await?;
    hear_some(stage, &names, "first").await?;
    stage.agent.wires.mend();
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
    ensure!(held > 0 && given > 0, "{held} held, {given} given: no half");
    stage.expect_deleted(&[]).await?;
    // The way out of all of it at once: the twin is their hub from now on.
    std::mem::swap(&mut stage.hub, &mut twin);
    let said = stage.until_condition("Held", "True", "").await?;
    ensure!(said.contains("roadstead reconcile"), "{said}");
    let all = ["reconcile", CLUSTER, "--take-hub", "--all"];
    stage.hub.roadstead(&all).await?;
    for name in &names {
        stage.member.until_map(name, Some("second")).await?;
    }
    stage.until_said_to_be_settled().await?;
    stage.expect_deleted(&[]).await
}

/// Lets the agent hear more and more of what its hub says, until a part of what is to become `value`
/// has reached the member and the rest has not; ends with the agent killed.
async fn hear_some(stage: &mut Stage, names: &[String], value: &str) -> Result<()> {
    // A handshake, a list of what there is, and then some 200 bytes for each: how much of it comes
    // before the first content depends on how busy the machine is.
    let (mut bytes, most) = (20_000, 100_000);
    loop {
        stage.agent.wires.deaf_after(bytes);
        stage.start_agent().await?;
        within(SOON, "the agent hears nothing any more", || async {
            Ok(stage.agent.wires.is_deaf())
        })
        .await?;
        stage.quiet().await;
        stage.agent.kill()?;
        for name in names {
            if stage.member.map(name).await?.as_deref() == Some(value) {
                return Ok(());
            }
        }
        bytes += 5_000;
        ensure!(bytes <= most, "nothing came with {most} bytes");
    }
}

/// A hub is lost, a copy stands in for it and is written to, and then the lost one comes back: what
/// was written meanwhile is held there until a user says what it is.
pub(crate) async fn the_lost_hub_comes_back(stage: &mut Stage) -> Result<()> {
    stage.given(&[("a", "1"), ("b", "1"), ("c", "1")]).await?;
    stage.hub.stop().await?;
    let mut copy = stage.hub.twin("copy")?;
    stage.hub.start().await?;
    stage.given(&[("a", "2")]).await?;
    stage.hub.stop().await?;
    copy.start().await?;
    stage.agent.wires.lead_to(copy.address());
    std::mem::swap(&mut stage.hub, &mut copy);
    stage.restart_agent().await?;
    stage.until_held(&["ConfigMap/default/a"]).await?;
    stage.given(&[("a", "3"), ("b", "3")]).await?;
    stage.hub.delete(&map_path("c")).await?;
    stage.member.until_map("c", None).await?;
    stage.hub.stop().await?;
    std::mem::swap(&mut stage.hub, &mut copy);
    stage.hub.start().await?;
    stage.agent.wires.lead_to(stage.hub.address());
    stage.restart_agent().await?;
    let all = [
        "ConfigMap/default/a",
        "ConfigMap/default/b",
        "ConfigMap/default/c",
    ];
    stage.until_held(&all).await?;
    stage.quiet().await;
    stage.member.expect_map("a", Some("3")).await?;
    stage.member.expect_map("b", Some("3")).await?;
    stage.member.expect_map("c", None).await?;
    stage.reconcile("--take-hub", "ConfigMap/default/a").await?;
    stage.member.until_map("a", Some("2")).await?;
    stage.reconcile("--adopt", "ConfigMap/default/b").await?;
    stage.until_applied("b").await?;
    stage.member.expect_map("b", Some("3")).await?;
    stage.hub.delete(&map_path("c")).await?;
    stage.until_nothing_held().await?;
    stage.member.expect_map("c", None).await?;
    stage.expect_deleted(&[map_path("c")]).await
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
    stage.until_held(&["ConfigMap/default/a"]).await?;
    stage.member.expect_map("a", Some("2")).await?;
    // The hub crashes once more: what is held is held, and shown.
    stage.hub.kill()?;
    stage.hub.start().await?;
    stage.restart_agent().await?;
    stage.until_held(&["ConfigMap/default/a"]).await?;
    stage.given(&[("a", "3")]).await?;
    stage.until_nothing_held().await?;
    stage.expect_deleted(&[]).await
}

/// Hub and agent go back together: only the member remembers. What it holds is not overwritten, and
/// nothing is removed.
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
    only_the_member_remembers(stage).await
}

/// `a` and `later` are as they were after the copy was taken; a user settles both.
async fn only_the_member_remembers(stage: &Stage) -> Result<()> {
    stage
        .until_held(&["ConfigMap/default/a", "ConfigMap/default/later"])
        .await?;
    stage.quiet().await;
    stage.member.expect_map("a", Some("2")).await?;
    stage.member.expect_map("b", Some("1")).await?;
    stage.member.expect_map("later", Some("1")).await?;
    stage.expect_deleted(&[]).await?;
    stage.given(&[("a", "3")]).await?;
    stage
        .reconcile("--delete", "ConfigMap/default/later")
        .await?;
    stage.member.until_map("later", None).await?;
    stage.until_nothing_held().await?;
    stage.expect_deleted(&[map_path("later")]).await
}

/// As before, with an agent that the hub hosts, whose disk is in the hub's own folder.
pub(crate) async fn a_hosted_agent_restored_with_its_hub(stage: &mut Stage) -> Result<()> {
    stage.agent.kill()?;
    let path = format!("{CLUSTERS}/{CLUSTER}");
    stage.hub.delete(&path).await?;
    stage.hub.hosts(&stage.member);
    stage.hub.restart().await?;
    stage.hub.put(&by_kubeconfig()).await?;
    stage.until_ready().await?;
    stage.given(&[("a", "1"), ("b", "1")]).await?;
    stage.hub.stop().await?;
    let folder = stage.folder()?.join("hosted-copy");
    stage.hub.copy_to(COPY)?;
    copy(&stage.hub.hosted(), &folder)?;
    stage.hub.start().await?;
    stage.until_ready().await?;
    stage.given(&[("a", "2"), ("later", "1")]).await?;
    stage.until_anchored("later").await?;
    stage.hub.stop().await?;
    stage.hub.put_back(COPY)?;
    std::fs::remove_dir_all(stage.hub.hosted())?;
    copy(&folder, &stage.hub.hosted())?;
    stage.hub.start().await?;
    only_the_member_remembers(stage).await
}

/// The cluster, to be reached by a kubeconfig in a Secret.
fn by_kubeconfig() -> [Value; 2] {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://member.example:6443"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    });
    let data = base64::engine::general_purpose::STANDARD.encode(kubeconfig.to_string());
    [
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "member-kubeconfig", "namespace": "default"},
            "data": {"value": data},
        }),
        json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1",
            "kind": "AttachedCluster",
            "metadata": {"name": CLUSTER, "namespace": "default"},
            "spec": {
                "kubeconfig": {"name": "member-kubeconfig", "key": "value"},
                "allowedNamespaces": {"from": "All"},
            },
        }),
    ]
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &there)?;
        } else {
            std::fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}
