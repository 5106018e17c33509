//! The agent of one member cluster: takes what its hub gives it, keeps it on its own disk, makes
//! the member so, keeps it so with the hub away, and reports.
//!
//! `link` talks to the hub and knows no Kubernetes; `store` is the disk; `plan` decides and does no
//! I/O; `worker` carries out; `member` is the cluster's API. They are wired here and nowhere else.
//! The agent never reads a clock, entropy, socket or file that was not handed to it in [`Parts`].

pub mod anchor;
pub mod config;
pub mod desk;
pub mod heartbeat;
pub mod identity;
mod intake;
pub mod link;
pub mod member;
pub mod plan;
pub mod process;
pub mod store;
pub mod worker;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::env::Env;
use roadstead_protocol::host::clock::Floored;
use roadstead_protocol::host::tls::Crypto;
use roadstead_protocol::host::{JoinToken, Network};
use roadstead_protocol::seal::Keyring;
use tokio::sync::watch;
use tokio::task::JoinSet;

use anchor::{Counted, Watchman};
use desk::Desk;
use identity::Keeper;
use link::Link;
use member::Member;
use store::Disk;
use worker::{Pace, Workshop};

/// How far behind a clock may be before that is said, in seconds.
const CLOCK_BEHIND_SECONDS: i64 = 3600;

/// Opens the agent's database; called again after an I/O error.
pub type Opener = Arc<dyn Fn() -> Result<redb::Database, redb::DatabaseError> + Send + Sync>;

/// All that an agent is made of.
#[derive(Clone)]
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
    /// What to enrol with: without an identity on the disk, or once that is worth nothing any more.
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
    /// Labels of nodes that name the model of their devices, beside those that are known.
    pub model_labels: Vec<String>,
    /// How often everything is looked at again although no event told so.
    pub resync_every: Duration,
    /// How often at least the certificate is looked at, for it may have become due.
    pub renewal_every: Duration,
    /// The release, for people.
    pub release: String,
    /// What it says to understand beyond the first release; see
    /// [`features`](roadstead_protocol::wire::frame::features). An older release is one with fewer.
    pub features: u64,
    /// The Secret on the member that keeps the identity too, for agents whose disk may be gone at
    /// any start; `None` where the disk is enough.
    pub identity_secret: Option<String>,
    /// UIDs of clusters of the same hub that this member was before, where whoever starts the agent knows
    /// of any that its disk may not.
    pub past: Vec<String>,
    /// What the disk is sealed with; nothing is where there is no key.
    pub keyring: Keyring,
    /// Whom to tell how far the agent is.
    pub vitals: Option<watch::Sender<heartbeat::Vitals>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([0, 0, 0, 0], 0)),
            workers: 16,
            facts_every: Duration::from_secs(60),
            model_labels: Vec::new(),
            resync_every: Duration::from_secs(600),
            renewal_every: link::LOOK_EVERY,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            features: roadstead_protocol::wire::frame::features::ALL,
            identity_secret: None,
            past: Vec::new(),
            keyring: Keyring::default(),
            vitals: None,
        }
    }
}

/// Why an agent ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is neither an identity on the disk nor a token to get one with.
    #[error(
        "this agent has not joined a hub yet: start it once with --join and the string that `roadstead join NAME` prints"
    )]
    NotJoined,
    /// The disk cannot be used.
    #[error(transparent)]
    Open(#[from] store::OpenError),
    /// The disk did not take what has to be on it before anything else happens.
    #[error("this start could not be written down: {0}")]
    Disk(#[source] store::DiskError),
    /// The hub will never let this agent in as it is.
    #[error("the hub refused this agent: {0}")]
    Refused(String),
    /// What the disk holds of the identity is of no use.
    #[error(
        "the agent's identity cannot be used: {0}; move its data folder away and join this cluster again with `roadstead join`"
    )]
    Identity(String),
    /// The disk belongs to another member.
    #[error(
        "this agent's data belongs to another cluster (its kube-system namespace has uid {bound}, here it is {here}); give this cluster a folder and a join string of its own"
    )]
    OtherMember {
        /// The uid that is here.
        here: String,
        /// The uid that the identity is bound to.
        bound: String,
    },
    /// The Secret with the identity was copied from another member.
    #[error(
        "the Secret {namespace}/{name} on this cluster holds the identity of another cluster (its kube-system namespace has uid {bound}, here it is {here}); delete it here and join this cluster with a join string of its own",
        namespace = member::own::NAMESPACE
    )]
    CopiedSecret {
        /// The Secret's name.
        name: String,
        /// The uid that is here.
        here: String,
        /// The uid that the identity is bound to.
        bound: String,
    },
    /// Another agent with this identity started later.
    #[error(
        "another agent for this cluster started later (boot {boot}); this one stops so that only one writes"
    )]
    Superseded {
        /// The boot counter of the other.
        boot: u64,
    },
    /// The agent belongs to another cluster of its hub now, or to another hub.
    #[error("this agent has joined anew; start it again")]
    Rejoined,
    /// A part of the agent ended that never should.
    #[error("a part of the agent ended unexpectedly")]
    Ended,
}

