//! A simulated member cluster: the hub's own Kubernetes API over a store in memory, and small
//! stand-ins for what else there is in a cluster.
//!
//! The simulation, the demo and tests use it; agents cannot tell. The stand-ins (workload
//! controllers, scheduler, kubelet, garbage collection, service addresses) are one task that follows
//! the store, reads from a cache of it and writes to it directly. It never polls: with nothing to
//! do nothing is written.
//!
//! Deliberately absent: networking, storage, anything that runs. An image whose tag is `missing`
//! cannot be pulled, so that a workload can be made to fail; all others run, but on nodes that can pull
//! none ([`NO_IMAGES`]).

mod boot;
mod cache;
mod cluster_ip;
mod daemonset;
mod deployment;
mod gc;
mod job;
mod manager;
mod object;
mod pod;
pub mod process;
mod quantity;
mod replicaset;
mod rollout;
mod scene;
mod schedule;
mod statefulset;
mod volume;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roadstead_machinery::resource::{self, Registry};
use roadstead_protocol::env::Env;
use roadstead_rest::{Identity, NoHooks, Parts, Rest, Service, Versions};
use roadstead_store::{Backend, CommitError, InvalidKey, OpenError, Store};

/// The annotation of a node that can pull no image: what is not running on it yet does not come up.
pub const NO_IMAGES: &str = "simulated.roadstead.dev/no-images";

/// What a simulated cluster is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many nodes it has.
    pub nodes: usize,
    /// What the nodes' names begin with.
    pub node_prefix: String,
    /// CPU of each node, as a Kubernetes quantity.
    pub node_cpu: String,
    /// Memory of each node, as a Kubernetes quantity.
    pub node_memory: String,
    /// Most pods on each node.
    pub node_pods: u32,
    /// Labels of each node, beside the usual ones.
    pub node_labels: BTreeMap<String, String>,
    /// The uid of `kube-system`, which is the cluster's identity; random where it is not given.
    pub kube_system_uid: Option<String>,
    /// How long a scheduled pod takes until it runs and is ready.
    pub ready_after: Duration,
    /// How long a job's pod runs until it succeeds.
    pub job_takes: Duration,
    /// What `/version` says; the API's own where it is not given.
    pub versions: Option<Versions>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            node_prefix: "node".to_owned(),
            node_cpu: "8".to_owned(),
            node_memory: "32Gi".to_owned(),
            node_pods: 110,
            node_labels: BTreeMap::new(),
            kube_system_uid: None,
            ready_after: Duration::from_secs(2),
            job_takes: Duration::from_secs(5),
            versions: None,
        }
    }
}

/// Why a simulated cluster does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its store does not open.
    #[error("failed to open the simulated member's store")]
    Open(#[source] OpenError),
    /// The built-in kinds cannot be read.
    #[error("failed to read the simulated member's kinds")]
    Kinds(#[source] resource::Error),
    /// The objects that it begins with could not be written.
    #[error("failed to write the simulated member's first objects")]
    Boot(#[source] CommitError),
    /// A name among the options cannot name an object.
    #[error("failed to name the simulated member's first objects")]
    Name(#[source] InvalidKey),
}

/// A simulated member cluster. Cheap to clone; it ends with its last clone.
#[derive(Clone)]
pub struct Member {
    /// Its API.
    pub rest: Rest,
    /// Where its objects are.
    pub store: Store,
    manager: Arc<Task>,
}

/// A task that ends with its owner.
struct Task(tokio::task::AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Member {
    /// Starts a cluster with its namespaces and nodes there already. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the clock is absurd, or an option names an object that cannot be.
    pub async fn start(env: Env, options: Options) -> Result<Self, Error> {
        let registry = Arc::new(Registry::member().map_err(Error::Kinds)?);
        Self::with_registry(env, registry, options).await
    }

    /// As [`start`](Self::start), with a registry that many clusters share.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn with_registry(
        env: Env,
        registry: Arc<Registry>,
        options: Options,
    ) -> Result<Self, Error> {
        let store = Store::open(
            env.clone(),
            Backend::Memory,
            roadstead_store::Options::default(),
        );
        let store = store.await.map_err(Error::Open)?;
        let first = boot::objects(&env, &options).map_err(Error::Name)?;
        store.commit(first).await.map_err(Error::Boot)?;
        let defaults = roadstead_rest::Options::default();
        let rest = Rest::new(Parts {
            env: env.clone(),
            store: store.clone(),
            registry,
            hooks: Arc::new(NoHooks),
            options: roadstead_rest::Options {
                versions: options
                    .versions
                    .clone()
                    .unwrap_or_else(|| defaults.versions.clone()),
                garbage_collected: true,
                definitions_served: true,
                ..defaults
            },
        });
        let manager = tokio::spawn(manager::run(env, store.clone(), options));
        Ok(Self {
            rest,
            store,
            manager: Arc::new(Task(manager.abort_handle())),
        })
    }

    /// Ends it now, for all clones: nothing is written any more, and watches end.
    pub async fn stop(&self) {
        self.manager.0.abort();
        self.store.close().await;
    }

    /// Its API for someone who may do everything, as a tower service: what `kube::Client::new`
    /// takes.
    pub fn service(&self) -> Service {
        self.rest.service(Identity::admin())
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Member")
    }
}

#[cfg(test)]
mod tests;
