//! A hub's agents' port on loopback, and its clusters.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use roadstead_agents::{Metrics, Options, Parts};
use roadstead_authority::{Authority, Issue};
use roadstead_protocol::env::{Entropy, Env, WallClock};
use roadstead_protocol::host::enrol::{EnrolError, Enrolling, Granted, enrol, renew};
use roadstead_protocol::host::{
    Crypto, EndpointSecrets, Identity, JoinToken, Network, SecretKey, SystemNetwork, endpoint,
    system, tls,
};
use roadstead_protocol::wire::frame::Hello;
use roadstead_protocol::wire::{Digest, ItemKey, Meta};
use roadstead_store::records::{self, LedgerEntry, LedgerState, ObjectRef};
use roadstead_store::{Backend, Store, Txn};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::agent::Agent;

/// How long anything may take in these tests.
pub(crate) const SOON: Duration = Duration::from_secs(10);
pub(crate) const UID: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const MEMBER: &str = "member-1";

/// The system's clock, shifted.
#[derive(Default)]
pub(crate) struct Shifted(AtomicI64);

impl WallClock for Shifted {
    fn now(&self) -> jiff::Timestamp {
        let shift = jiff::SignedDuration::from_secs(self.0.load(Ordering::Relaxed));
        system::SystemClock.now().checked_add(shift).unwrap()
    }
}

/// Bytes from a counter: no two draws alike, every run the same.
pub(crate) struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(32) {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            let hash = Digest::of(&n.to_be_bytes());
            chunk.copy_from_slice(&hash.0[..chunk.len()]);
        }
    }
}

pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) clock: Arc<Shifted>,
    pub(crate) store: Store,
    pub(crate) volatile: Store,
    pub(crate) authority: Authority,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) address: String,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) served: Option<tokio::task::JoinHandle<()>>,
}

impl World {
    pub(crate) async fn start(seed: u64) -> Self {
        Self::start_with(seed, Options::default()).await
    }

    pub(crate) async fn start_with(seed: u64, options: Options) -> Self {
        let clock = Arc::new(Shifted::default());
        let entropy = Arc::new(Counted(AtomicU64::new(seed << 32)));
        let env = Env {
            clock: clock.clone(),
            entropy,
            blocking: Arc::new(system::SystemBlocking),
        };
        let open = || {
            Store::open(
                env.clone(),
                Backend::Memory,
                roadstead_store::Options::default(),
            )
        };
        let (store, volatile) = (open().await.unwrap(), open().await.unwrap());
        let authority = Authority::load_or_create(&store, &env).await.unwrap();
        let socket = SystemNetwork.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let metrics = Arc::new(Metrics::default());
        let parts = Parts {
            env: env.clone(),
            crypto: Crypto::ring(&env),
            socket,
            store: store.clone(),
            volatile: volatile.clone(),
            authority: authority.clone(),
            advertise: vec![address.clone()],
            options,
            metrics: metrics.clone(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            roadstead_agents::serve(parts, async { drop(stopped.await) })
                .await
                .unwrap();
        });
        let world = Self {
            env,
            clock,
            store,
            volatile,
            authority,
            metrics,
            address,
            stop: Some(stop),
            served: Some(served),
        };
        world.attach("prod", UID).await;
        world
    }

