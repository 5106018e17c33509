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

use objects::{CLUSTER, map, map_key, map_path, sends};

/// How long nothing may happen where nothing is to happen.
pub(crate) const QUIET: Duration = Duration::from_millis(1500);

/// Where the agent keeps its position on the member.
pub(crate) const ANCHOR: &str = "/api/v1/namespaces/roadstead-system/configmaps/roadstead-agent";
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

    /// Waits until the cluster says that just these items (as `Kind/namespace/name`) are held or
    /// unclaimed, on its object and in `roadstead status`, and names the way out.
    pub(crate) async fn until_held(&self, items: &[&str]) -> Result<()> {
        within(SOON, &format!("{items:?} wait for a user"), || async {
            let waits = self.hub.waits().await?;
            let waits: Vec<String> = waits.iter().map(name_of).collect();
            ensure!(waits == items, "they are {waits:?}");
            Ok(true)
        })
        .await?;
        let names_all = |text: &str| {
            items.iter().all(|i| text.contains(i)) && text.contains("roadstead reconcile")
        };
        within(SOON, "the cluster says that they are held", || async {
            let held = condition(&self.hub.cluster().await?, "Held");
            ensure!(held.0 == "True" && names_all(&held.2), "it says {held:?}");
            let status = self.hub.roadstead(&["status"]).await?;
            ensure!(names_all(&unbroken(&status)), "{status}");
            Ok(true)
        })
        .await
    }

    /// Waits until nothing is held any more.
    pub(crate) async fn until_nothing_held(&self) -> Result<()> {
        within(SOON, "nothing waits for a user", || async {
            let waits = self.hub.waits().await?;
            ensure!(waits.is_empty(), "{waits:?}");
            Ok(true)
        })
        .await
    }

    /// As [`until_nothing_held`](Self::until_nothing_held), and until the cluster says so; after an
    /// agent came back that takes some seconds.
    pub(crate) async fn until_said_to_be_settled(&self) -> Result<()> {
        self.until_nothing_held().await?;
        within(SOON, "the cluster says that nothing is held", || async {
            let held = condition(&self.hub.cluster().await?, "Held");
            ensure!(held.0 == "False", "it says {held:?}");
            Ok(true)
        })
        .await?;
        let status = self.hub.roadstead(&["status"]).await?;
        ensure!(!status.contains("roadstead reconcile"), "{status}");
        Ok(())
    }

    /// A user runs `roadstead reconcile` with this flag on an item.
    pub(crate) async fn reconcile(&self, flag: &str, item: &str) -> Result<()> {
        let args = ["reconcile", CLUSTER, flag, item];
        let said = self.hub.roadstead(&args).await;
        let said = said.with_context(|| format!("reconcile {flag} {item}"))?;
        ensure!(said.contains(item), "{said}");
        Ok(())
    }

    /// Waits until the agent has noted on the member that it is as far as this ConfigMap's stamp.
    pub(crate) async fn until_anchored(&self, name: &str) -> Result<()> {
        let (_, _, stamp) = self.shape(&map_path(name)).await?;
        let far = revision(&stamp);
        let there = |o: Option<&Value>| {
            let position = o.map(|o| text(o, "/data/position")).unwrap_or_default();
            far.is_some() && revision(position) >= far
        };
        self.member
            .until(ANCHOR, "the agent's position is on the member", there)
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

/// A text without the line breaks of a table.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What waits, as a command names it.
fn name_of(entry: &Value) -> String {
    let mut name = text(entry, "/kind").to_owned();
    for (sign, field) in [(".", "/group"), ("/", "/namespace"), ("/", "/name")] {
        if !text(entry, field).is_empty() {
            name.push_str(sign);
            name.push_str(text(entry, field));
        }
    }
    name
}

/// The revision of a stamp.
fn revision(stamp: &str) -> Option<u64> {
    stamp.rsplit('/').next()?.parse().ok()
}
