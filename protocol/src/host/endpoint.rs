//! quinn's settings, with every random draw taken from the injected entropy.
//!
//! One function opens an endpoint, one makes a client's settings, one connects. No assumption about
//! segmentation offload or ECN is made: the socket decides. Nothing is retried here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};

use rustls_pki_types::CertificateDer;

use super::net::Network;
use super::tls::HUB_NAME;
use super::transport;
use crate::env::{Entropy, Env, WallClock};

pub use super::transport::{IDLE_TIMEOUT, KEEP_ALIVE, KEEP_ALIVE_AGENT};

/// How long one attempt to connect may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most socket addresses of one name that are tried.
pub const RESOLVED_MAX: usize = 8;
/// Handshakes that wait to be accepted; further ones are refused.
const INCOMING_MAX: usize = 1024;
/// Length of our connection ids in bytes: they are in every datagram, and each end has few enough
/// connections to tell them apart by so many.
const CID_BYTES: usize = 4;
/// Length of a client's first guess at the server's connection id, in bytes.
const INITIAL_CID_BYTES: usize = 20;
/// Length of [`EndpointSecrets`] in bytes.
pub const ENDPOINT_SECRET_BYTES: usize = 64;

/// The keys of a listening endpoint. Kept across restarts, so that peers of the life before learn at
/// once (by a stateless reset) that their connection is gone, not after [`IDLE_TIMEOUT`].
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointSecrets([u8; ENDPOINT_SECRET_BYTES]);

impl EndpointSecrets {
    /// New ones.
    pub fn generate(env: &Env) -> Self {
        Self(env.random())
    }

    /// Those that were persisted.
    pub fn from_bytes(bytes: [u8; ENDPOINT_SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// What to persist.
    pub fn as_bytes(&self) -> &[u8; ENDPOINT_SECRET_BYTES] {
        &self.0
    }

    fn reset_key(&self) -> Arc<ring::hmac::Key> {
        Arc::new(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.0[..32]))
    }

    fn token_key(&self) -> Arc<ring::hkdf::Prk> {
        Arc::new(ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, &[]).extract(&self.0[32..]))
    }
}

impl std::fmt::Debug for EndpointSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EndpointSecrets(..)")
    }
}

/// Why an endpoint or a connection could not be had.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The socket could not be used.
    #[error("the QUIC endpoint cannot be opened")]
    Open(#[source] std::io::Error),
    /// The cipher that QUIC begins with is not among those given.
    #[error("the TLS settings lack the cipher that QUIC begins with")]
    Cipher(#[from] NoInitialCipherSuite),
    /// The address could not be resolved.
    #[error("the address {address} cannot be resolved")]
    Resolve {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The attempt could not even begin.
    #[error("cannot connect to {address}")]
    Begin {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: quinn::ConnectError,
    },
    /// No answer in time.
    #[error(
        "{address} does not answer (UDP; is a firewall in between, and does the hub listen there?)"
    )]
    NoAnswer {
        /// The address.
        address: SocketAddr,
    },
    /// The handshake failed.
    #[error("the handshake with {address} failed: {}", explain(source))]
    Handshake {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: quinn::ConnectionError,
    },
}

/// Opens an endpoint on `socket`: a client, and a server too where `server` is given.
pub fn open(
    env: &Env,
    socket: Arc<dyn quinn::AsyncUdpSocket>,
    secrets: &EndpointSecrets,
    server: Option<rustls::ServerConfig>,
) -> Result<quinn::Endpoint, EndpointError> {
    let entropy = Arc::clone(&env.entropy);
    let mut config = EndpointConfig::new(secrets.reset_key());
    config.rng_seed(Some(env.random()));
    #[cfg(planted)]
    if crate::planted::is("unseeded-endpoint") {
        config.rng_seed(None);
    }
    config.cid_generator(move || Box::new(RandomCids(Arc::clone(&entropy))));
    let server = server
        .map(|tls| server_config(env, secrets, tls))
        .transpose()?;
    quinn::Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(quinn::TokioRuntime))
        .map_err(EndpointError::Open)
}

/// A client's settings for one connection.
pub fn client_config(
    env: &Env,
    tls: rustls::ClientConfig,
) -> Result<quinn::ClientConfig, EndpointError> {
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let entropy = Arc::clone(&env.entropy);
    config.initial_dst_cid_provider(Arc::new(move || {
        let mut id = [0; INITIAL_CID_BYTES];
        entropy.fill(&mut id);
        ConnectionId::new(&id)
    }));
    config.transport_config(Arc::new(transport::config(KEEP_ALIVE_AGENT)));
    Ok(config)
}

