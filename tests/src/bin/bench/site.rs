//! What is measured: a hub's process, one real cluster whose etcd syncs to disk, an agent's process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use roadstead_tests::api::{Api, JSON, text};
use roadstead_tests::assets::Assets;
use roadstead_tests::fleet::{Fleet, Kind, Site};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The cluster's name.
pub(crate) const CLUSTER: &str = "bench";
/// The namespace in which things are measured.
pub(crate) const NAMESPACE: &str = "bench";
/// The ConfigMaps of that namespace.
pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/bench/configmaps";
/// How long anything may take before it is given up.
const GIVE_UP: Duration = Duration::from_secs(120);

/// Hub, cluster and agent, with a policy that sends everything labelled `bench: "true"` there.
pub(crate) struct Bench {
    pub(crate) fleet: Fleet,
    pub(crate) folder: TempDir,
}

impl Bench {
    /// Starts it all, and waits until it works.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("roadstead-bench-")
            .tempdir()?;
        let kind = Kind {
            name: CLUSTER,
            ..Kind::default()
        };
        let fleet = Fleet::start_durable(Assets::find()?, folder.path(), &[kind]).await?;
        let bench = Self { fleet, folder };
        prepare(&bench.fleet.api, CLUSTER).await?;
        bench.warm().await?;
        Ok(bench)
    }

    /// The cluster.
    pub(crate) fn site(&self) -> Result<&Site> {
        self.fleet.site(CLUSTER)
    }

    /// Sends one thing through everything, so that connections are open and kinds are known.
    async fn warm(&self) -> Result<()> {
        let seen = Seen::watch(&self.site()?.api, CONFIG_MAPS).await?;
        put(&self.fleet.api, &config_map("warm", "up")).await?;
        seen.until("warm", "up").await?;
        put(&self.site()?.api, &config_map("warm-direct", "up")).await?;
        seen.until("warm-direct", "up").await?;
        Ok(())
    }

    /// Where disks are that both sides use.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes the namespace and the policy on a hub.
pub(crate) async fn prepare(hub: &Api, cluster: &str) -> Result<()> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    hub.create("/api/v1/namespaces", &namespace).await?.ok()?;
    let affinity = if cluster.is_empty() {
        json!({"labelSelector": {}})
    } else {
        json!({"clusterNames": [cluster]})
    };
    let select = |api: &str, kind: &str| json!({"apiVersion": api, "kind": kind, "labelSelector": {"matchLabels": {"bench": "true"}}});
    let policy = json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "DistributionPolicy",
        "metadata": {"name": "bench", "namespace": NAMESPACE},
        "spec": {
            "resourceSelectors": [
                select("v1", "ConfigMap"), select("v1", "Service"), select("apps/v1", "Deployment"),
            ],
            "placement": {"clusterAffinity": affinity},
        },
    });
    let path =
        format!("/apis/policy.kurator.dev/v1alpha1/namespaces/{NAMESPACE}/distributionpolicies");
    hub.create(&path, &policy).await?.ok()?;
    Ok(())
}

/// A ConfigMap with one value.
pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"bench": "true"}},
        "data": {"value": value, "text": "settings of a middling size, as people have them"},
    })
}

/// Applies a ConfigMap, as kubectl would, and gives the moment of the answer.
pub(crate) async fn put(api: &Api, object: &Value) -> Result<Instant> {
    let path = format!("{CONFIG_MAPS}/{}", text(object, "/metadata/name"));
    api.apply(&path, "bench", true, object).await?.ok()?;
    Ok(Instant::now())
}

/// When each value of each ConfigMap was first seen on the member, by a watch.
#[derive(Clone)]
pub(crate) struct Seen {
    seen: Arc<Mutex<BTreeMap<(String, String), Instant>>>,
    news: Arc<Notify>,
}

impl Seen {
    /// Begins to watch.
    pub(crate) async fn watch(member: &Api, path: &str) -> Result<Self> {
        let list = member.get(path).await?;
        let version = list.text("/metadata/resourceVersion").to_owned();
        let path = format!("{path}?watch=true&resourceVersion={version}");
        let mut watch = member.watch(&path, JSON).await?;
        let this = Self {
            seen: Arc::default(),
            news: Arc::default(),
        };
        let into = this.clone();
        tokio::spawn(async move {
            while let Ok(Some(event)) = watch.next(Duration::from_secs(3600)).await {
                let now = Instant::now();
                let value = match text(&event, "/type") {
                    "DELETED" => "",
                    _ => text(&event, "/object/data/value"),
                };
                let key = (
                    text(&event, "/object/metadata/name").to_owned(),
                    value.to_owned(),
                );
                let mut seen = into.seen.lock().unwrap_or_else(PoisonError::into_inner);
                // A restored object has the value that it had before.
                seen.insert(key, now);
                drop(seen);
                into.news.notify_waiters();
            }
        });
        Ok(this)
    }

    /// When `name` had `value`; `None` as long as it had not.
    pub(crate) fn at(&self, name: &str, value: &str) -> Option<Instant> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(name.to_owned(), value.to_owned())).copied()
    }

    /// Forgets that `name` had `value`.
    pub(crate) fn forget(&self, name: &str, value: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&(name.to_owned(), value.to_owned()));
    }

    /// Waits until `name` has `value`, which is empty for its end.
    pub(crate) async fn until(&self, name: &str, value: &str) -> Result<Instant> {
        let wait = async {
            loop {
                let news = self.news.notified();
                if let Some(at) = self.at(name, value) {
                    return at;
                }
                news.await;
            }
        };
        tokio::time::timeout(GIVE_UP, wait)
            .await
            .with_context(|| format!("{name} was not {value} within {GIVE_UP:?}"))
    }
}
