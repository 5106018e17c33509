//! A hub, clusters and agents, each with a folder that stays, and clocks that are set.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roadstead_agent::store::file::Folder;
use roadstead_agent::store::{Disk, Loaded};
use roadstead_hub::client::Api;
use roadstead_hub::hooks::Limits;
use roadstead_hub::member::Member;
use roadstead_hub::{Hub, Parts};
use roadstead_protocol::env::{BoxFuture, Env, WallClock};
use roadstead_protocol::host::tls::{self, Crypto};
use roadstead_protocol::host::{JoinToken, Network, SystemNetwork, system};
use roadstead_rest::Identity;
use roadstead_store::Backend;
use roadstead_store::records::{self, Liveness, TurnedAway};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long anything may take in these tests.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How often agents look at their certificates here.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// A day in seconds.
pub(crate) const DAY: i64 = 24 * 3600;
/// The name under which agents find the hub.
pub(crate) const HUB: &str = "hub.test:7443";
const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";

/// The system's clock, shifted.
#[derive(Clone, Default)]
pub(crate) struct Shifted(Arc<AtomicI64>);

impl Shifted {
    pub(crate) fn set(&self, days: i64) {
        self.0.store(days * DAY, Ordering::Relaxed);
    }

    pub(crate) fn env(&self) -> Env {
        Env {
            clock: Arc::new(self.clone()),
            ..system::env()
        }
    }
}

impl WallClock for Shifted {
    fn now(&self) -> jiff::Timestamp {
        let shift = jiff::SignedDuration::from_secs(self.0.load(Ordering::Relaxed));
        system::SystemClock.now().checked_add(shift).unwrap()
    }
}

/// The system's network, with names of our own.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<BTreeMap<String, SocketAddr>>>);

impl Names {
    pub(crate) fn set(&self, name: &str, address: SocketAddr) {
        self.0.lock().unwrap().insert(name.to_owned(), address);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }
}

impl Network for Names {
    fn bind(&self, address: SocketAddr) -> std::io::Result<Arc<dyn quinn::AsyncUdpSocket>> {
        SystemNetwork.bind(address)
    }

    fn resolve(&self, address: &str) -> BoxFuture<std::io::Result<Vec<SocketAddr>>> {
        let known = self.0.lock().unwrap().get(address).copied();
        Box::pin(std::future::ready(
            known
                .map(|a| vec![a])
                .ok_or_else(|| std::io::ErrorKind::NotFound.into()),
        ))
    }
}

