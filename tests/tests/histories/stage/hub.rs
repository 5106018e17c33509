//! A hub on a file of its own, which can be stopped, killed, copied and put back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Parser as _;
use roadstead_hub::config::{Cli, Command};
use roadstead_hub::hooks::Limits;
use roadstead_hub::hosted::system::hosting;
use roadstead_hub::hosted::{Hosting, Members};
use roadstead_hub::{Parts, cli, https};
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::SystemNetwork;
use roadstead_protocol::host::tls::Crypto;
use roadstead_protocol::wire::ItemKey;
use roadstead_rest::Identity;
use roadstead_store::records::{ReportRecord, decode, report_key};
use roadstead_store::{Backend, Store};
use roadstead_tests::api::{Api, text};
use roadstead_tests::process::free_udp;
use serde_json::{Value, json};

use super::clock::Clock;
use super::host::Host;
use super::member::{Member, Source};
use super::objects::{CLUSTER, CLUSTERS, path_of};

/// How long clusters may be silent: shorter than people wait for, longer than a busy machine needs.
const GRACE: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) struct Hub {
    /// Its clock.
    pub(crate) clock: Clock,
    name: String,
    folder: PathBuf,
    listen: SocketAddr,
    hosting: Option<Hosting>,
    running: Option<Running>,
}

struct Running {
    host: Host,
    hub: roadstead_hub::Hub,
    api: Api,
}

impl Hub {
    /// A hub whose file is `folder/NAME.redb`; not started yet.
    pub(crate) fn new(folder: &Path, name: &str) -> Result<Self> {
        Ok(Self {
            clock: Clock::default(),
            name: name.to_owned(),
            folder: folder.to_owned(),
            listen: free_udp()?,
            hosting: None,
            running: None,
        })
    }

    /// From its next start on it looks after clusters by kubeconfig itself, and reaches `member`
    /// whatever a kubeconfig says.
    pub(crate) fn hosts(&mut self, member: &Member) {
        self.hosting = Some(Hosting {
            members: Arc::new(Only(member.source())),
            ..hosting(&self.hosted())
        });
    }

    /// The folder with the disks of the agents that it hosts.
    pub(crate) fn hosted(&self) -> PathBuf {
        self.folder.join(format!("{}-data", self.name))
    }

