//! The way to the hub: join once, then connect, talk, and connect again.
//!
//! Knows no Kubernetes. What the hub says goes through [`intake`](crate::intake) to the disk and the
//! desk; what is to be said waits at the desk. Without a hub nothing here is needed by anybody.

mod join;
mod session;

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_protocol::host::tls::{Crypto, Identity as TlsIdentity, session_client};
use roadstead_protocol::host::{EndpointSecrets, JoinToken, Network, SecretKey, endpoint};
use roadstead_protocol::session::Backoff;
use roadstead_protocol::wire::frame::RefusalCode;
use tokio::sync::watch;

use crate::anchor::Start;
use crate::desk::Desk;
use crate::store::Disk;
use crate::store::record::{Identity, Joining};
use crate::{Error, Options};
use session::{Conversation, Ended};

/// The first wait before connecting again.
pub const RETRY_FLOOR: Duration = Duration::from_millis(500);
/// The longest wait before connecting again.
pub const RETRY_CEILING: Duration = Duration::from_secs(30);
/// How long to stay away after the hub said that the cluster was detached.
pub const DETACHED_WAIT: Duration = Duration::from_secs(300);

/// What the way to the hub is made of.
pub struct Link {
    /// Clock and entropy.
    pub env: Env,
    /// Sockets and names.
    pub network: Arc<dyn Network>,
    /// What TLS computes with.
    pub crypto: Crypto,
    /// What can be tuned.
    pub options: Options,
    /// What is known.
    pub desk: Arc<Desk>,
    /// The agent's disk.
    pub disk: Disk,
    /// What to join with, if it has not joined yet.
    pub join: Option<JoinToken>,
    /// The key of an attempt to join whose outcome is not known.
    pub joining: Option<Joining>,
    /// Who the agent is, once it has joined.
    pub identity: Option<Identity>,
    /// This start of the agent, once it is known.
    pub start: watch::Receiver<Option<Start>>,
}

impl Link {
    /// Keeps the way open. Returns only what cannot be got over by trying again.
    pub async fn run(mut self, seed: u64) -> Error {
        let mut backoff = Backoff::new(seed, RETRY_FLOOR, RETRY_CEILING);
        let mut endpoint = None;
        loop {
            let Some(start) = self.started().await else {
                return Error::Ended;
            };
            let opened = match endpoint.take() {
                Some(opened) => opened,
                None => match self.open() {
                    Ok(opened) => opened,
                    Err(error) => {
                        tracing::warn!(error = %chain(&error), "no socket");
                        tokio::time::sleep(backoff.next_wait()).await;
                        continue;
                    }
                },
            };
            let wait = match self.identity.clone() {
                None => match self.join(&opened, &start).await {
                    Ok(()) => Duration::ZERO,
                    Err(join::Failed::Never(error)) => return error,
                    Err(join::Failed::Later(error)) => {
                        tracing::warn!(%error, "the hub could not be joined yet");
                        backoff.next_wait()
                    }
                },
                Some(identity) => match self.talk(&opened, &identity, &start, &mut backoff).await {
                    Ok(wait) => wait,
                    Err(error) => return error,
                },
            };
            endpoint = Some(opened);
            tokio::select! {
                biased;
                // A corrected start must not wait for a back-off.
                _ = self.start.changed() => {}
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

    /// One attempt at every address; how long to wait before the next.
    async fn talk(
        &mut self,
        endpoint: &quinn::Endpoint,
        identity: &Identity,
        start: &Start,
        backoff: &mut Backoff,
    ) -> Result<Duration, Error> {
        let config = self.client_config(identity)?;
        for address in &identity.addresses {
            let connection = match endpoint::connect(endpoint, &*self.network, address, &config)
                .await
            {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::info!(%address, error = %chain(&error), "the hub cannot be reached");
                    continue;
                }
            };
            let mut conversation = Conversation::new(
                self.desk.clone(),
                self.disk.clone(),
                self.start.clone(),
                identity.clone(),
            );
            let ended = conversation
                .run(&connection, start, &self.options)
                .await;
            if let Some(renewed) = conversation.renewed() {
                self.identity = Some(renewed);
            }
            if conversation.welcomed() {
                backoff.reset();
            }
            return self.after(ended, backoff).await;
        }
        Ok(backoff.next_wait())
    }

    async fn after(&self, ended: Ended, backoff: &mut Backoff) -> Result<Duration, Error> {
        match ended {
            Ended::StartChanged => Ok(Duration::ZERO),
            Ended::Restarting(wait) => Ok(backoff.asked(wait)),
            Ended::Lost(why) => {
                tracing::info!(%why, "the session with the hub ended");
                Ok(backoff.next_wait())
            }
            Ended::Refused(refused) => {
                tracing::warn!(message = %refused.message, "the hub turned this agent away");
                match refused.code {
                    RefusalCode::Detached => {
                        self.detach().await;
                        Ok(DETACHED_WAIT)
                    }
                    RefusalCode::OtherMember => Err(Error::Refused(refused.message)),
                    RefusalCode::OlderBoot
                    | RefusalCode::Protocol
                    | RefusalCode::Busy
                    | RefusalCode::Replaced
                    | RefusalCode::UnknownCluster => Ok(backoff.next_wait()),
                }
            }
        }
    }

    /// Stops applying, and leaves everything as it is.
    async fn detach(&self) {
        let position = crate::store::record::Position {
            detached: true,
            ..self.desk.position()
        };
        let writes = vec![crate::store::Write::Position(position.clone())];
        if let Err(error) = self.disk.commit(writes).await {
            tracing::warn!(%error, "that the cluster was detached could not be written down");
        }
        self.desk.enter(crate::desk::Entered {
            position: Some(position),
            ..Default::default()
        });
    }

    fn client_config(&self, identity: &Identity) -> Result<quinn::ClientConfig, Error> {
        let key: [u8; 32] = identity
            .key
            .as_slice()
            .try_into()
            .map_err(|_| Error::Identity("its key has a wrong length".to_owned()))?;
        let certificates = |list: &[Vec<u8>]| {
            list.iter()
                .map(|der| der.clone().into())
                .collect::<Vec<_>>()
        };
        let tls = TlsIdentity {
            chain: certificates(&identity.certificates),
            key: SecretKey::from_bytes(key),
        };
        let config = session_client(&self.crypto, &tls, &certificates(&identity.authorities));
        let config = config.map_err(|e| Error::Identity(chain(&e)))?;
        endpoint::client_config(&self.env, config).map_err(|e| Error::Identity(chain(&e)))
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
