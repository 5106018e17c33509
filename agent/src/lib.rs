//! The agent of one member cluster: takes what its hub gives it, keeps it on its own disk, makes
//! the member so, keeps it so with the hub away, and reports.
//!
//! `link` talks to the hub and knows no Kubernetes; `store` is the disk; `plan` decides and does no
//! I/O; `worker` carries out; `member` is the cluster's API. They are wired here and nowhere else.
//! The agent never reads a clock, entropy, socket or file that was not handed to it in [`Parts`].

pub mod config;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_protocol::host::{JoinToken, Network};

/// Opens the agent's database; called again after an I/O error.
pub type Opener = Arc<dyn Fn() -> Result<redb::Database, redb::DatabaseError> + Send + Sync>;

/// All that an agent is made of.
pub struct Parts {
    /// Clock, entropy and blocking work.
    pub env: Env,
    /// Sockets and names.
    pub network: Arc<dyn Network>,
    /// What TLS computes with.
    pub crypto: Arc<rustls::crypto::CryptoProvider>,
    /// The agent's own disk.
    pub database: Opener,
    /// The member cluster's API.
    pub member: kube::Client,
    /// What to enrol with. Ignored once the disk holds an identity.
    pub join: Option<JoinToken>,
    /// What can be tuned.
    pub options: Options,
}

/// What can be tuned. Bounds that are nobody's business are constants beside their use.
#[derive(Clone, Debug)]
pub struct Options {
    /// The local address that the session's socket binds to.
    pub bind: SocketAddr,
    /// How many objects are worked on at once.
    pub workers: usize,
    /// How often nodes, versions and API groups are looked at.
    pub facts_every: Duration,
    /// How often everything is looked at again although no event told so.
    pub resync_every: Duration,
    /// The release, for people.
    pub release: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([0, 0, 0, 0], 0)),
            workers: 8,
            facts_every: Duration::from_secs(60),
            resync_every: Duration::from_secs(600),
            release: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Why an agent ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is neither an identity on the disk nor a token to get one with.
    #[error("this agent has not joined a hub yet: start it once with --join and the string that `roadstead join NAME` prints")]
    NotJoined,
}

/// Runs an agent until `shutdown` resolves.
///
/// Runs on one tokio runtime, which may be single-threaded.
///
/// # Errors
/// What cannot be got over by trying again: see [`Error`].
pub async fn run(parts: Parts, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let Parts { env: _, network: _, crypto: _, database: _, member: _, join: _, options: _ } = parts;
    shutdown.await;
    Ok(())
}
