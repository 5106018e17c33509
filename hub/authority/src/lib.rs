//! The hub's authorities: who an agent is, who an administrator is, and which join tokens are good.
//!
//! Two certificate authorities that never sign for each other: one for agents and the hub's QUIC
//! port, one for the REST port and its users. Their keys live in the hub's store under `/authority`;
//! each has a successor in time, or when somebody asks for one. Join tokens are redeemed in one
//! transaction, so that of two agents with one token one gets in. Deliberately absent: who may do what (that is `rest`'s), and any network.

mod api;
mod detached;
mod generations;
mod keys;
mod kubeconfig;
mod registrar;
mod stored;
#[cfg(test)]
mod tests;
mod tokens;
mod users;

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use roadstead_protocol::env::{Env, WallClock as _};
use roadstead_protocol::host::clock::Floored;
use roadstead_protocol::host::tls::{self, Crypto, Profile, TlsError};
use roadstead_protocol::host::{EndpointSecrets, Identity, Pin};
use roadstead_store::{CommitError, Store};
use rustls_pki_types::CertificateDer;
use tokio::sync::{Mutex, watch};

pub use detached::{is_detached, superseded};
pub use generations::{ANNOUNCED, ROLLOVER_BEFORE};
pub use registrar::HubRegistrar;
pub use tokens::{Issue, TOKEN_LIFE_DEFAULT, TOKEN_LIFE_MAX, TOKEN_LIFE_MIN};
pub use users::{User, UserConfig};

use generations::Roles;
use keys::{Begins, Keys, Realm, roles_of};

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
    /// Such a user is given no certificate.
    #[error("{field}: {value:?}: {allowed}")]
    User {
        /// What is not right.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is allowed, and what else to do.
        allowed: &'static str,
    },
    /// There are as many generations of the agents' authority as there may be.
    #[error("the agents' authority was replaced too often: no further generation is made")]
    Generations,
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

/// The hub's authorities, loaded. Cheap to clone.
#[derive(Clone)]
pub struct Authority {
    env: Env,
    clock: Arc<Floored>,
    store: Store,
    hub_id: Arc<str>,
    endpoint: Arc<EndpointSecrets>,
    keys: Arc<RwLock<Arc<Keys>>>,
    changes: Arc<watch::Sender<u64>>,
    /// Held while keys are read or made and taken up, so that older ones never take the place of newer.
    turn: Arc<Mutex<()>>,
}

/// How an authority stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which generation signs, counted from 1.
    pub generation: usize,
    /// Until when its certificate is good.
    pub ends: Timestamp,
    /// From when on an announced successor signs, if there is one.
    pub successor: Option<Timestamp>,
    /// How many former generations are kept for renewals.
    pub former: usize,
}

impl Authority {
    /// Loads the authorities from the store, or makes them where the store has none.
    ///
    /// The clock is from then on never believed to be earlier than what the store has noted.
    pub async fn load_or_create(store: &Store, env: &Env) -> Result<Self, AuthorityError> {
        let noted = stored::noted_time(&store.snapshot())?;
        let clock = Arc::new(Floored::new(Arc::clone(&env.clock), noted));
        let env = Env {
            clock: Arc::clone(&clock) as _,
            ..env.clone()
        };
        let keys = Keys::load_or_create(store, &env).await?;
        Ok(Self {
            env,
            clock,
            store: store.clone(),
            hub_id: keys.hub_id.as_str().into(),
            endpoint: Arc::new(keys.endpoint.clone()),
            keys: Arc::new(RwLock::new(Arc::new(keys))),
            changes: Arc::new(watch::channel(0).0),
            turn: Arc::default(),
        })
    }

    /// Does what is due: a successor of an authority two years before its end, a new certificate for
    /// the administrator. Writes nothing where nothing is due. Call it every
    /// [`Self::SERVER_RENEWAL`].
    pub async fn tend(&self) -> Result<(), AuthorityError> {
        let _turn = self.turn.lock().await;
        let keys = Keys::load_or_create(&self.store, &self.env).await?;
        self.take_up(keys);
        Ok(())
    }

    /// Gives the agents' authority a successor, announced to agents for [`ANNOUNCED`] before it
    /// signs, or signing at once with `now`: agents that have not heard of it then renew their
    /// certificates by the one before. One that is announced already is not made twice.
    pub async fn rotate(&self, now: bool) -> Result<Standing, AuthorityError> {
        let begins = if now { Begins::Now } else { Begins::Announced };
        let begins = (Realm::Agents, begins);
        let _turn = self.turn.lock().await;
        let keys = Keys::rotate(&self.store, &self.env, begins).await?;
        self.take_up(keys);
        Ok(self.standing())
    }

    /// How the agents' authority stands.
    pub fn standing(&self) -> Standing {
        self.standing_of(Realm::Agents)
    }

    fn standing_of(&self, realm: Realm) -> Standing {
        let (keys, roles) = self.present_of(realm);
        let times = |place: usize| keys.of(realm).get(place).map(|g| g.times);
        Standing {
            generation: roles.signing + 1,
            ends: times(roles.signing).map_or(Timestamp::MIN, |t| t.ends),
            successor: roles.next.and_then(times).map(|t| t.signs_from),
            former: roles.former.len(),
        }
    }

