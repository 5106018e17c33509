//! The stage of a history: a hub on its file, an agent on its own, and a member between which a
//! history can come.
//!
//! Hub and agent are the real ones over real QUIC on the loopback, each on a runtime of its own that
//! can end without a warning.

mod agent;
mod clock;
mod gate;
mod host;
mod hub;
mod member;
pub(crate) mod objects;
mod wires;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::report::ItemState;
use roadstead_store::records::ReportRecord;
use roadstead_tests::api::text;
use roadstead_tests::fleet::condition;
use roadstead_tests::process::within;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use agent::Agent;
pub(crate) use gate::Fate;
pub(crate) use hub::Hub;
pub(crate) use member::{Member, SOON};

use objects::{map, map_key, map_path, sends};

/// How long nothing may happen where nothing is to happen.
pub(crate) const QUIET: Duration = Duration::from_millis(1500);

/// How long an answer may take from the member to its agent.
const NOTED_WITHIN: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Stage {
    /// The hub.
    pub(crate) hub: Hub,
    /// The agent.
    pub(crate) agent: Agent,
    /// The member.
    pub(crate) member: Member,
    folder: Option<TempDir>,
}

impl Stage {
    /// Starts a hub and lets an agent join beside `member`, with a policy for ConfigMaps.
    pub(crate) async fn start(member: Member) -> Result<Self> {
        let mut stage = Self::bare(member).await?;
        let token = stage.hub.token().await?;
        stage.agent.start(&stage.member, Some(&token)).await?;
        stage.until_ready().await?;
        stage.hub.put(&[sends("all", ("v1", "ConfigMap"))]).await?;
        Ok(stage)
    }

    /// Starts a hub alone.
    pub(crate) async fn bare(member: Member) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut hub = Hub::new(folder.path(), "hub")?;
        hub.start().await?;
        Ok(Self {
            hub,
            agent: Agent::new(folder.path(), "agent"),
            member,
            folder: Some(folder),
        })
    }

    /// The folder with all files.
    pub(crate) fn folder(&self) -> Result<&Path> {
        Ok(self.folder.as_ref().context("the folder is kept")?.path())
    }

    /// Keeps the folder, for who looks for what went wrong.
    pub(crate) fn keep(&mut self) -> String {
        let kept = self.folder.take().map(TempDir::keep);
        kept.map(|k| k.display().to_string()).unwrap_or_default()
    }

    /// Kills the agent and starts it again.
    pub(crate) async fn restart_agent(&mut self) -> Result<()> {
        self.agent.restart(&self.member).await
    }

    /// Starts the agent.
    pub(crate) async fn start_agent(&mut self) -> Result<()> {
        self.agent.start(&self.member, None).await
    }

    /// A user writes ConfigMaps, and they come to the member.
    pub(crate) async fn given(&self, maps: &[(&str, &str)]) -> Result<()> {
        for (name, value) in maps {
            self.hub.put(&[map(name, value)]).await?;
        }
        for (name, value) in maps {
            self.member.until_map(name, Some(value)).await?;
            self.until_applied(name).await?;
        }
        Ok(())
    }

    /// Waits until the agent reports a ConfigMap as applied.
    pub(crate) async fn until_applied(&self, name: &str) -> Result<()> {
        self.until_report(&map_key(name), ItemState::Applied, "Applied")
            .await
            .map(drop)
    }

    /// Waits until the agent reports so of an item.
    pub(crate) async fn until_report(
        &self,
        key: &ItemKey,
        state: ItemState,
        reason: &str,
    ) -> Result<ReportRecord> {
        self.until_report_to(&self.hub, key, (state, reason)).await
    }

    /// Waits until the agent reports so of an item to a hub.
    pub(crate) async fn until_report_to(
        &self,
        hub: &Hub,
        key: &ItemKey,
        (state, reason): (ItemState, &str),
    ) -> Result<ReportRecord> {
        let what = format!("{key} is reported {state:?}, {reason}");
        within(SOON, &what, || async {
            let report = hub.report(key).await?;
            let said = report.as_ref().map(|r| (r.state, r.reason.as_str()));
            ensure!(said == Some((state, reason)), "it says {report:?}");
            Ok(true)
        })
        .await?;
        hub.report(key).await?.context("the report is gone")
    }

    /// Waits until the agent reports that an item failed, and gives its words.
    pub(crate) async fn until_failed(&self, key: &ItemKey) -> Result<String> {
        within(SOON, &format!("{key} failed"), || async {
            let report = self.hub.report(key).await?;
            let state = report.as_ref().map(|r| r.state);
            ensure!(state == Some(ItemState::Failed), "it says {report:?}");
            Ok(true)
        })
        .await?;
        let report = self.hub.report(key).await?;
        Ok(report.map(|r| r.message).unwrap_or_default())
    }

    /// Waits until the cluster is Ready.
    pub(crate) async fn until_ready(&self) -> Result<()> {
        self.until_condition("Ready", "True", "").await.map(drop)
    }

    /// Waits until a condition of the cluster has a status and a reason (empty: any), and gives its
    /// message.
    pub(crate) async fn until_condition(
        &self,
        kind: &str,
        status: &str,
        reason: &str,
    ) -> Result<String> {
        let what = format!("the cluster's {kind} is {status} {reason}");
        within(SOON, &what, || async {
            let cluster = self.hub.cluster().await?;
            let found = condition(&cluster, kind);
            let same = found.0 == status && (reason.is_empty() || found.1 == reason);
            ensure!(same, "it is {found:?}");
            Ok(true)
        })
        .await?;
        Ok(condition(&self.hub.cluster().await?, kind).2)
    }

    /// Waits until the agent has noted on the member that it is as far as this ConfigMap's stamp.
    pub(crate) async fn until_anchored(&self, name: &str) -> Result<()> {
        let path = "/api/v1/namespaces/roadstead-system/configmaps/roadstead-agent";
        let (_, _, stamp) = self.shape(&map_path(name)).await?;
        let far = revision(&stamp);
        let there = |o: Option<&Value>| {
            let position = o.map(|o| text(o, "/data/position")).unwrap_or_default();
            far.is_some() && revision(position) >= far
        };
        self.member
            .until(path, "the agent's position is on the member", there)
            .await
            .map(drop)
    }

    /// Lets some time go by in which nothing is to happen.
    pub(crate) async fn quiet(&self) {
        tokio::time::sleep(QUIET).await;
    }

    /// Says that the agent deleted just these paths so far.
    pub(crate) async fn expect_deleted(&self, paths: &[String]) -> Result<()> {
        // An object is seen gone a moment before its agent has the answer.
        within(
            NOTED_WITHIN,
            "what was deleted is as it should be",
            || async {
                let found = self.member.gate.deleted();
                ensure!(found == paths, "deleted were {found:?} and not {paths:?}");
                Ok(true)
            },
        )
        .await
    }

    /// What the member's object at a path says in `data.key`, its uid and its stamp.
    pub(crate) async fn shape(&self, path: &str) -> Result<(String, String, String)> {
        let object = self.member.get(path).await?;
        let object: Value = object.with_context(|| format!("nothing is at {path}"))?;
        let of = |pointer: &str| text(&object, pointer).to_owned();
        let stamp = "/metadata/annotations/roadstead.dev~1stamp";
        Ok((of("/data/key"), of("/metadata/uid"), of(stamp)))
    }
}

/// The revision of a stamp.
fn revision(stamp: &str) -> Option<u64> {
    stamp.rsplit('/').next()?.parse().ok()
}
