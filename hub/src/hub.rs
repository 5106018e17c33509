//! A hub as one value: its parts put together, started and stopped.
//!
//! Takes sockets, disk, clock and entropy as arguments, so that the simulation starts the same hub.
//! Listening on TCP is the caller's business ([`crate::https`]).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roadstead_authority::{Authority, AuthorityError};
use roadstead_machinery::resource::Registry;
use roadstead_protocol::api;
use roadstead_protocol::env::Env;
use roadstead_protocol::host::Network;
use roadstead_protocol::host::tls::Crypto;
use roadstead_rest::{Identity, Rest};
use roadstead_store::{Backend, OpenError, Store};
use tokio::sync::watch;

use crate::hooks::{HubHooks, Limits};
use crate::hosted;

/// Namespaces that are there from the beginning.
const NAMESPACES: &[&str] = &["default", "kube-system", "kube-public"];

/// How much of what agents said before is kept, in bytes: only who is slow to read goes back, and whoever
/// is slower still reads what is so now.
const NEWS_EVENTS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long agents have to be told that the hub stops.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// What a hub is made of.
pub struct Parts {
    /// Clock, entropy, blocking work.
    pub env: Env,
    /// Where UDP sockets come from.
    pub network: Arc<dyn Network>,
    /// TLS.
    pub crypto: Crypto,
    /// Where the store's bytes are.
    pub backend: Backend,
    /// Where agents are listened to.
    pub agent_listen: SocketAddr,
    /// Where agents find this hub, as `host:port`; empty: where it listens.
    pub advertise: Vec<String>,
    /// How much a single change may remove without being confirmed.
    pub limits: Limits,
    /// How the controllers behave.
    pub controllers: roadstead_controllers::Options,
}

