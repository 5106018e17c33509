//! The stage of the demo: a hub, simulated clusters, their agents, and the links between.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use roadstead_agent::store::file::Folder;
use roadstead_protocol::env::Env;
use roadstead_protocol::host::tls::Crypto;
use roadstead_protocol::host::{JoinToken, SystemNetwork, system};
use roadstead_rest::Identity;
use roadstead_store::Backend;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::link::Link;
use crate::client::Api;
use crate::hooks::Limits;
use crate::member::Member;
use crate::process::{KUBECONFIG_FILE, identify, write_secret};
use crate::{Hub, Parts, https};

/// The clusters that the example policy names, and those after them.
fn cluster_name(index: u16) -> String {
    match index {
        0 => "cluster-prod".to_owned(),
        1 => "cluster-dr".to_owned(),
        2 => "cluster-edge".to_owned(),
        n => format!("cluster-{}", n + 1),
    }
}

/// Everything that runs in a demo.
pub(super) struct Stage {
    /// The hub's API, as an administrator.
    pub(super) hub: Api,
    /// The clusters.
    pub(super) sites: Vec<Site>,
    running: Hub,
    env: Env,
    crypto: Crypto,
    folder: TempDir,
    stop: watch::Sender<bool>,
}

/// One cluster with its agent.
pub(super) struct Site {
    /// The cluster's name.
    pub(super) name: String,
    /// The cluster's own API, as an administrator.
    pub(super) api: Api,
    /// Between agent and hub.
    pub(super) link: Link,
    member: Member,
    agent: Option<JoinHandle<()>>,
}

impl Stage {
    /// Starts the hub.
    pub(super) async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("roadstead-demo-")
            .tempdir()?;
        let env = system::env();
        let crypto = Crypto::ring(&env);
        let running = Hub::start(Parts {
            env: env.clone(),
            network: Arc::new(SystemNetwork),
            crypto: crypto.clone(),
            backend: Backend::Redb(roadstead_store::file(folder.path().join("hub.redb"))),
            agent_listen: ([127, 0, 0, 1], 0).into(),
            advertise: Vec::new(),
            limits: Limits::default(),
            controllers: roadstead_controllers::Options::default(),
        })
        .await?;
        crate::process::grant_defaults(&running).await;
        let hub = Api::over(kube::Client::new(
            running.rest.service(Identity::admin()),
            "default",
        ));
        let (stop, _) = watch::channel(false);
        let stage = Self {
            hub,
            sites: Vec::new(),
            running,
            env,
            crypto,
            folder,
            stop,
        };
        stage
            .publish("hub", &stage.running.authority, stage.running.rest.clone())
            .await?;
        Ok(stage)
    }

    /// Starts a simulated cluster.
    pub(super) async fn add_member(&mut self, index: u16) -> Result<()> {
        let name = cluster_name(index);
        let member = Member::start(self.env.clone(), crate::member::Options::default()).await?;
        let authority =
            roadstead_authority::Authority::load_or_create(&member.store, &self.env).await?;
        self.publish(&name, &authority, member.rest.clone()).await?;
        let api = Api::over(kube::Client::new(
            member.rest.service(Identity::admin()),
            "default",
        ));
        self.sites.push(Site {
            name,
            api,
            link: Link::default(),
            member,
            agent: None,
        });
        Ok(())
    }

    /// Lets every cluster join: makes its AttachedCluster, asks for a token, starts its agent.
    pub(super) async fn join(&mut self) -> Result<()> {
        let path = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
        for site in &mut self.sites {
            let cluster = json!({
                "apiVersion": "cluster.kurator.dev/v1alpha1",
                "kind": "AttachedCluster",
                "metadata": {"name": site.name},
            });
            self.hub.post(path, &cluster).await?;
            let ask =
                json!({"apiVersion": "roadstead.dev/v1alpha1", "kind": "JoinToken", "spec": {}});
            let answer = self
                .hub
                .post(&format!("{path}/{}/token", site.name), &ask)
                .await?;
            let token = answer
                .pointer("/status/token")
                .and_then(serde_json::Value::as_str);
            let token: JoinToken = token.context("the answer holds no token")?.parse()?;
            let folder = self.folder.path().join(&site.name).join("agent");
            let parts = roadstead_agent::Parts {
                env: self.env.clone(),
                network: Arc::new(site.link.clone()),
                crypto: Arc::clone(&self.crypto.provider),
                database: Folder::take(&folder)?.opener(),
                member: kube::Client::new(site.member.rest.service(Identity::admin()), "default"),
                join: Some(token),
                options: roadstead_agent::Options {
                    bind: ([127, 0, 0, 1], 0).into(),
                    ..roadstead_agent::Options::default()
                },
            };
            let mut stop = self.stop.subscribe();
            let name = site.name.clone();
            site.agent = Some(tokio::spawn(async move {
                let until = async move { drop(stop.wait_for(|stopped| *stopped).await) };
                if let Err(error) = roadstead_agent::run(parts, until).await {
                    tracing::error!(
                        cluster = name,
                        error = crate::chain(&error),
                        "an agent ended"
                    );
                }
            }));
        }
        Ok(())
    }

    /// The kubeconfig of the hub (`hub`) or a cluster, by name.
    pub(super) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.folder.path().join(name).join(KUBECONFIG_FILE)
    }

    /// The cluster of a name.
    pub(super) fn site(&self, name: &str) -> Result<&Site> {
        self.sites
            .iter()
            .find(|s| s.name == name)
            .with_context(|| format!("there is no {name}"))
    }

    /// Ends everything.
    pub(super) async fn end(self) {
        self.stop.send_replace(true);
        for site in self.sites {
            if let Some(agent) = site.agent {
                drop(tokio::time::timeout(https::DRAIN_WITHIN, agent).await);
            }
            drop(site.member);
        }
        self.running.stop().await;
    }

    /// Serves an API on a port of the loopback and writes its kubeconfig.
    async fn publish(
        &self,
        name: &str,
        authority: &roadstead_authority::Authority,
        rest: roadstead_rest::Rest,
    ) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = format!("https://{}", listener.local_addr()?);
        let tls = authority.rest_server(&self.crypto, &[])?;
        let path = self.kubeconfig(name);
        std::fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new(".")))?;
        write_secret(&path, &authority.admin_kubeconfig(&server)?)?;
        tokio::spawn(https::serve(
            listener,
            Arc::new(tls),
            rest,
            identify(),
            self.stop.subscribe(),
        ));
        Ok(())
    }
}
