//! A fleet of the real thing: a hub's process, real clusters, an agent's process beside each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

pub use crate::agent::Agent;
use crate::api::Api;
use crate::assets::Assets;
use crate::cluster::{Beside, Cluster, Clusters};
use crate::hub::Hub;
use crate::kubectl::Kubectl;
use crate::process::{eventually, within};

/// The kubectl that speaks to the hub.
const KUBECTL: &str = "1.36";
/// How long a cluster's condition Ready has to turn; longer than an agent may be silent.
const TURNS_WITHIN: Duration = Duration::from_secs(90);
/// Where the clusters stand on the hub.
const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";

/// The fleet. Dropped: everything is killed.
pub struct Fleet {
    /// The hub.
    pub hub: Hub,
    /// The hub's API, as the administrator.
    pub api: Api,
    /// kubectl, speaking to the hub.
    pub kubectl: Kubectl,
    folder: PathBuf,
    sites: Vec<Site>,
    clusters: Clusters,
}

/// One cluster with its agent.
pub struct Site {
    /// The cluster's name on the hub.
    pub name: String,
    /// The cluster's own API, as an administrator.
    pub api: Api,
    /// The agent's process.
    pub agent: Agent,
    cluster: Cluster,
}

/// What a fleet's cluster is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind<'a> {
    /// Its name.
    pub name: &'a str,
    /// What runs there: with controllers, a Deployment gets ReplicaSets; with kubelets, their pods run.
    pub beside: Beside,
    /// Further flags of its API server.
    pub flags: &'a [&'a str],
}

impl Fleet {
    /// Starts a hub and clusters, lets every cluster join by `roadstead join`, and waits until all
    /// are Ready.
    ///
    /// # Errors
    /// When a part cannot be started or does not become ready.
    pub async fn start(assets: Assets, folder: &Path, kinds: &[Kind<'_>]) -> Result<Self> {
        let clusters = Clusters::start(assets, folder)?;
        Self::apart(clusters, folder, kinds).await?.joined().await
    }

    /// As [`start`](Self::start), with no cluster joined yet.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn prepare(assets: Assets, folder: &Path, kinds: &[Kind<'_>]) -> Result<Self> {
        Self::apart(Clusters::start(assets, folder)?, folder, kinds).await
    }

    /// As [`start`](Self::start), with an etcd that syncs to disk.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_durable(assets: Assets, folder: &Path, kinds: &[Kind<'_>]) -> Result<Self> {
        let clusters = Clusters::start_durable(assets, folder)?;
        Self::apart(clusters, folder, kinds).await?.joined().await
    }

    /// Lets all clusters join, and waits until they are Ready.
    ///
    /// # Errors
    /// When one does not become so.
    pub async fn joined(mut self) -> Result<Self> {
        let names: Vec<String> = self.sites.iter().map(|s| s.name.clone()).collect();
        for name in &names {
            self.join(name)?;
        }
        for name in &names {
            self.until_ready(name, "True").await?;
        }
        Ok(self)
    }

    async fn apart(clusters: Clusters, folder: &Path, kinds: &[Kind<'_>]) -> Result<Self> {
        // All at a time: each waits for others more than it does.
        let begun = kinds
            .iter()
            .map(|kind| clusters.begin(kind.name, kind.flags));
        let begun: Vec<Cluster> = begun.collect::<Result<_>>()?;
        let hub = Hub::start(folder).await?;
        let mut fleet = Self {
            api: hub.api().await?,
            kubectl: Kubectl::new(KUBECTL, &hub.kubeconfig(), folder)?,
            hub,
            folder: folder.to_owned(),
            sites: Vec::new(),
            clusters,
        };
        for (mut cluster, kind) in begun.into_iter().zip(kinds) {
            fleet.clusters.complete(&mut cluster, kind.beside).await?;
            fleet.sites.push(Site {
                name: kind.name.to_owned(),
                api: Api::of(&cluster.kubeconfig).await?,
                agent: Agent::new(&folder.join(kind.name), &cluster.kubeconfig),
                cluster,
            });
        }
        Ok(fleet)
    }

    /// Lets a cluster join under its name, and does not wait until it has.
    ///
    /// # Errors
    /// When the hub refuses, or the agent cannot be started.
    pub fn join(&mut self, name: &str) -> Result<()> {
        let allow = ["--allow-namespaces", "All"];
        let join = ["join", name, allow[0], allow[1], "--output", "token"];
        let token = self.hub.roadstead(&join)?;
        self.agent(name)?.begin(Some(token.trim()))
    }

    /// Detaches a cluster, and gives it a new name under which it may join again.
    ///
    /// # Errors
    /// When there is none of the name, or the hub refuses.
    pub async fn detach(&mut self, name: &str, new: &str) -> Result<()> {
        self.hub.roadstead(&["detach", name])?;
        let folder = self.folder.join(new);
        std::fs::create_dir_all(&folder)?;
        let site = self.sites.iter_mut().find(|s| s.name == name);
        let site = site.with_context(|| format!("there is no {name}"))?;
        site.agent.kill().await?;
        site.agent = Agent::new(&folder, &site.cluster.kubeconfig);
        new.clone_into(&mut site.name);
        Ok(())
    }

    /// The cluster of a name.
    ///
    /// # Errors
    /// When there is none.
    pub fn site(&self, name: &str) -> Result<&Site> {
        self.sites
            .iter()
            .find(|s| s.name == name)
            .with_context(|| format!("there is no {name}"))
    }

    /// The agent of a cluster.
    ///
    /// # Errors
    /// When there is none.
    pub fn agent(&mut self, name: &str) -> Result<&mut Agent> {
        let site = self.sites.iter_mut().find(|s| s.name == name);
        Ok(&mut site.with_context(|| format!("there is no {name}"))?.agent)
    }

    /// The clusters.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Applies manifests with kubectl.
    ///
    /// # Errors
    /// When kubectl fails.
    pub fn apply(&self, namespace: &str, manifests: &str) -> Result<String> {
        let line = format!("apply -n {namespace} -f -");
        self.kubectl.with_input(&line, manifests)
    }

    /// Waits until a cluster's condition Ready has a status.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn until_ready(&self, name: &str, status: &str) -> Result<()> {
        let path = format!("{CLUSTERS}/{name}");
        within(
            TURNS_WITHIN,
            &format!("{name} is Ready={status}"),
            || async {
                let cluster = self.api.get(&path).await?.ok()?;
                let ready = condition(&cluster, "Ready");
                anyhow::ensure!(ready.0 == status, "it is {ready:?}");
                Ok(true)
            },
        )
        .await
    }

    /// What the decision about a template says of a cluster, once `wanted` says that it is this.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn until_decision(
        &self,
        (namespace, decision): (&str, &str),
        cluster: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let path =
            format!("/apis/roadstead.dev/v1alpha1/namespaces/{namespace}/decisions/{decision}");
        let look = || async {
            let object = self.api.get(&path).await?.ok()?;
            let clusters = object.pointer("/status/clusters").and_then(Value::as_array);
            let mut clusters = clusters.into_iter().flatten();
            let seen = clusters.find(|c| c.get("name") == Some(&Value::from(cluster)));
            seen.cloned().context("the decision does not name it")
        };
        let what = format!("decision {decision} about {cluster}");
        eventually(&what, || async {
            let seen = look().await?;
            anyhow::ensure!(wanted(&seen), "it says {seen}");
            Ok(true)
        })
        .await?;
        look().await
    }
}