/// Why a hub could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened.
    #[error("failed to open the store")]
    Store(#[source] OpenError),
    /// Authorities' keys cannot be loaded or made.
    #[error("failed to load the authorities")]
    Authority(#[source] AuthorityError),
    /// Our own kinds' manifests are not right: a bug.
    #[error("failed to read the manifests of the hub's own kinds")]
    Registry(#[source] roadstead_machinery::resource::Error),
    /// The first namespaces cannot be made.
    #[error("failed to make the namespace {0}: {1}")]
    Namespace(String, String),
    /// The socket for agents cannot be had.
    #[error("failed to listen to agents on UDP {0}")]
    Bind(SocketAddr, #[source] std::io::Error),
}

/// A running hub.
pub struct Hub {
    /// What is durable.
    pub store: Store,
    /// What is not: who is alive, what agents report.
    pub volatile: Store,
    /// The Kubernetes API.
    pub rest: Rest,
    /// Certificates and tokens.
    pub authority: Authority,
    /// Where agents are really listened to.
    pub agent_listen: SocketAddr,
    env: Env,
    network: Arc<dyn Network>,
    crypto: Crypto,
    agents: tokio::task::JoinHandle<()>,
    controllers: roadstead_controllers::Handle,
    hosted: Option<hosted::Handle>,
    stop: watch::Sender<bool>,
}

/// Where agents are told to call: where somebody said, or where the hub listens.
fn addresses(advertise: Vec<String>, listening: SocketAddr) -> Vec<String> {
    if advertise.is_empty() {
        vec![listening.to_string()]
    } else {
        advertise
    }
}

impl Hub {
    /// Starts a hub. Once this returns it serves.
    ///
    /// # Errors
    /// When a part cannot be started; nothing runs then.
    pub async fn start(parts: Parts) -> Result<Self, Error> {
        Self::start_with(parts, roadstead_agents::Options::default()).await
    }

    /// Starts a hub with choices about agents' sessions. Once this returns it serves.
    ///
    /// # Errors
    /// When a part cannot be started; nothing runs then.
    pub async fn start_with(
        parts: Parts,
        options: roadstead_agents::Options,
    ) -> Result<Self, Error> {
        let Parts {
            env,
            network,
            crypto,
            backend,
            agent_listen,
            advertise,
            limits,
            controllers,
        } = parts;
        let store = open(&env, backend).await?;
        let volatile = open(&env, Backend::Memory).await?;
        let authority = Authority::load_or_create(&store, &env)
            .await
            .map_err(Error::Authority)?;
        let registry = Arc::new(Registry::hub(api::CRDS).map_err(Error::Registry)?);
        let (socket, agent_listen) = listen(&*network, agent_listen)?;
        let addresses = addresses(advertise, agent_listen);
        let (stop, _) = watch::channel(false);
        let metrics = Arc::new(roadstead_agents::Metrics::default());
        let port = roadstead_agents::Parts {
            env: env.clone(),
            crypto: crypto.clone(),
            socket,
            store: store.clone(),
            volatile: volatile.clone(),
            authority: authority.clone(),
            advertise: addresses.clone(),
            options,
            metrics: Arc::clone(&metrics),
        };
        let agents = tokio::spawn(serve_agents(port, stop.subscribe()));
        let hooks = HubHooks {
            env: env.clone(),
            limits,
            authority: authority.clone(),
            addresses,
            agents: metrics,
            decisions: Arc::clone(&controllers.metrics),
            failovers: Arc::clone(&controllers.failovers),
            store: store.clone(),
            volatile: volatile.clone(),
            registry: Arc::clone(&registry),
        };
        let rest = serve_api(&env, &store, &registry, hooks).await?;
        let controllers = roadstead_controllers::spawn(roadstead_controllers::Parts {
            env: env.clone(),
            store: store.clone(),
            volatile: volatile.clone(),
            registry,
            options: controllers,
        });
        Ok(Self {
            store,
            volatile,
            rest,
            authority,
            agent_listen,
            env,
            network,
            crypto,
            agents,
            controllers,
            hosted: None,
            stop,
        })
    }

    /// From now on looks after clusters by kubeconfig, too; a hub that was not told with what does not.
    pub fn host(&mut self, hosting: hosted::Hosting) {
        self.hosted = Some(hosted::spawn(hosted::Context {
            env: self.env.clone(),
            network: Arc::clone(&self.network),
            crypto: self.crypto.clone(),
            store: self.store.clone(),
            volatile: self.volatile.clone(),
            authority: self.authority.clone(),
            hub: self.agent_listen,
            hosting,
        }));
    }

    /// Says when the hub stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Stops: agents are told to come back, controllers finish, the store closes.
    pub async fn stop(self) {
        if let Some(hosted) = self.hosted {
            hosted.stop().await;
        }
        self.stop.send_replace(true);
        if tokio::time::timeout(STOP_WITHIN, self.agents)
            .await
            .is_err()
        {
            tracing::warn!("some agents could not be told in time that the hub stops");
        }
        self.controllers.stop().await;
        self.store.close().await;
        self.volatile.close().await;
    }
}

/// The socket that agents come to, and where it really is.
fn listen(
    network: &dyn Network,
    at: SocketAddr,
) -> Result<(Arc<dyn quinn::AsyncUdpSocket>, SocketAddr), Error> {
    let bound = network.bind(at).and_then(|socket| {
        let address = socket.local_addr()?;
        Ok((socket, address))
    });
    bound.map_err(|error| Error::Bind(at, error))
}

/// Opens one of the hub's stores.
async fn open(env: &Env, backend: Backend) -> Result<Store, Error> {
    let mut options = roadstead_store::Options::default();
    if let Backend::Memory = backend {
        options.events_bytes_max = NEWS_EVENTS_BYTES_MAX;
    }
    Store::open(env.clone(), backend, options)
        .await
        .map_err(Error::Store)
}

/// Serves agents until the hub stops.
async fn serve_agents(port: roadstead_agents::Parts, stop: watch::Receiver<bool>) {
    if let Err(error) = roadstead_agents::serve(port, until(stop)).await {
        tracing::error!(error = crate::chain(&error), "agents are no longer served");
    }
}

/// The API over the store, with the namespaces that are there from the beginning.
async fn serve_api(
    env: &Env,
    store: &Store,
    registry: &Arc<Registry>,
    hooks: HubHooks,
) -> Result<Rest, Error> {
    let rest = Rest::new(roadstead_rest::Parts {
        env: env.clone(),
        store: store.clone(),
        registry: Arc::clone(registry),
        hooks: Arc::new(hooks),
        options: roadstead_rest::Options::default(),
    });
    for name in NAMESPACES {
        namespace(&rest, name).await?;
    }
    Ok(rest)
}

/// Resolves once the hub stops.
async fn until(mut stop: watch::Receiver<bool>) {
    // An error says that the hub is gone, which is as good a reason.
    drop(stop.wait_for(|stopped| *stopped).await);
}

/// Makes a namespace, through the API as a user would.
async fn namespace(rest: &Rest, name: &str) -> Result<(), Error> {
    use http_body_util::BodyExt as _;
    let body =
        serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let failed = |why: String| Error::Namespace(name.to_owned(), why);
    let request = http::Request::post("/api/v1/namespaces?fieldManager=roadstead")
        .header("content-type", "application/json")
        .body(http_body_util::Full::new(bytes::Bytes::from(
            body.to_string(),
        )))
        .map_err(|e| failed(e.to_string()))?;
    let answer = rest.handle(request, Identity::admin()).await;
    if answer.status().is_success() || answer.status() == http::StatusCode::CONFLICT {
        return Ok(());
    }
    let body = answer
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let words = body
        .map(|b| String::from_utf8_lossy(&b).into_owned())
        .unwrap_or_default();
    Err(failed(words))
}
