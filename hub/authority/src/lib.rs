//! The hub's authorities: who an agent is, who an administrator is, and which join tokens are good.
//!
//! Two certificate authorities that never sign for each other: one for agents and the hub's QUIC
//! port, one for the REST port and its users. Their keys live in the hub's store under `/authority`
//! and are made once. Join tokens are redeemed in one transaction, so that of two agents with one
//! token one gets in. Deliberately absent: who may do what (that is `rest`'s), and any network.

mod detached;
mod keys;
mod kubeconfig;
mod registrar;
#[cfg(test)]
mod tests;
mod tokens;

use std::sync::Arc;

use roadstead_protocol::env::Env;
use roadstead_protocol::host::tls::{self, Crypto, Profile, TlsError};
use roadstead_protocol::host::{EndpointSecrets, Identity, Pin};
use roadstead_store::{CommitError, Store};
use rustls_pki_types::CertificateDer;

pub use detached::is_detached;
pub use registrar::HubRegistrar;
pub use tokens::{Issue, TOKEN_LIFE_DEFAULT, TOKEN_LIFE_MAX, TOKEN_LIFE_MIN};

use keys::Keys;

/// Why the authorities cannot be loaded, or a token not be issued.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The store did not take what had to be written.
    #[error("the authorities' records cannot be written")]
    Write(#[source] CommitError),
    /// A record is not readable.
    #[error(
        "the record {key} in the hub's store is damaged ({detail}); put a backup of the hub's data folder in its place"
    )]
    Damaged {
        /// Where it is.
        key: String,
        /// What is wrong.
        detail: String,
    },
    /// A record could not be written as one.
    #[error("a record cannot be made: {0}")]
    Record(String),
    /// A key or certificate could not be made.
    #[error("a key or certificate cannot be made")]
    Make(#[from] TlsError),
    /// The token could not be made as it was asked for.
    #[error("the join token cannot be made: {0}")]
    Token(#[from] roadstead_protocol::host::enrol::TokenError),
    /// The token was asked to live too long or too short.
    #[error(
        "a join token may live from {} s to {} s, not {asked} s",
        TOKEN_LIFE_MIN.as_secs(),
        TOKEN_LIFE_MAX.as_secs()
    )]
    TokenLife {
        /// What was asked for, in seconds.
        asked: u64,
    },
}

/// What an administrator's token begins with, so that people and scanners know it.
const TOKEN_PREFIX: &str = "rsa1.";
/// What the token is derived for; it must never change.
const TOKEN_CONTEXT: &str = "roadstead.dev 2026-11-21 administrator's bearer token";

/// The hub's authorities, loaded. Cheap to clone.
#[derive(Clone)]
pub struct Authority {
    env: Env,
    store: Store,
    keys: Arc<Keys>,
}

impl Authority {
    /// Loads the authorities from the store, or makes them where the store has none.
    pub async fn load_or_create(store: &Store, env: &Env) -> Result<Self, AuthorityError> {
        let keys = Keys::load_or_create(store, env).await?;
        Ok(Self {
            env: env.clone(),
            store: store.clone(),
            keys: Arc::new(keys),
        })
    }

    /// The random identity that this hub keeps for life.
    pub fn hub_id(&self) -> &str {
        &self.keys.hub_id
    }

    /// The keys of the hub's QUIC endpoint.
    pub fn endpoint_secrets(&self) -> &EndpointSecrets {
        &self.keys.endpoint
    }

    /// The authorities that sign hubs and agents, current ones first.
    pub fn agents_authorities(&self) -> Vec<CertificateDer<'static>> {
        self.keys.agents.chain.clone()
    }

    /// The same, as PEM texts.
    pub fn agents_authorities_pem(&self) -> Vec<String> {
        self.keys
            .agents
            .chain
            .iter()
            .map(|c| tls::certificates_to_pem(std::slice::from_ref(c)))
            .collect()
    }

    /// What join tokens pin.
    pub fn agents_pins(&self) -> Vec<Pin> {
        self.keys.agents.chain.iter().map(Pin::of).collect()
    }

    /// TLS settings of the QUIC port, with a server certificate made now. Good for a year: make
    /// new ones in time ([`Self::SERVER_RENEWAL`]).
    pub fn agents_server(&self, crypto: &Crypto) -> Result<rustls::ServerConfig, AuthorityError> {
        let identity = tls::sign(&self.env, &self.keys.agents, &Profile::Hub)?;
        Ok(tls::hub_server(crypto, &identity, &self.keys.agents.chain)?)
    }

    /// TLS settings of the REST port, with a server certificate made now for loopback and `names`
    /// (host names and IP addresses). Users' certificates are asked for, not demanded.
    pub fn rest_server(
        &self,
        crypto: &Crypto,
        names: &[String],
    ) -> Result<rustls::ServerConfig, AuthorityError> {
        let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
        all.extend(
            names
                .iter()
                .filter(|name| !all.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let identity = tls::sign(&self.env, &self.keys.rest, &Profile::Rest { names: all })?;
        Ok(tls::rest_server(crypto, &identity, &self.keys.rest.chain)?)
    }

    /// How often to make new server settings, which also renews their certificates.
    pub const SERVER_RENEWAL: std::time::Duration = std::time::Duration::from_secs(3600);

    /// The administrator's bearer token, for clients that have no use for a certificate. It stays the
    /// same for as long as the REST port's authority does, and tells nothing about its key.
    pub fn admin_token(&self) -> String {
        let secret = blake3::derive_key(TOKEN_CONTEXT, self.keys.rest.key.as_bytes());
        format!("{TOKEN_PREFIX}{}", hex::encode(secret))
    }

    /// Whether `token` is the administrator's; compared in constant time.
    pub fn is_admin_token(&self, token: &str) -> bool {
        blake3::hash(token.as_bytes()) == blake3::hash(self.admin_token().as_bytes())
    }

    /// The user and groups that a client certificate of the REST port names (common name and
    /// organisations). rustls has verified it already.
    pub fn rest_user(
        certificate: &CertificateDer<'_>,
    ) -> Result<(String, Vec<String>), AuthorityError> {
        Ok(tls::user(certificate)?)
    }

    /// The authority of the REST port, as PEM text.
    pub fn rest_authority_pem(&self) -> String {
        tls::certificates_to_pem(&self.keys.rest.chain)
    }

    /// A certificate and key for a user of the REST port.
    pub fn rest_identity(&self, user: &str, group: &str) -> Result<Identity, AuthorityError> {
        let profile = Profile::User {
            name: user.to_owned(),
            group: group.to_owned(),
        };
        Ok(tls::sign(&self.env, &self.keys.rest, &profile)?)
    }

    /// A kubeconfig for the administrator of this hub at `server` (an `https://` URL). Holds the
    /// administrator's key: write it with mode 0600.
    pub fn admin_kubeconfig(&self, server: &str) -> Result<String, AuthorityError> {
        kubeconfig::text(server, &self.rest_authority_pem(), &self.keys.admin)
    }

    /// Who decides about enrolments; `addresses` is where agents find this hub.
    pub fn registrar(&self, addresses: Vec<String>) -> HubRegistrar {
        HubRegistrar::new(self.clone(), addresses)
    }

    /// Marks a cluster's identity as worth nothing from now on. Its tokens end with its object; its
    /// certificates end here, whatever their dates say.
    pub async fn revoke(&self, cluster_uid: &str) -> Result<(), AuthorityError> {
        registrar::revoke(self, cluster_uid).await
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn agents(&self) -> &Identity {
        &self.keys.agents
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.keys.hub_id)
    }
}