    fn take_up(&self, keys: Keys) {
        let times = |keys: &Keys| {
            let all = keys.agents.iter().chain(&keys.rest);
            all.map(|g| g.times).collect::<Vec<_>>()
        };
        let fresh = times(&keys);
        let before = {
            let mut held = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, Arc::new(keys))
        };
        if times(&before) != fresh {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Says when the authorities changed: make new server settings then.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The clock that certificates and tokens are dated and judged by.
    pub fn clock(&self) -> &Floored {
        &self.clock
    }

    /// Forgets the latest time that was noted, and what is dated later than the clock says: for a
    /// clock that was far ahead once. To be called before [`Self::load_or_create`], which believes
    /// what is noted, and while nothing else writes.
    ///
    /// # Errors
    /// Where the store cannot be written; doing it again is safe.
    pub async fn forget_time(store: &Store, env: &Env) -> Result<(), AuthorityError> {
        let now = Floored::new(Arc::clone(&env.clock), 0).now();
        stored::forget_time(store, now).await
    }

    /// Notes the time, where the last note is a day old. That it could not be written is no reason
    /// not to do what is dated by it.
    pub(crate) async fn note_time(&self) {
        let snapshot = self.store.snapshot();
        if stored::is_noted(&snapshot, &self.env) {
            return;
        }
        let mut txn = roadstead_store::Txn::new();
        let noted = match stored::note_time(&snapshot, &self.env, 0, &mut txn) {
            Ok(()) => stored::commit(&self.store, txn).await.is_ok(),
            Err(_) => false,
        };
        if noted {
            self.clock.raise(self.env.clock.now().as_second());
        }
    }

    /// The random identity that this hub keeps for life.
    pub fn hub_id(&self) -> &str {
        &self.hub_id
    }

    /// The keys of the hub's QUIC endpoint.
    pub fn endpoint_secrets(&self) -> &EndpointSecrets {
        &self.endpoint
    }

    fn held(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys, and which generation of the agents' authority is for what at this moment.
    fn present(&self) -> (Arc<Keys>, Roles) {
        self.present_of(Realm::Agents)
    }

    fn present_of(&self, realm: Realm) -> (Arc<Keys>, Roles) {
        let keys = self.held();
        let roles = roles_of(keys.of(realm), self.env.clock.now());
        (keys, roles)
    }

    /// The authorities that agents are to trust: the one that signs, and one that will.
    pub fn agents_authorities(&self) -> Vec<CertificateDer<'static>> {
        let (keys, roles) = self.present();
        let places = std::iter::once(roles.signing).chain(roles.next);
        certificates(&keys, places)
    }

    /// The same, as PEM texts.
    pub fn agents_authorities_pem(&self) -> Vec<String> {
        self.agents_authorities()
            .iter()
            .map(|c| tls::certificates_to_pem(std::slice::from_ref(c)))
            .collect()
    }

    /// Every authority whose certificates agents may still come with.
    pub(crate) fn agents_known(&self) -> Vec<CertificateDer<'static>> {
        let (keys, roles) = self.present();
        let present = std::iter::once(roles.signing).chain(roles.next);
        certificates(&keys, present.chain(roles.former))
    }

    /// What join tokens pin: also former authorities, for one of them is shown to newcomers.
    pub fn agents_pins(&self) -> Vec<Pin> {
        self.agents_known().iter().map(Pin::of).collect()
    }

    /// TLS settings of the QUIC port, with server certificates made now. Good for a year: make
    /// new ones in time ([`Self::SERVER_RENEWAL`]) and when [`Self::changes`] says so.
    pub fn agents_server(&self, crypto: &Crypto) -> Result<rustls::ServerConfig, AuthorityError> {
        let (keys, roles) = self.present();
        let of = |place: usize| match keys.agents.get(place) {
            Some(generation) => tls::sign(&self.env, &generation.identity, &Profile::Hub).map(Some),
            None => Ok(None),
        };
        let Some(identity) = of(roles.signing)? else {
            return Err(AuthorityError::Record("there is no authority".to_owned()));
        };
        let former: Result<Vec<_>, _> = roles.former.iter().map(|place| of(*place)).collect();
        let former: Vec<Identity> = former?.into_iter().flatten().collect();
        let crypto = self.floored(crypto);
        Ok(tls::hub_server(
            &crypto,
            &identity,
            &former,
            &self.agents_known(),
        )?)
    }

    /// The same cryptography, by the hub's own clock.
    fn floored(&self, crypto: &Crypto) -> Crypto {
        Crypto::new(Arc::clone(&crypto.provider), &self.env)
    }

    /// How often to make new server settings, which also renews their certificates.
    pub const SERVER_RENEWAL: std::time::Duration = std::time::Duration::from_secs(3600);

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

    /// The authority that signs agents now.
    pub(crate) fn agents(&self) -> Result<Identity, AuthorityError> {
        let (keys, roles) = self.present();
        let signing = keys.agents.get(roles.signing);
        signing
            .map(|generation| generation.identity.clone())
            .ok_or_else(|| AuthorityError::Record("there is no authority".to_owned()))
    }
}

/// The certificates of the generations at these places.
fn certificates(keys: &Keys, places: impl Iterator<Item = usize>) -> Vec<CertificateDer<'static>> {
    places
        .filter_map(|place| keys.agents.get(place))
        .filter_map(|generation| generation.identity.chain.last().cloned())
        .collect()
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.hub_id)
    }
}
