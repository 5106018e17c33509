//! What the API is made of, and its one entrance.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use roadstead_machinery::resource::Registry;
use roadstead_machinery::status::Status;
use roadstead_protocol::env::Env;
use roadstead_store::Store;

use crate::discovery::Documents;
use crate::metrics::Metrics;
use crate::{Hooks, Identity, RestBody, Service, namespaces, route};

/// Largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Most watches at a time.
pub const WATCHES_MAX: usize = 20_000;

/// What the API is made of.
pub struct Parts {
    /// Clock, entropy, blocking work.
    pub env: Env,
    /// Where objects are.
    pub store: Store,
    /// Which kinds are served.
    pub registry: Arc<Registry>,
    /// What the owner adds.
    pub hooks: Arc<dyn Hooks>,
    /// The rest.
    pub options: Options,
}

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// What `/version` says.
    pub versions: Versions,
    /// Largest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// Most watches at a time.
    pub watches_max: usize,
    /// How often a watch that asked for bookmarks gets one.
    pub bookmark_every: Duration,
    /// Whether workloads get the defaults that a cluster gives them.
    pub defaulted: bool,
    /// Whether somebody removes the finalizers `orphan` and `foregroundDeletion`, as Kubernetes'
    /// garbage collector does. Where nobody does, such deletions are background deletions.
    pub garbage_collected: bool,
    /// Whether a deleted namespace is emptied and removed by this crate, as Kubernetes' namespace
    /// controller does.
    pub namespaces_emptied: bool,
}

/// What `/version` says.
#[derive(Clone, Debug)]
pub struct Versions {
    /// As in `1`.
    pub major: String,
    /// As in `36`.
    pub minor: String,
    /// As in `v1.36.3+roadstead-0.1.0`.
    pub git: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            versions: Versions {
                major: "1".to_owned(),
                minor: "36".to_owned(),
                git: concat!("v1.36.3+roadstead-", env!("CARGO_PKG_VERSION")).to_owned(),
            },
            body_bytes_max: BODY_BYTES_MAX,
            watches_max: WATCHES_MAX,
            bookmark_every: Duration::from_secs(60),
            defaulted: false,
            garbage_collected: false,
            namespaces_emptied: true,
        }
    }
}

impl Options {
    /// How an API behaves that stands for a whole cluster, with controllers and all.
    pub fn member() -> Self {
        Self {
            defaulted: true,
            garbage_collected: true,
            ..Self::default()
        }
    }
}

/// The Kubernetes API over a store. Cheap to clone; the last clone that goes away ends the tasks.
#[derive(Clone)]
pub struct Rest(pub(crate) Arc<Inner>);

/// What all clones share.
pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) store: Store,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    pub(crate) documents: Documents,
    pub(crate) watches: Arc<AtomicUsize>,
    task: std::sync::OnceLock<tokio::task::AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl Rest {
    /// The API over these parts. Must be called inside a tokio runtime: emptying deleted namespaces
    /// is a task of its own.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            env,
            store,
            registry,
            hooks,
            options,
        } = parts;
        let emptied = options.namespaces_emptied;
        let rest = Self(Arc::new(Inner {
            env,
            store,
            registry,
            hooks,
            options,
            metrics: Metrics::default(),
            documents: Documents::default(),
            watches: Arc::new(AtomicUsize::new(0)),
            task: std::sync::OnceLock::new(),
        }));
        if emptied {
            let weak = Arc::downgrade(&rest.0);
            let task = tokio::spawn(namespaces::run(rest.0.store.clone(), weak));
            rest.0.task.get_or_init(|| task.abort_handle());
        }
        rest
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>, who: Identity) -> Response<RestBody>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: std::fmt::Display,
    {
        route::handle(&self.0, request, who).await
    }

    /// Makes the namespaces that clients expect, `default` and `kube-system`, where they are missing.
    ///
    /// # Errors
    /// When the store cannot write.
    pub async fn bootstrap(&self) -> Result<(), Status> {
        for name in ["default", "kube-system"] {
            namespaces::ensure(&self.0, name).await?;
        }
        Ok(())
    }

    /// This API as a tower service that is used by `identity`.
    pub fn service(&self, identity: Identity) -> Service {
        Service::new(self.clone(), identity)
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rest")
    }
}
