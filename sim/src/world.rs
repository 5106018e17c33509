//! What outlives the simulated processes: disks, members, what users know, and what checkers saw.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roadstead_hub::member::Member;
use roadstead_protocol::env::Env;
use roadstead_store::Store;

use crate::check::Checks;
use crate::disk::Disk;
use crate::net::SimNetwork;
use crate::rng::Rng;
use crate::user::User;

/// The hub's host.
pub const HUB: &str = "hub";
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
}

/// The hub, running or not.
pub struct HubSlot {
    /// Its disk.
    pub disk: Disk,
    /// Its network.
    pub net: Arc<SimNetwork>,
    /// Its store, while it runs.
    pub store: Mutex<Option<Store>>,
    /// Whether it was restored from an old backup: its user is gone then.
    pub restored: AtomicBool,
    /// How often it was started, so that each life has entropy of its own.
    pub lives: AtomicU64,
}

/// A cluster with its agent.
pub struct Site {
    /// The cluster's name.
    pub name: String,
    /// The turmoil host that its agent is on.
    pub host: String,
    /// The agent's disk.
    pub disk: Disk,
    /// The agent's network.
    pub net: Arc<SimNetwork>,
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
    /// Whether the member's API refuses.
    pub refuses: AtomicBool,
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
        let sites: Vec<Site> = (0..clusters)
            .map(|i| {
                let name = format!("cluster-{i}");
                let host = format!("agents-{}", i % hosts.max(1));
                Site {
                    disk: Disk::new(&rng, &name),
                    net: SimNetwork::new(&rng, &host, &name),
                    name,
                    host,
                    member: Mutex::default(),
                    uid: Mutex::default(),
                    token: Mutex::default(),
                    rejoin: AtomicBool::new(false),
                    slow_ms: AtomicU64::new(0),
                    refuses: AtomicBool::new(false),
                    lives: AtomicU64::new(0),
                }
            })
            .collect();
        let names = sites.iter().map(|s| s.name.clone()).collect();
        Arc::new(Self {
            hub: HubSlot {
                disk: Disk::new(&rng, HUB),
                net: SimNetwork::new(&rng, HUB, HUB),
                store: Mutex::default(),
                restored: AtomicBool::new(false),
                lives: AtomicU64::new(0),
            },
            user: Mutex::new(User::new(&rng, names)),
            checks: Checks::default(),
            sites,
            rng,
        })
    }

    /// The environment of one life of a process.
    pub fn env(&self, label: &str, life: u64) -> Env {
        crate::env::env(&self.rng, &format!("{label}/{life}"))
    }

    /// The hosts that carry agents.
    pub fn hosts(&self) -> Vec<String> {
        let all: std::collections::BTreeSet<String> =
            self.sites.iter().map(|s| s.host.clone()).collect();
        all.into_iter().collect()
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