/// Runs an agent until `shutdown` resolves.
///
/// Runs on one tokio runtime, which may be single-threaded. Everything it started is gone, and its
/// database closed, when this returns.
///
/// # Errors
/// What cannot be got over by trying again: see [`Error`].
pub async fn run(mut parts: Parts, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        match Box::pin(live(parts.clone(), shutdown.as_mut())).await {
            Err(Error::Rejoined) => {
                // What was known of the cluster before is gone from the disk: begin with what is left.
                tracing::info!("this agent begins anew as the cluster that it has joined");
                parts.join = None;
            }
            ended => return ended,
        }
    }
}

/// Runs an agent as one cluster, until `shutdown` resolves.
async fn live(parts: Parts, mut shutdown: Pin<&mut impl Future<Output = ()>>) -> Result<(), Error> {
    let (env, options) = (parts.env.clone(), parts.options.clone());
    let (disk, mut loaded, writer) =
        Disk::open_sealed(env.clone(), parts.database.clone(), options.keyring.clone()).await?;
    let member = Member::new(parts.member.clone());
    let secret = options.identity_secret.clone();
    let keeper = secret.map(|name| Keeper::new(member.clone(), name));
    tokio::select! {
        biased;
        () = shutdown.as_mut() => return Ok(()),
        identified = identified(&parts, keeper.as_ref(), &disk, &mut loaded) => identified?,
    }
    loaded.past = std::mem::take(&mut loaded.past).and(&options.past);
    let Counted { boot, written } = anchor::count(&env, &disk, &loaded.boot).await?;
    tracing::info!(
        boot = boot.counter,
        items = loaded.items.len(),
        "agent starts"
    );
    let desk = Arc::new(Desk::take(&mut loaded));
    let (start, started) = watch::channel(None);
    let mut tasks = JoinSet::new();
    keep(&mut tasks, &env, &options, keeper, (&desk, &disk));
    let watchman = Watchman {
        disk: disk.clone(),
        desk: desk.clone(),
        member: member.clone(),
        boot,
        written,
        start,
    };
    tasks.spawn(watchman.run(seed(&env)));
    let clock = floored(&env, loaded.clock.seconds);
    let link = Link {
        env: env.clone(),
        network: parts.network,
        crypto: Crypto {
            provider: parts.crypto,
            clock: clock.clone(),
        },
        clock,
        options: options.clone(),
        desk: desk.clone(),
        disk: disk.clone(),
        join: parts.join,
        joining: loaded.joining,
        spent: loaded.spent,
        past: loaded.past,
        identity: loaded.identity,
        former: loaded.former,
        start: started,
    };
    tasks.spawn(link.run(seed(&env)));
    work(&mut tasks, &env, &options, Workshop { desk, disk, member });

    let ended = tokio::select! {
        biased;
        () = shutdown.as_mut() => Ok(()),
        ended = tasks.join_next() => Err(ended.and_then(Result::ok).unwrap_or(Error::Ended)),
    };
    tasks.shutdown().await;
    // What was being written is written, and the database is closed, before the next start.
    if writer.await.is_err() {
        tracing::error!("the task that writes ended before its time");
    }
    ended
}