impl Site {
    /// A kubeconfig with which one may do everything there.
    pub fn kubeconfig(&self) -> &Path {
        &self.cluster.kubeconfig
    }

    /// What is at a path, or `None` where there is nothing.
    ///
    /// # Errors
    /// When the API does not answer so.
    pub async fn object(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.api.get(path).await?;
        if answer.code == 404 {
            return Ok(None);
        }
        Ok(Some(answer.ok()?))
    }

    /// Waits until what is at a path is as `wanted` says; `None` is nothing.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn until(
        &self,
        path: &str,
        what: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) -> Result<Option<Value>> {
        self.until_within(Duration::from_secs(30), path, what, wanted)
            .await
    }

    /// As [`until`](Self::until), for as long as `limit`.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn until_within(
        &self,
        limit: Duration,
        path: &str,
        what: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) -> Result<Option<Value>> {
        within(limit, &format!("{}: {what}", self.name), || async {
            let object = self.object(path).await?;
            anyhow::ensure!(
                wanted(object.as_ref()),
                "it is {}",
                object.map_or_else(|| "absent".to_owned(), |o| o.to_string())
            );
            Ok(true)
        })
        .await?;
        self.object(path).await
    }

    /// Resource versions of all Deployments and ConfigMaps: equal before and after, nothing moved.
    ///
    /// # Errors
    /// When the API does not answer.
    pub async fn versions(&self) -> Result<Vec<String>> {
        let mut versions = Vec::new();
        for path in ["/apis/apps/v1/deployments", "/api/v1/configmaps"] {
            let list = self.api.get(path).await?.ok()?;
            let items = list.get("items").and_then(Value::as_array);
            for item in items.into_iter().flatten() {
                let text = |p: &str| crate::api::text(item, p).to_owned();
                // Kubernetes' own, and the position of the agent.
                if text("/metadata/namespace").contains("system") {
                    continue;
                }
                versions.push(format!(
                    "{}/{}@{}",
                    text("/metadata/namespace"),
                    text("/metadata/name"),
                    text("/metadata/resourceVersion")
                ));
            }
        }
        versions.sort();
        Ok(versions)
    }
}

/// Status, reason and message of a condition; empty where there is none.
pub fn condition(object: &Value, kind: &str) -> (String, String, String) {
    let all = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let mut all = all.into_iter().flatten();
    let found = all.find(|c| c.get("type") == Some(&Value::from(kind)));
    let text = |field: &str| {
        found
            .and_then(|c| c.get(field)?.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    (text("status"), text("reason"), text("message"))
}
