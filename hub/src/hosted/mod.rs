//! Clusters that the hub looks after itself: those whose AttachedCluster names a Secret with a
//! kubeconfig.
//!
//! For each of them the agent's own code runs in this process, joined and certified as any agent is,
//! over the hub's own port: one path, two places. Nothing here decides what runs on a cluster; here it
//! is decided who looks after it, with which kubeconfig, and what is said when that does not work.
//! Each cluster has a task of its own with its own waits, so a bad kubeconfig delays no other. Disks
//! and clients are arguments ([`Hosting`]), so that the simulation can give its own.

mod follow;
mod kubeconfig;
mod loopback;
mod probe;
mod rivals;
pub mod system;
mod tend;
#[cfg(test)]
mod tests;
mod watching;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roadstead_agent::Opener;
use roadstead_agent::store::OpenError;
use roadstead_authority::Authority;
use roadstead_protocol::env::{BoxFuture, Env};
use roadstead_protocol::host::Network;
use roadstead_protocol::host::tls::Crypto;
use roadstead_protocol::seal::Keyring;
use roadstead_store::Store;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// Most clusters that a hub looks after by kubeconfig.
pub const HOSTED_MAX: usize = 1_000;
/// How long an agent of a cluster's own has to call a hub that just began, or that lost it, before the
/// hub takes its place.
pub const AGENTS_CALL_WITHIN: Duration = Duration::from_secs(60);
/// Most clusters that are connected to for the first time at once.
const STARTS_MAX: usize = 32;

/// Where hosted agents keep their state, and how they reach their clusters.
#[derive(Clone)]
pub struct Hosting {
    /// Their disks.
    pub disks: Arc<dyn Disks>,
    /// Their clusters.
    pub members: Arc<dyn Members>,
    /// Most clusters that are looked after, at most [`HOSTED_MAX`]; further ones are told so.
    pub max: usize,
    /// How long an agent has to call before the hub takes its place: [`AGENTS_CALL_WITHIN`].
    pub calls_within: Duration,
}

/// The disks of hosted agents, one per cluster.
pub trait Disks: Send + Sync + 'static {
    /// Whether the cluster with this UID has one already.
    fn is_there(&self, uid: &str) -> bool;

    /// Takes it, made if it is not there, for as long as the opener lives.
    ///
    /// # Errors
    /// Where it cannot be used, or is taken.
    fn take(&self, uid: &str) -> Result<Opener, OpenError>;

    /// What they are sealed with; nothing is where there is no key.
    fn keyring(&self) -> Keyring {
        Keyring::default()
    }

    /// Removes it, after its cluster was detached.
    fn forget(&self, uid: &str);
}

/// Makes clients of clusters' APIs.
pub trait Members: Send + Sync + 'static {
    /// A client by this kubeconfig, which has passed [`kubeconfig::read`]'s judgement. Asks nothing
    /// of the cluster yet.
    fn client(&self, kubeconfig: Bytes) -> BoxFuture<Result<kube::Client, String>>;
}

/// What hosted agents share.
pub(crate) struct Context {
    pub(crate) env: Env,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) crypto: Crypto,
    pub(crate) store: Store,
    pub(crate) volatile: Store,
    pub(crate) authority: Authority,
    /// Where this hub listens to agents.
    pub(crate) hub: SocketAddr,
    pub(crate) hosting: Hosting,
}

/// What a task works with.
struct Shared {
    context: Context,
    /// When this hub began: agents of clusters' own need a while to call.
    began: Instant,
    starts: Semaphore,
}

/// The task that looks after all of them.
pub(crate) struct Handle {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// How long agents have to end with the hub.
const END_WITHIN: Duration = Duration::from_secs(5);

impl Handle {
    /// Ends all hosted agents.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(END_WITHIN, self.task).await.is_err() {
            tracing::warn!("some clusters by kubeconfig could not be let go in time");
        }
    }
}

/// Starts looking after clusters by kubeconfig.
pub(crate) fn spawn(context: Context) -> Handle {
    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(Shared {
        context,
        began: Instant::now(),
        starts: Semaphore::new(STARTS_MAX),
    });
    let task = tokio::spawn(follow::Follower::new(shared, stopped).run());
    Handle { stop, task }
}
