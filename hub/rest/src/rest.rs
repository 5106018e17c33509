//! What the API is made of, and its one entrance.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use roadstead_machinery::resource::Registry;
use roadstead_machinery::status::Status;
use roadstead_protocol::env::Env;
use roadstead_store::Store;
use tokio::task::{AbortHandle, JoinHandle};

use crate::discovery::Documents;
use crate::metrics::Metrics;
use crate::{Access, Hooks, Identity, RestBody, Service, crds, namespaces, rbac, route};

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
    /// Whether the kinds are served that `CustomResourceDefinition` objects define. Where they are
    /// not, such objects are templates as all others.
    pub definitions_served: bool,
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
            definitions_served: false,
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
            definitions_served: true,
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
    /// What is served without the kinds that users define.
    pub(crate) base: Arc<Registry>,
    served: RwLock<Served>,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) options: Options,
    pub(crate) metrics: Metrics,
    grants: rbac::Live,
    pub(crate) watches: Arc<AtomicUsize>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// What is served now, and the documents that say so.
struct Served {
    registry: Arc<Registry>,
    documents: Arc<Documents>,
}

impl Inner {
    /// What somebody may do now.
    pub(crate) fn access<'a>(&'a self, who: &'a Identity) -> Access<'a> {
        Access::live(who, &self.grants, &self.store)
    }

    /// The grants as they are now.
    pub(crate) fn grants(&self) -> Arc<rbac::Grants> {
        self.grants.grants(&self.store)
    }

    /// What is served now.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(
            &self
                .served
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .registry,
        )
    }

    /// What is served now, and the documents that say so.
    pub(crate) fn documents(&self) -> (Arc<Registry>, Arc<Documents>) {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&served.registry), Arc::clone(&served.documents))
    }

    /// Serves `registry` from now on.
    pub(crate) fn serve(&self, registry: Registry) {
        let fresh = Served {
            registry: Arc::new(registry),
            documents: Arc::default(),
        };
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(AbortHandle::abort);
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
        let first = if options.definitions_served {
            Arc::new(crds::registry(&registry, &store.snapshot()))
        } else {
            Arc::clone(&registry)
        };
        let served = RwLock::new(Served {
            registry: first,
            documents: Arc::default(),
        });
        let rest = Self(Arc::new(Inner {
            env,
            store,
            base: registry,
            served,
            hooks,
            options,
            metrics: Metrics::default(),
            grants: rbac::Live::default(),
            watches: Arc::new(AtomicUsize::new(0)),
            tasks: Mutex::default(),
        }));
        let spawn = |task: JoinHandle<()>| {
            let mut tasks = rest.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.push(task.abort_handle());
        };
        let (store, weak) = (&rest.0.store, || Arc::downgrade(&rest.0));
        if rest.0.options.namespaces_emptied {
            spawn(tokio::spawn(namespaces::run(store.clone(), weak())));
        }
        if rest.0.options.definitions_served {
            spawn(tokio::spawn(crds::run(store.clone(), weak())));
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

    /// Writes what is missing of the roles and bindings that users expect of an API, as in Kubernetes:
    /// `cluster-admin`, `admin`, `edit`, `view` and those of discovery, and a few of this project's own.
    /// Without them only administrators come in. Where nothing is missing nothing is written.
    ///
    /// # Errors
    /// When the store cannot write.
    pub async fn grant_defaults(&self) -> Result<(), Status> {
        rbac::grant(&self.0).await
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