    /// Starts it on what its file holds.
    pub(crate) async fn start(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "{} runs already", self.name);
        let host = Host::start(&self.name, &self.folder)?;
        let env = self.clock.env();
        let parts = Parts {
            network: Arc::new(SystemNetwork),
            crypto: Crypto::ring(&env),
            backend: Backend::Redb(roadstead_store::file(self.file())),
            agent_listen: self.listen,
            advertise: Vec::new(),
            limits: Limits::default(),
            controllers: roadstead_controllers::Options {
                grace: GRACE,
                ..roadstead_controllers::Options::default()
            },
            env,
        };
        let hosting = self.hosting.clone();
        let hub = host.run(async move {
            let mut hub = roadstead_hub::Hub::start(parts).await?;
            if let Some(hosting) = hosting {
                hub.host(hosting);
            }
            anyhow::Ok(hub)
        });
        let hub = hub.await??;
        let service = hub.rest.service(Identity::admin());
        let api = Api::over(kube::Client::new(service, "default"));
        self.publish(&host, &hub).await?;
        self.running = Some(Running { host, hub, api });
        Ok(())
    }

    /// Serves its API on a port, for the command line.
    async fn publish(&self, host: &Host, hub: &roadstead_hub::Hub) -> Result<()> {
        let (rest, authority) = (hub.rest.clone(), hub.authority.clone());
        let (stopping, kubeconfig) = (hub.stopping(), self.kubeconfig());
        let crypto = Crypto::ring(&self.clock.env());
        host.run(async move {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
            let server = format!("https://{}", listener.local_addr()?);
            std::fs::write(kubeconfig, authority.admin_kubeconfig(&server)?)?;
            let tls = Arc::new(authority.rest_server(&crypto, &[])?);
            let identify: https::Identify = Arc::new(|_| Identity::admin());
            tokio::spawn(https::serve(listener, tls, rest, identify, stopping));
            anyhow::Ok(())
        })
        .await?
    }

    /// Lets it end in order.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Running { host, hub, api } = self.running.take().context("it does not run")?;
        drop(api);
        let stopped = host.run(hub.stop()).await;
        drop(host);
        stopped
    }

    /// Ends it where it stands.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let Running { host, hub, api } = self.running.take().context("it does not run")?;
        drop((hub, api));
        drop(host);
        Ok(())
    }

    /// Stops it and starts it again.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.start().await
    }

    /// Copies its file aside; it must not run.
    pub(crate) fn copy_to(&self, name: &str) -> Result<()> {
        ensure!(self.running.is_none(), "a file in use is not copied");
        std::fs::copy(self.file(), self.folder.join(name))?;
        Ok(())
    }

    /// Puts a copy back in the place of its file; it must not run.
    pub(crate) fn put_back(&self, name: &str) -> Result<()> {
        ensure!(self.running.is_none(), "a file in use is not replaced");
        std::fs::copy(self.folder.join(name), self.file())?;
        Ok(())
    }

    /// Another hub that begins with a copy of this one's file; this one must not run.
    pub(crate) fn twin(&self, name: &str) -> Result<Self> {
        let twin = Self::new(&self.folder, name)?;
        self.copy_to(&format!("{name}.redb"))?;
        Ok(twin)
    }

    /// Its file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.redb", self.name))
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join(format!("{}.kubeconfig", self.name))
    }

    /// Where agents find it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen
    }

    fn running(&self) -> Result<&Running> {
        self.running.as_ref().context("the hub does not run")
    }

    /// Its API, as an administrator.
    pub(crate) fn api(&self) -> Result<&Api> {
        Ok(&self.running()?.api)
    }

    /// What is durable there.
    pub(crate) fn store(&self) -> Result<&Store> {
        Ok(&self.running()?.hub.store)
    }

    /// A user writes objects.
    pub(crate) async fn put(&self, objects: &[Value]) -> Result<()> {
        for object in objects {
            let path = path_of(object);
            let answer = self.api()?.apply(&path, "user", true, object).await?;
            answer.ok().with_context(|| format!("apply {path}"))?;
        }
        Ok(())
    }

    /// A user deletes an object.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        let answer = self.api()?.delete(path, None).await?;
        answer.ok().with_context(|| format!("delete {path}"))?;
        Ok(())
    }

    /// What waits for a user on the cluster, as `roadstead reconcile` lists it.
    pub(crate) async fn waits(&self) -> Result<Vec<Value>> {
        let path = format!("{CLUSTERS}/{CLUSTER}/reconcile");
        let answer = self.api()?.get(&path).await?.ok()?;
        let items = answer.pointer("/status/items").and_then(Value::as_array);
        Ok(items.cloned().unwrap_or_default())
    }

    /// Makes the cluster and gives a string to join it with.
    pub(crate) async fn token(&self) -> Result<String> {
        let cluster = json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1",
            "kind": "AttachedCluster",
            "metadata": {"name": CLUSTER, "namespace": "default"},
            "spec": {"allowedNamespaces": {"from": "All"}},
        });
        self.put(&[cluster]).await?;
        let ask = json!({"apiVersion": "roadstead.dev/v1alpha1", "kind": "JoinToken", "spec": {}});
        let path = format!("{CLUSTERS}/{CLUSTER}/token");
        let answer = self.api()?.create(&path, &ask).await?.ok()?;
        let token = text(&answer, "/status/token");
        ensure!(!token.is_empty(), "no token in {answer}");
        Ok(token.to_owned())
    }

    /// The cluster's object.
    pub(crate) async fn cluster(&self) -> Result<Value> {
        self.api()?
            .get(&format!("{CLUSTERS}/{CLUSTER}"))
            .await?
            .ok()
    }

    /// What the agent reported of an item last.
    pub(crate) async fn report(&self, key: &ItemKey) -> Result<Option<ReportRecord>> {
        let cluster = self.cluster().await?;
        let snapshot = self.running()?.hub.volatile.snapshot();
        let key = report_key(text(&cluster, "/metadata/uid"), key)?;
        Ok(snapshot.get(key.as_str()).map(decode).transpose()?)
    }

    /// What `roadstead ARGS` prints.
    pub(crate) async fn roadstead(&self, args: &[&str]) -> Result<String> {
        let kubeconfig = self.kubeconfig();
        let kubeconfig = kubeconfig.to_str().context("a path")?;
        let mut all = vec!["roadstead"];
        all.extend(args.iter().copied().chain(["--kubeconfig", kubeconfig]));
        let command = Cli::try_parse_from(all)?.command;
        if let Command::Status(args) = &command {
            return Ok(cli::status(args).await?);
        }
        if let Command::Reconcile(args) = &command {
            return Ok(cli::reconcile(args).await?);
        }
        if let Command::Freeze(args) = &command {
            return Ok(cli::freeze(args).await?);
        }
        if let Command::Unfreeze(args) = &command {
            return Ok(cli::unfreeze(args).await?);
        }
        if let Command::RotateAuthority(args) = &command {
            return Ok(cli::rotate_authority(args).await?);
        }
        anyhow::bail!("no history needs {command:?}")
    }
}

/// One member, whatever a kubeconfig says.
struct Only(Source);

impl Members for Only {
    fn client(&self, _: Bytes) -> BoxFuture<Result<kube::Client, String>> {
        let source = self.0.clone();
        Box::pin(async move { source.connect().await.map_err(|e| format!("{e:#}")) })
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.running.is_some() {
            drop(self.kill());
        }
    }
}
