//! What outlives the simulated processes: disks, members, what users know, and what checkers saw.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_hub::member::Member;
use roadstead_protocol::env::Env;
use roadstead_protocol::wire::frame::features::ALL;
use roadstead_store::Store;

use crate::check::Checks;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::hosted::Slot;
use crate::late::Late;
use crate::mood::Moods;
use crate::net::SimNetwork;
use crate::rng::Rng;
use crate::user::User;
use tokio::sync::watch;

/// The hub's host.
pub const HUB: &str = "hub";
/// One run in so many has a cluster that its hub looks after by kubeconfig.
const HOSTED_ONE_IN: u64 = 3;
/// The host of all members.
pub const MEMBERS: &str = "members";

/// Everything that outlives a process.
pub struct World {
    /// The seed's stream.
    pub rng: Rng,
    /// The hub.
    pub hub: HubSlot,
    /// The clusters.
    pub sites: Vec<Site>,
    /// The one user of the hub.
    pub user: Mutex<User>,
    /// What checkers saw.
    pub checks: Checks,
    /// The wall clock of all members, which is always right.
    pub member_clock: Clock,
    /// How many requests members are carrying out.
    pub under_way: AtomicU64,
    /// What members will carry out long after it was sent.
    pub late: Mutex<Vec<Late>>,
}

/// The hub, running or not.
pub struct HubSlot {
    /// Its disk.
    pub disk: Disk,
    /// Its network.
    pub net: Arc<SimNetwork>,
    /// Its wall clock.
    pub clock: Clock,
    /// Its store, while it runs.
    pub store: Mutex<Option<Store>>,
    /// What is not durable of it, while it runs.
    pub volatile: Mutex<Option<Store>>,
    /// Changes when it is to stop in an orderly way, and start again.
    pub restart: watch::Sender<u64>,
    /// Whether it has stopped in an orderly way, and its process is to end.
    pub ended: AtomicBool,
    /// What it understands beyond the first release.
    pub features: AtomicU64,
    /// Whether its controllers look at everything whenever anything changes.
    pub dirty: AtomicBool,
    /// How often it was started, so that each life has entropy of its own.
    pub lives: AtomicU64,
}

/// A cluster with its agent.
pub struct Site {
    /// The cluster's name.
    pub name: String,
    /// The turmoil host that its agent is on.
    pub host: String,
    /// Where its agent is the hub's own, by kubeconfig: the hub's place for it.
    pub hosted: Option<Slot>,
    /// The agent's disk.
    pub disk: Disk,
    /// The agent's network.
    pub net: Arc<SimNetwork>,
    /// The agent's wall clock.
    pub clock: Clock,
    /// Changes when the agent is to stop in an orderly way, and start again.
    pub restart: watch::Sender<u64>,
    /// What the agent understands beyond the first release.
    pub features: AtomicU64,
    /// The member, once it runs. It never crashes.
    pub member: Mutex<Option<Member>>,
    /// The UID of the cluster's object on the hub, once it is there.
    pub uid: Mutex<Option<String>>,
    /// The newest join string.
    pub token: Mutex<Option<String>>,
    /// Whether the agent asked for a new join string: the one it had was used.
    pub rejoin: AtomicBool,
    /// How long the member's API takes, in milliseconds.
    pub slow_ms: AtomicU64,
    /// What the member's API does with requests.
    pub moods: Moods,
    /// Changes when the member's watches end.
    pub watches: watch::Sender<u64>,
    /// Up to here the member has forgotten its history: watches from there on are answered 410.
    pub compacted: AtomicU64,
    /// How often the agent was started.
    pub lives: AtomicU64,
}

/// Locks what a panic elsewhere may have poisoned: the run fails anyway.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// The world of a seed: `clusters` of them, on `hosts` hosts.
    pub fn new(rng: Rng, clusters: usize, hosts: usize) -> Arc<Self> {
        let clock = Clock::default();
        let by_kubeconfig = rng.fork("hosted").one_in(HOSTED_ONE_IN);
        let sites: Vec<Site> = (0..clusters)
            .map(|i| {
                let name = format!("cluster-{i}");
                let hosted = (by_kubeconfig && i + 1 == clusters).then(Slot::default);
                let host = match &hosted {
                    Some(_) => HUB.to_owned(),
                    None => format!("agents-{}", i % hosts.max(1)),
                };
                Site {
                    disk: Disk::new(&rng, &name),
                    net: SimNetwork::new(&rng, &host, &name),
                    clock: clock.beside(),
                    restart: watch::Sender::default(),
                    features: AtomicU64::new(ALL),
                    moods: Moods::new(&rng, &name),
                    watches: watch::Sender::default(),
                    compacted: AtomicU64::new(0),
                    name,
                    host,
                    hosted,
                    member: Mutex::default(),
                    uid: Mutex::default(),
                    token: Mutex::default(),
                    rejoin: AtomicBool::new(false),
                    slow_ms: AtomicU64::new(0),
                    lives: AtomicU64::new(0),
                }
            })
            .collect();
        let names = sites.iter().map(|s| s.name.clone()).collect();
        Arc::new(Self {
            hub: HubSlot {
                disk: Disk::new(&rng, HUB),
                net: SimNetwork::new(&rng, HUB, HUB),
                clock: clock.beside(),
                store: Mutex::default(),
                volatile: Mutex::default(),
                restart: watch::Sender::default(),
                ended: AtomicBool::new(false),
                features: AtomicU64::new(ALL),
                dirty: AtomicBool::new(false),
                lives: AtomicU64::new(0),
            },
            user: Mutex::new(User::new(&rng, names)),
            checks: Checks::default(),
            member_clock: clock.beside(),
            under_way: AtomicU64::new(0),
            late: Mutex::default(),
            sites,
            rng,
        })
    }

    /// The environment of one life of a process, on a machine with this clock.
    pub fn env(&self, clock: &Clock, label: &str, life: u64) -> Env {
        crate::env::env(&self.rng, clock, &format!("{label}/{life}"))
    }

    /// The hosts that carry agents; the hub's carries its own, and is none of them.
    pub fn hosts(&self) -> Vec<String> {
        let all: BTreeSet<String> = self.sites.iter().map(|s| s.host.clone()).collect();
        all.into_iter().filter(|host| host != HUB).collect()
    }

    /// The site of the cluster with this UID.
    pub fn site_of(&self, uid: &str) -> Option<&Site> {
        let is = |site: &&Site| lock(&site.uid).as_deref() == Some(uid);
        self.sites.iter().find(is)
    }

    /// The site of a cluster.
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|s| s.name == name)
    }
}