pub(crate) struct Stage {
    pub(crate) hub_clock: Shifted,
    pub(crate) agent_clock: Shifted,
    pub(crate) names: Names,
    pub(crate) hub: Option<Hub>,
    pub(crate) folder: TempDir,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let mut stage = Self {
            hub_clock: Shifted::default(),
            agent_clock: Shifted::default(),
            names: Names::default(),
            hub: None,
            folder: tempfile::tempdir().unwrap(),
        };
        stage.open(&[HUB]).await;
        stage
    }

    pub(crate) fn hub_file(&self) -> PathBuf {
        self.folder.path().join("hub.redb")
    }

    /// Starts the hub, which says that it is to be found at these names; the first leads to it.
    pub(crate) async fn open(&mut self, names: &[&str]) {
        let env = self.hub_clock.env();
        let hub = Hub::start(Parts {
            network: Arc::new(SystemNetwork),
            crypto: Crypto::ring(&env),
            env,
            backend: Backend::Redb(roadstead_store::file(self.hub_file())),
            agent_listen: ([127, 0, 0, 1], 0).into(),
            advertise: names.iter().map(|name| (*name).to_owned()).collect(),
            limits: Limits::default(),
            controllers: roadstead_controllers::Options::default(),
        });
        let hub = hub.await.unwrap();
        self.names.set(names[0], hub.agent_listen);
        self.hub = Some(hub);
    }

    /// Stops the hub.
    pub(crate) async fn close(&mut self) {
        self.hub.take().unwrap().stop().await;
    }

    /// What `--forget-clock` does before a hub starts.
    pub(crate) async fn forget_time(&self) {
        let backend = Backend::Redb(roadstead_store::file(self.hub_file()));
        let env = self.hub_clock.env();
        let store =
            roadstead_store::Store::open(env.clone(), backend, roadstead_store::Options::default());
        let store = store.await.unwrap();
        roadstead_authority::Authority::forget_time(&store, &env)
            .await
            .unwrap();
        store.close().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.close().await;
        self.open(&[HUB]).await;
    }

    /// Lets days pass for everybody.
    pub(crate) fn day(&self, day: i64) {
        self.hub_clock.set(day);
        self.agent_clock.set(day);
    }

    pub(crate) fn running(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    pub(crate) fn api(&self) -> Api {
        let service = self.running().rest.service(Identity::admin());
        Api::over(kube::Client::new(service, "default"))
    }

    /// Makes an AttachedCluster, unless it is there; its uid.
    pub(crate) async fn attach(&self, name: &str) -> String {
        let cluster = json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1",
            "kind": "AttachedCluster",
            "metadata": {"name": name},
        });
        drop(self.api().post(CLUSTERS, &cluster).await);
        let made = self.api().get(&format!("{CLUSTERS}/{name}")).await.unwrap();
        text(&made, "/metadata/uid")
    }

    pub(crate) async fn detach(&self, name: &str) {
        self.api()
            .delete(&format!("{CLUSTERS}/{name}"))
            .await
            .unwrap();
    }

    pub(crate) async fn token(&self, name: &str) -> JoinToken {
        let ask = json!({"apiVersion": "roadstead.dev/v1alpha1", "kind": "JoinToken", "spec": {}});
        let path = format!("{CLUSTERS}/{name}/token");
        let answer = self.api().post(&path, &ask).await.unwrap();
        text(&answer, "/status/token").parse().unwrap()
    }

    /// A cluster that has not joined yet.
    pub(crate) async fn cluster(&self, name: &str) -> Cluster {
        let uid = self.attach(name).await;
        let member = Member::start(system::env(), roadstead_hub::member::Options::default());
        Cluster {
            uid,
            folder: self.folder.path().join(format!("agent-{name}")),
            member: member.await.unwrap(),
            agent: None,
        }
    }

    /// A cluster whose agent is here.
    pub(crate) async fn joined(&self, name: &str) -> Cluster {
        let mut cluster = self.cluster(name).await;
        let token = self.token(name).await;
        cluster.start(self, Some(token));
        self.connected(&cluster).await;
        cluster
    }

    pub(crate) fn liveness(&self, uid: &str) -> Option<Liveness> {
        let snapshot = self.running().volatile.snapshot();
        let entry = snapshot.get(records::liveness_key(uid).unwrap().as_str())?;
        Some(records::decode(entry).unwrap())
    }

    pub(crate) fn turned_away(&self, uid: &str) -> Option<TurnedAway> {
        let snapshot = self.running().volatile.snapshot();
        let entry = snapshot.get(records::turned_away_key(uid).unwrap().as_str())?;
        Some(records::decode(entry).unwrap())
    }

    pub(crate) fn is_connected(&self, uid: &str) -> bool {
        self.liveness(uid).is_some_and(|l| l.connected)
    }

    pub(crate) async fn connected(&self, cluster: &Cluster) {
        self.until("the agent", |s| s.is_connected(&cluster.uid))
            .await;
    }

    pub(crate) async fn gone(&self, cluster: &Cluster) {
        self.until("the end", |s| !s.is_connected(&cluster.uid))
            .await;
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + SOON;
        while !holds(self) {
            assert!(Instant::now() < deadline, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// That something does not come in a while.
    pub(crate) async fn never(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            assert!(!holds(self), "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) struct Cluster {
    pub(crate) uid: String,
    pub(crate) folder: PathBuf,
    pub(crate) member: Member,
    agent: Option<Agent>,
}

pub(crate) struct Agent {
    stop: oneshot::Sender<()>,
    pub(crate) ended: JoinHandle<Result<(), roadstead_agent::Error>>,
}

/// Runs an agent on a folder.
pub(crate) fn agent(
    stage: &Stage,
    member: &Member,
    folder: &Path,
    join: Option<JoinToken>,
) -> Agent {
    let env = stage.agent_clock.env();
    let parts = roadstead_agent::Parts {
        crypto: Arc::clone(&Crypto::ring(&env).provider),
        env,
        network: Arc::new(stage.names.clone()),
        database: Folder::take(folder).unwrap().opener(),
        member: kube::Client::new(member.rest.service(Identity::admin()), "default"),
        join,
        options: roadstead_agent::Options {
            bind: ([127, 0, 0, 1], 0).into(),
            renewal_every: LOOK,
            ..roadstead_agent::Options::default()
        },
    };
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(async move {
        Box::pin(roadstead_agent::run(parts, async { drop(stopped.await) })).await
    });
    Agent { stop, ended }
}

impl Agent {
    pub(crate) async fn stop(self) -> Result<(), roadstead_agent::Error> {
        drop(self.stop);
        self.ended.await.unwrap()
    }
}

impl Cluster {
    pub(crate) fn start(&mut self, stage: &Stage, join: Option<JoinToken>) {
        self.agent = Some(agent(stage, &self.member, &self.folder, join));
    }

    /// Starts the agent, and stops it once the hub has let it in.
    pub(crate) async fn visit(&mut self, stage: &Stage, join: Option<JoinToken>) {
        self.start(stage, join);
        stage.connected(self).await;
        self.stop().await;
    }

    pub(crate) async fn stop(&mut self) {
        self.agent.take().unwrap().stop().await.unwrap();
    }

    /// What the agent's disk holds; the agent must not run.
    pub(crate) async fn disk(&self) -> Loaded {
        let opener = Folder::take(&self.folder).unwrap().opener();
        let (disk, loaded, writer) = Disk::open(system::env(), opener).await.unwrap();
        drop(disk);
        writer.await.unwrap();
        loaded
    }

    /// When the certificate on the agent's disk was made; the agent must not run.
    pub(crate) async fn issued(&self) -> jiff::Timestamp {
        let identity = self.disk().await.identity.unwrap();
        tls::issued_at(&identity.certificates[0].as_slice().into()).unwrap()
    }
}

pub(crate) fn text(object: &Value, pointer: &str) -> String {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
