//! Keys, certificates and rustls settings, with clock and randomness injected.
//!
//! Who a peer is is a URI in its certificate, `roadstead://cluster/<uid>`, never a name. Agents and
//! the hub's QUIC port have an authority of their own. This module issues no certificates by itself
//! and keeps none: the hub's authority and the agent's store do.

mod cert;
mod config;
mod faces;
mod key;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::{CertificateDer, UnixTime};

pub use cert::{
    AGENT_LIFE, CLOCK_SLACK, Issued, Profile, SERVER_LIFE, certificates_from_pem,
    certificates_to_pem, cluster_uid, cluster_uri, is_for, issued_at, make_authority, make_request,
    not_after, not_before, renewal_due, request_key, sign, sign_request, user,
};
pub use config::{enrol_client, hub_server, renew_client, rest_server, session_client};
pub use key::{Pin, SECRET_KEY_BYTES, SecretKey};
pub use verify::{NotPinned, PinWitness, verify_possession};

use crate::env::{Env, WallClock};

/// The name that a hub's QUIC certificate carries, whatever address it is reached at.
pub const HUB_NAME: &str = "hub.roadstead.dev";
/// The ALPN of a session. A hub and an agent that share none do not talk.
pub const SESSION_ALPN: &[u8] = b"roadstead/1";
/// The ALPN of enrolment, which every release accepts for ever.
pub const ENROL_ALPN: &[u8] = b"roadstead-enrol/1";

/// The cryptography of a process: rustls' provider, and the clock that certificates are judged by.
#[derive(Clone)]
pub struct Crypto {
    /// Ciphers, key exchange and TLS' own randomness.
    pub provider: Arc<CryptoProvider>,
    /// What time it is for `not_before` and `not_after`.
    pub clock: Arc<dyn WallClock>,
}

impl Crypto {
    /// With this provider and the environment's clock.
    pub fn new(provider: Arc<CryptoProvider>, env: &Env) -> Self {
        Self {
            provider,
            clock: Arc::clone(&env.clock),
        }
    }

    /// With ring and the environment's clock: what a real process uses.
    pub fn ring(env: &Env) -> Self {
        Self::new(Arc::new(rustls::crypto::ring::default_provider()), env)
    }

    fn time(&self) -> Arc<dyn TimeProvider> {
        Arc::new(WallTime(Arc::clone(&self.clock)))
    }
}

impl std::fmt::Debug for Crypto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Crypto")
    }
}

/// A certificate chain, leaf first, and the key of the leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// DER certificates, the leaf first, its authority last.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: SecretKey,
}

/// The wall clock as rustls reads it.
struct WallTime(Arc<dyn WallClock>);

impl std::fmt::Debug for WallTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WallTime")
    }
}

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

/// What can go wrong with keys, certificates and TLS settings.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key could not be read.
    #[error("the key cannot be read")]
    Key(#[source] rcgen::Error),
    /// A certificate could not be made.
    #[error("the certificate cannot be made")]
    Make(#[source] rcgen::Error),
    /// A request for a certificate could not be read, or its signature is not its key's.
    #[error("the certificate request cannot be read, or is not signed by its own key")]
    Request(#[source] rcgen::Error),
    /// A certificate could not be read.
    #[error("the certificate cannot be read: {0}")]
    Parse(String),
    /// A certificate names no cluster.
    #[error("the certificate names no cluster: its URI is not roadstead://cluster/<uid>")]
    NoCluster,
    /// A signature is not that of the certificate's key.
    #[error("the signature is not that of the certificate's key")]
    Possession,
    /// A moment does not fit into a certificate.
    #[error("{0} is outside of what a certificate can say")]
    Moment(jiff::Timestamp),
    /// rustls refused the settings.
    #[error("TLS settings are not usable")]
    Settings(#[source] rustls::Error),
    /// The authorities given cannot verify anything.
    #[error("the authorities' certificates are not usable: {0}")]
    Authorities(String),
}
