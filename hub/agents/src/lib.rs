//! The hub's end of every agent: connections, sessions, what is sent and what is heard.
//!
//! Each agent has a task, a session and bounds of its own, so a slow one delays no other. What a
//! cluster is to have is read from its ledger in the store, what it reports goes into the volatile
//! store; this crate decides neither what runs where nor what a report means.

mod accept;
mod admission;
mod bases;
mod directory;
mod farewell;
mod index;
mod listen;
mod metrics;
mod news;
mod orders;
mod outbox;
mod pace;
mod questions;
mod restart;
mod secure;
mod sessions;
mod shell;
#[cfg(test)]
mod tests;
mod tombstones;

use std::future::Future;
use std::sync::Arc;

use roadstead_authority::{Authority, AuthorityError};
use roadstead_protocol::env::Env;
use roadstead_protocol::host::Crypto;
use roadstead_protocol::host::endpoint::EndpointError;
use roadstead_store::Store;

pub use metrics::Metrics;

/// What the agents' end of a hub is made of.
pub struct Parts {
    /// Clock and entropy.
    pub env: Env,
    /// Cryptography.
    pub crypto: Crypto,
    /// The socket that agents come to, bound already.
    pub socket: Arc<dyn quinn::AsyncUdpSocket>,
    /// What is durable: clusters, ledgers, contents.
    pub store: Store,
    /// What is not: liveness, facts, reports.
    pub volatile: Store,
    /// Who an agent is.
    pub authority: Authority,
    /// Where agents find this hub, as `host:port`, best first.
    pub advertise: Vec<String>,
    /// What may be chosen.
    pub options: Options,
    /// Where events are counted.
    pub metrics: Arc<Metrics>,
}

/// What may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The hub's release, for people.
    pub release: String,
    /// What the hub understands beyond the first release; see
    /// [`features`](roadstead_protocol::wire::frame::features). An older release is one with fewer.
    pub features: u64,
    /// Most sessions at a time; further agents are told to come back.
    pub sessions_max: usize,
    /// Most handshakes and enrolments at a time; further ones wait.
    pub handshakes_max: usize,
    /// Handshakes that may begin in a second, beyond a burst of `handshakes_max`; further ones wait.
    pub handshakes_rate: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            features: roadstead_protocol::wire::frame::features::ALL,
            sessions_max: 20_000,
            handshakes_max: 256,
            handshakes_rate: 500,
        }
    }
}

/// Why agents cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// TLS settings or certificates could not be made.
    #[error("the agents' port cannot be secured")]
    Secure(#[from] AuthorityError),
    /// The QUIC endpoint could not be opened.
    #[error("the agents' port cannot be opened")]
    Open(#[from] EndpointError),
}

/// Serves agents until `shutdown`, then tells every agent when to come back, and ends.
pub async fn serve(
    parts: Parts,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    accept::serve(parts, shutdown).await
}
