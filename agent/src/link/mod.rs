//! The way to the hub: join once, then connect, talk, and connect again.
//!
//! Knows no Kubernetes. What the hub says goes through [`intake`](crate::intake) to the disk and the
//! desk; what is to be said waits at the desk. Without a hub nothing here is needed by anybody.

mod bases;
mod due;
mod freezing;
mod join;
mod keep;
mod kept;
mod persist;
mod renew;
mod road;
mod session;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_protocol::host::clock::Floored;
use roadstead_protocol::host::tls::Crypto;
use roadstead_protocol::host::{EndpointSecrets, JoinToken, Network, endpoint};
use roadstead_protocol::session::Backoff;
use tokio::sync::watch;

use crate::anchor::Start;
use crate::desk::Desk;
use crate::store::Disk;
use crate::store::record::{Former, Identity, Joining, Past, Spent};
use crate::{Error, Options};
use road::Road;

pub use due::LOOK_EVERY;
pub use renew::{RENEW_CEILING, RENEW_FLOOR};
pub(crate) use roadstead_protocol::chain;

/// The first wait before connecting again.
pub const RETRY_FLOOR: Duration = Duration::from_millis(500);
/// The longest wait before connecting again.
pub const RETRY_CEILING: Duration = Duration::from_secs(30);
/// How long to stay away after the hub said that the cluster was detached, or that this identity is
/// worth nothing to it.
pub const DETACHED_WAIT: Duration = Duration::from_secs(300);

/// What the way to the hub is made of.
pub struct Link {
    /// Clock and entropy.
    pub env: Env,
    /// Sockets and names.
    pub network: Arc<dyn Network>,
    /// What TLS computes with, by [`Link::clock`].
    pub crypto: Crypto,
    /// The clock that certificates are judged by.
    pub clock: Arc<Floored>,
    /// What can be tuned.
    pub options: Options,
    /// What is known.
    pub desk: Arc<Desk>,
    /// The agent's disk.
    pub disk: Disk,
    /// What to join with: if it has not joined yet, or once its identity is worth nothing.
    pub join: Option<JoinToken>,
    /// The key of an attempt to join whose outcome is not known.
    pub joining: Option<Joining>,
    /// The join strings that it has joined with.
    pub spent: Spent,
    /// The clusters that it was before.
    pub past: Past,
    /// Who the agent is, once it has joined.
    pub identity: Option<Identity>,
    /// What it knew and had before.
    pub former: Former,
    /// This start of the agent, once it is known.
    pub start: watch::Receiver<Option<Start>>,
}

impl Link {
    /// Keeps the way open. Returns only what cannot be got over by trying again.
    pub async fn run(self, seed: u64) -> Error {
        let mut road = Road::new(self, seed);
        let mut backoff = Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING);
        let mut endpoint = None;
        loop {
            let Some(start) = road.link.started().await else {
                return Error::Ended;
            };
            let opened = match endpoint.take() {
                Some(opened) => opened,
                None => match road.link.open() {
                    Ok(opened) => opened,
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "no socket");
                        tokio::time::sleep(backoff.next_wait()).await;
                        continue;
                    }
                },
            };
            let wait = match Box::pin(road.step(&opened, &start, &mut backoff)).await {
                Ok(wait) => wait,
                Err(error) => return error,
            };
            endpoint = Some(opened);
            tokio::select! {
                biased;
                // A corrected start must not wait for a back-off.
                _ = road.link.start.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// This start, once it is known; `None` when the agent ends.
    async fn started(&mut self) -> Option<Start> {
        loop {
            if let Some(start) = self.start.borrow_and_update().clone() {
                return Some(start);
            }
            self.start.changed().await.ok()?;
        }
    }

    fn open(&self) -> Result<quinn::Endpoint, endpoint::EndpointError> {
        let socket = self
            .network
            .bind(self.options.bind)
            .map_err(endpoint::EndpointError::Open)?;
        // A client's reset key is told to nobody who would remember it.
        endpoint::open(
            &self.env,
            socket,
            &EndpointSecrets::generate(&self.env),
            None,
        )
    }
}