/// Connects to the hub at `host:port`, trying the addresses behind the name in turn, each for at
/// most [`CONNECT_TIMEOUT`].
///
/// # Errors
/// That of the last address tried.
pub async fn connect(
    endpoint: &quinn::Endpoint,
    network: &dyn Network,
    address: &str,
    config: &quinn::ClientConfig,
) -> Result<quinn::Connection, EndpointError> {
    let failed = |source| EndpointError::Resolve {
        address: address.to_owned(),
        source,
    };
    let found = network.resolve(address).await.map_err(failed)?;
    let mut last = failed(std::io::ErrorKind::NotFound.into());
    for address in found.into_iter().take(RESOLVED_MAX) {
        match connect_one(endpoint, address, config.clone()).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_one(
    endpoint: &quinn::Endpoint,
    address: SocketAddr,
    config: quinn::ClientConfig,
) -> Result<quinn::Connection, EndpointError> {
    let connecting = endpoint
        .connect_with(config, address, HUB_NAME)
        .map_err(|source| EndpointError::Begin { address, source })?;
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Err(_) | Ok(Err(quinn::ConnectionError::TimedOut)) => {
            Err(EndpointError::NoAnswer { address })
        }
        Ok(Err(source)) => Err(EndpointError::Handshake { address, source }),
        Ok(Ok(connection)) => Ok(connection),
    }
}

/// The protocol that both ends of a connection agreed on.
pub fn alpn(connection: &quinn::Connection) -> Option<Vec<u8>> {
    let data = connection
        .handshake_data()?
        .downcast::<quinn::crypto::rustls::HandshakeData>()
        .ok()?;
    data.protocol
}

/// The certificates that the peer presented and TLS verified, the leaf first; empty without any.
pub fn peer_chain(connection: &quinn::Connection) -> Vec<CertificateDer<'static>> {
    let chain = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    chain.map(|chain| *chain).unwrap_or_default()
}

/// The TLS alert in a QUIC error code, if it is one.
fn alert(code: quinn::TransportErrorCode) -> Option<u8> {
    let code = u64::from(code);
    (0x100..0x200)
        .contains(&code)
        .then(|| u8::try_from(code & 0xff).ok())
        .flatten()
}

/// What a lost connection means, for people: TLS alerts come as bare numbers.
pub fn explain(error: &quinn::ConnectionError) -> String {
    use quinn::ConnectionError as E;
    let code = match error {
        E::TransportError(e) => {
            return format!(
                "{error}{}",
                hint(alert(e.code))
                    .map(|h| format!(" ({h})"))
                    .unwrap_or_default()
            );
        }
        E::ConnectionClosed(close) => alert(close.error_code),
        E::VersionMismatch
        | E::ApplicationClosed(_)
        | E::Reset
        | E::TimedOut
        | E::LocallyClosed
        | E::CidsExhausted => None,
    };
    hint(code).map_or_else(
        || error.to_string(),
        |hint| format!("the other end refused: {hint}"),
    )
}

/// Whose certificate ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The other end did not accept ours.
    Ours,
    /// We did not accept the other end's.
    Theirs,
}

/// Whether a connection was lost for a certificate, and for whose.
pub fn doubt(error: &quinn::ConnectionError) -> Option<Doubt> {
    use quinn::ConnectionError as E;
    let (code, whose) = match error {
        E::TransportError(e) => (e.code, Doubt::Theirs),
        E::ConnectionClosed(close) => (close.error_code, Doubt::Ours),
        E::VersionMismatch
        | E::ApplicationClosed(_)
        | E::Reset
        | E::TimedOut
        | E::LocallyClosed
        | E::CidsExhausted => return None,
    };
    matches!(alert(code), Some(42..=46 | 48 | 116)).then_some(whose)
}

impl EndpointError {
    /// As [`doubt`].
    pub fn doubt(&self) -> Option<Doubt> {
        match self {
            Self::Handshake { source, .. } => doubt(source),
            Self::Open(_)
            | Self::Cipher(_)
            | Self::Resolve { .. }
            | Self::Begin { .. }
            | Self::NoAnswer { .. } => None,
        }
    }
}

fn hint(alert: Option<u8>) -> Option<&'static str> {
    match alert? {
        42 | 43 | 46 => Some("the certificate is not acceptable"),
        44 => Some("the certificate was revoked"),
        45 => Some("the certificate has expired, or a clock is wrong"),
        48 => Some("the certificate is of another authority; it belongs to another hub"),
        116 => Some("a certificate is required"),
        120 => Some("no protocol version in common; one of the two is too old"),
        _ => None,
    }
}

/// A server's settings: also to renew the certificate of an open endpoint with.
pub fn server_config(
    env: &Env,
    secrets: &EndpointSecrets,
    tls: rustls::ServerConfig,
) -> Result<quinn::ServerConfig, EndpointError> {
    let crypto = Arc::new(QuicServerConfig::try_from(tls)?);
    let mut config = quinn::ServerConfig::new(crypto, secrets.token_key());
    config.time_source(Arc::new(WallTime(Arc::clone(&env.clock))));
    config.max_incoming(INCOMING_MAX);
    config.transport_config(Arc::new(transport::config(KEEP_ALIVE)));
    Ok(config)
}

/// Connection ids drawn from the injected entropy.
struct RandomCids(Arc<dyn Entropy>);

impl ConnectionIdGenerator for RandomCids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CID_BYTES];
        self.0.fill(&mut id);
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        CID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The wall clock as quinn reads it, for the age of its tokens.
struct WallTime(Arc<dyn WallClock>);

#[expect(
    clippy::disallowed_types,
    reason = "quinn's trait is written in it; the value is the injected clock's"
)]
impl quinn::TimeSource for WallTime {
    fn now(&self) -> std::time::SystemTime {
        let seconds = u64::try_from(self.0.now().as_second()).unwrap_or_default();
        std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }
}