/// Makes sure that there is an identity, here or in its second home, or something to get one with.
async fn identified(
    parts: &Parts,
    keeper: Option<&Keeper>,
    disk: &Disk,
    loaded: &mut store::Loaded,
) -> Result<(), Error> {
    identity::recall(keeper, &parts.env, disk, loaded, parts.join.as_ref()).await?;
    match (&loaded.identity, &parts.join) {
        (None, None) => Err(Error::NotJoined),
        (Some(identity), Some(token)) if !loaded.position.detached => {
            ignored(identity, token, parts.options.identity_secret.as_deref());
            Ok(())
        }
        (Some(_), Some(token)) if loaded.spent.has(&token.id) => {
            spent(token);
            Ok(())
        }
        (Some(_) | None, Some(_)) | (Some(_), None) => Ok(()),
    }
}

/// Starts what keeps the identity in its second home, and what says how far the agent is.
fn keep(
    tasks: &mut JoinSet<Error>,
    env: &Env,
    options: &Options,
    keeper: Option<Keeper>,
    (desk, disk): (&Arc<Desk>, &Disk),
) {
    if let Some(keeper) = keeper {
        tasks.spawn(endless(keeper.run(disk.who(), seed(env))));
    }
    if let Some(vitals) = options.vitals.clone() {
        let desk = desk.clone();
        tasks.spawn(endless(async move {
            loop {
                vitals.send_replace(heartbeat::Vitals {
                    joined: desk.owner().is_some(),
                    member: desk.gate().anchored,
                });
                tokio::time::sleep(heartbeat::EVERY / 2).await;
            }
        }));
    }
}

/// The clock, and what it is never believed to be earlier than.
fn floored(env: &Env, known: i64) -> Arc<Floored> {
    let clock = Arc::new(Floored::new(env.clock.clone(), known));
    let behind = clock.behind();
    if behind > CLOCK_BEHIND_SECONDS {
        tracing::warn!(
            clock = %env.clock.now(), behind_seconds = behind,
            "this machine's clock is behind what this agent knows to be past; certificates are judged by what it knows. Set the clock"
        );
    }
    clock
}

/// Says that a join token changes nothing here, unless the hub says that the identity is worth nothing.
fn ignored(identity: &store::record::Identity, token: &JoinToken, secret: Option<&str>) {
    if let Some(secret) = secret {
        // A pod is given its join string at every start.
        return tracing::info!(
            cluster = %identity.cluster, hub = %identity.hub, token = %token.id,
            "this agent has joined already and goes on; to join as {}/{} instead, delete the Secret {}/{secret} and the agent's volume",
            token.namespace, token.name, member::own::NAMESPACE
        );
    }
    tracing::warn!(
        cluster = %identity.cluster, hub = %identity.hub, token = %token.id,
        "the join string is not used: this agent's data folder has joined a hub already, and it is used only \
         where that hub detached the cluster, or knows it no more. To join as {}/{} all the same, detach the cluster, \
         or start with an empty data folder",
        token.namespace, token.name
    );
}

/// Says that a join string is the one that this agent joined with before its cluster was detached.
fn spent(token: &JoinToken) {
    tracing::warn!(
        token = %token.id,
        "this cluster was detached, and the join string is the one that it had joined with before that: it does not \
         bring it back. Ask the hub for another: `roadstead join {} -n {}`",
        token.name, token.namespace
    );
}

/// Starts what looks at the member and works on it.
fn work(tasks: &mut JoinSet<Error>, env: &Env, options: &Options, shop: Workshop) {
    let Workshop { desk, disk, member } = shop.clone();
    let saver = worker::saver::run(desk.clone(), disk, seed(env));
    tasks.spawn(endless(saver));
    tasks.spawn(endless(worker::fetch::run(shop.clone())));
    tasks.spawn(endless(member::watch::run(
        member.clone(),
        desk.clone(),
        seed(env),
    )));
    tasks.spawn(endless(member::sweep::run(member.clone(), desk.clone())));
    tasks.spawn(endless(member::scalers::run(member.clone(), desk.clone())));
    let looks = member::ailing::run(member.clone(), desk.clone(), shop.disk.clone());
    tasks.spawn(endless(looks));
    tasks.spawn(endless(member::facts::run(
        member,
        desk,
        options.facts_every,
        options.model_labels.clone(),
    )));
    let Options {
        workers,
        resync_every,
        ..
    } = *options;
    let pace = Pace {
        workers,
        resync_every,
        seed: seed(env),
    };
    tasks.spawn(endless(worker::run(shop, pace)));
}

fn seed(env: &Env) -> u64 {
    u64::from_be_bytes(env.random())
}

async fn endless(part: impl Future<Output = ()>) -> Error {
    part.await;
    Error::Ended
}
