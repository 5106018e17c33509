//! A hub behind a bad network, and clusters that join it through that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::api::{Api, text};
use roadstead_tests::fleet::{Agent, condition};
use roadstead_tests::hub::Hub;
use roadstead_tests::member::Member;
use roadstead_tests::process::within;
use roadstead_tests::relay::Relay;
use serde_json::{Value, json};

/// The namespace of everything.
pub(crate) const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
/// How long a change may take once nothing is in its way.
pub(crate) const SOON: Duration = Duration::from_secs(100);
/// Objects that nobody touches.
const STEADY: usize = 20;

/// A hub, and the network in front of it.
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) hub: Hub,
    pub(crate) api: Api,
    pub(crate) relay: Relay,
}

/// A cluster with its agent.
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) api: Api,
    pub(crate) agent: Agent,
    pub(crate) _member: Option<Member>,
}

impl Stage {
    /// Starts a hub that is found behind a relay.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        let hub = Hub::new(folder)?;
        Self::start_hub(folder, hub, &[]).await
    }

    /// As [`start`](Self::start), with this hub, and further addresses before the relay's.
    pub(crate) async fn start_hub(folder: &Path, mut hub: Hub, first: &[String]) -> Result<Self> {
        let relay = Relay::start(([127, 0, 0, 1], 0).into(), hub.agents()).await?;
        let addresses = first.iter().cloned().chain([relay.address()?.to_string()]);
        let addresses: Vec<String> = addresses.collect();
        hub.further(["--agent-advertise".to_owned(), addresses.join(",")]);
        hub.begin().await?;
        let api = hub.api().await?;
        let stage = Self {
            folder: folder.to_owned(),
            hub,
            api,
            relay,
        };
        let policy = json!({
            "apiVersion": "policy.kurator.dev/v1alpha1",
            "kind": "DistributionPolicy",
            "metadata": {"name": "faults"},
            "spec": {
                "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "labelSelector": {"matchLabels": {"faults": "true"}}}],
                "placement": {"clusterAffinity": {"labelSelector": {}}},
            },
        });
        stage.api.create(POLICIES, &policy).await?.ok()?;
        for i in 0..STEADY {
            stage.put(&format!("steady-{i}"), "one").await?;
        }
        Ok(stage)
    }

    /// A join token for a cluster.
    pub(crate) fn token(&self, name: &str) -> Result<String> {
        let line = [
            "join",
            name,
            "--allow-namespaces",
            "All",
            "--output",
            "token",
        ];
        Ok(self.hub.roadstead(&line)?.trim().to_owned())
    }

    /// Lets a simulated member join.
    pub(crate) async fn join(&mut self, name: &str) -> Result<Site> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let member = Member::start(&folder).await?;
        let mut agent = Agent::new(&folder, member.kubeconfig());
        agent.begin(Some(&self.token(name)?))?;
        let site = Site {
            name: name.to_owned(),
            api: Api::of(member.kubeconfig()).await?,
            agent,
            _member: Some(member),
        };
        self.settled(&site).await?;
        Ok(site)
    }

    /// Writes a ConfigMap that goes everywhere.
    pub(crate) async fn put(&self, name: &str, value: &str) -> Result<()> {
        put(&self.api, name, value).await?.ok().map(drop)
    }

    /// Waits until a cluster's condition Ready has this status.
    pub(crate) async fn until_ready(&self, site: &Site, status: &str) -> Result<()> {
        let path = format!("{CLUSTERS}/{}", site.name);
        within(
            SOON,
            &format!("{} is Ready={status}", site.name),
            || async {
                let cluster = self.api.get(&path).await?.ok()?;
                let ready = condition(&cluster, "Ready");
                ensure!(ready.0 == status, "it is {ready:?}");
                Ok(true)
            },
        )
        .await
    }

    /// Waits until the cluster is Ready, and has what nobody touches.
    pub(crate) async fn settled(&self, site: &Site) -> Result<()> {
        self.until_ready(site, "True").await?;
        for i in 0..STEADY {
            site.has(&format!("steady-{i}"), Some("one")).await?;
        }
        Ok(())
    }

    /// Writes something, and waits until it has reached the cluster.
    pub(crate) async fn reaches(&self, site: &Site, name: &str, value: &str) -> Result<()> {
        self.put(name, value).await?;
        site.has(name, Some(value)).await
    }
}

impl Site {
    /// Waits until a ConfigMap has a value, or is not there.
    pub(crate) async fn has(&self, name: &str, value: Option<&str>) -> Result<()> {
        within(
            SOON,
            &format!("{}: {name} is {value:?}", self.name),
            || async {
                let there = self.value(name).await?;
                ensure!(there.as_deref() == value, "it is {there:?}");
                Ok(true)
            },
        )
        .await
    }

    /// The value of a ConfigMap; `None` where it is not there.
    pub(crate) async fn value(&self, name: &str) -> Result<Option<String>> {
        let answer = self.api.get(&format!("{MAPS}/{name}")).await?;
        if answer.code == 404 {
            return Ok(None);
        }
        Ok(Some(text(&answer.ok()?, "/data/value").to_owned()))
    }
}

/// Writes a ConfigMap that goes everywhere, and gives the answer.
pub(crate) async fn put(
    api: &Api,
    name: &str,
    value: &str,
) -> Result<roadstead_tests::api::Answer> {
    let object = config_map(name, value);
    api.apply(&format!("{MAPS}/{name}"), "people", true, &object)
        .await
}

/// A ConfigMap that goes everywhere.
pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"faults": "true"}},
        "data": {"value": value},
    })
}