    pub(crate) fn later(&self, by: Duration) {
        self.clock
            .0
            .fetch_add(i64::try_from(by.as_secs()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) async fn attach(&self, name: &str, uid: &str) {
        let object =
            serde_json::json!({"metadata": {"name": name, "namespace": "default", "uid": uid}});
        self.store
            .commit(Txn::new().put(cluster_key(name), object.to_string()))
            .await
            .unwrap();
    }

    /// A user deletes a cluster.
    pub(crate) async fn detach(&self, name: &str, uid: &str) {
        let txn = Txn::new()
            .delete(cluster_key(name))
            .put(records::deletion_key(uid).unwrap(), "{}");
        self.store.commit(txn).await.unwrap();
    }

    /// A cluster is gone without anybody's act.
    pub(crate) async fn lose(&self, name: &str) {
        self.store
            .commit(Txn::new().delete(cluster_key(name)))
            .await
            .unwrap();
    }

    pub(crate) async fn token(&self, name: &str, uid: &str) -> JoinToken {
        let issue = Issue {
            cluster_uid: uid.to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
            addresses: vec![self.address.clone()],
            life: roadstead_authority::TOKEN_LIFE_DEFAULT,
        };
        self.authority.issue_token(issue).await.unwrap()
    }

    pub(crate) fn endpoint(&self) -> quinn::Endpoint {
        let socket = SystemNetwork.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint::open(
            &self.env,
            socket,
            &EndpointSecrets::generate(&self.env),
            None,
        )
        .unwrap()
    }

    pub(crate) async fn enrol(&self, token: &JoinToken) -> Result<Joined, EnrolError> {
        self.enrol_with(token, &SecretKey::generate(&self.env))
            .await
    }

    pub(crate) async fn enrol_with(
        &self,
        token: &JoinToken,
        key: &SecretKey,
    ) -> Result<Joined, EnrolError> {
        let granted = enrol(&self.enrolling(), token, key, MEMBER).await?;
        Ok(Joined {
            identity: identity(&granted, key.clone()),
            granted,
        })
    }

    pub(crate) async fn renew(
        &self,
        old: &Identity,
        key: &SecretKey,
    ) -> Result<Granted, EnrolError> {
        let authorities = self.authority.agents_authorities();
        let addresses = std::slice::from_ref(&self.address);
        renew(&self.enrolling(), addresses, &authorities, old, key).await
    }

    fn enrolling(&self) -> Enrolling {
        Enrolling {
            env: self.env.clone(),
            crypto: Crypto::ring(&self.env),
            network: Arc::new(SystemNetwork),
            endpoint: self.endpoint(),
            release: "test".to_owned(),
        }
    }

    /// Joins and returns the new identity.
    pub(crate) async fn join(&self, name: &str, uid: &str) -> Joined {
        let token = self.token(name, uid).await;
        self.enrol(&token).await.unwrap()
    }

    /// A connection with the session's protocol.
    pub(crate) async fn connect(
        &self,
        identity: &Identity,
        authority: &Authority,
    ) -> Result<quinn::Connection, endpoint::EndpointError> {
        let authorities = authority.agents_authorities();
        let tls = tls::session_client(&Crypto::ring(&self.env), identity, &authorities).unwrap();
        let config = endpoint::client_config(&self.env, tls).unwrap();
        endpoint::connect(&self.endpoint(), &SystemNetwork, &self.address, &config).await
    }

    /// A session.
    pub(crate) async fn agent(&self, joined: &Joined, hello: Hello) -> Agent {
        let connection = self
            .connect(&joined.identity, &self.authority)
            .await
            .unwrap();
        Agent::start(connection, hello)
    }

    /// Puts an item into a cluster's ledger.
    pub(crate) async fn put(&self, uid: &str, name: &str, content: Bytes) {
        let digest = Digest::of(&content);
        let state = LedgerState::Put {
            digest,
            size: u64::try_from(content.len()).unwrap(),
        };
        let mut txn = self.ledger(uid, name, state);
        txn = txn.put(records::content_key(&digest).unwrap(), content);
        self.store.commit(txn).await.unwrap();
    }

    pub(crate) async fn tombstone(&self, uid: &str, name: &str) {
        self.store
            .commit(self.ledger(uid, name, LedgerState::Tombstone))
            .await
            .unwrap();
    }

    fn ledger(&self, uid: &str, name: &str, state: LedgerState) -> Txn {
        let entry = LedgerEntry {
            state,
            meta: vec![Meta::Overwrite],
            decision: ObjectRef::default(),
            template_uid: String::new(),
            policies: Vec::new(),
        };
        Txn::new().put(
            records::ledger_key(uid, &item(name)).unwrap(),
            records::encode(&entry).unwrap(),
        )
    }

    /// Waits until `what` holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + SOON;
        while !holds(self) {
            assert!(Instant::now() < deadline, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub(crate) struct Joined {
    pub(crate) identity: Identity,
    pub(crate) granted: Granted,
}

pub(crate) fn identity(granted: &Granted, key: SecretKey) -> Identity {
    Identity {
        chain: granted.chain.iter().map(|c| c.clone().into()).collect(),
        key,
    }
}

pub(crate) fn cluster_key(name: &str) -> roadstead_store::Key {
    records::object_key("cluster.kurator.dev", "attachedclusters", "default", name).unwrap()
}

pub(crate) fn item(name: &str) -> ItemKey {
    ItemKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

pub(crate) fn hello(boot: u64, nonce: u64) -> Hello {
    Hello {
        features: 0,
        release: "test".to_owned(),
        member_uid: MEMBER.to_owned(),
        boot,
        nonce,
        position: None,
        rewound: false,
    }
}
