//! The software of the simulated hosts: the real hub, the real agents, the members.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use roadstead_hub::hooks::Limits;
use roadstead_hub::member::{self, Member};
use roadstead_hub::{Hub, Parts};
use roadstead_protocol::host::tls::Crypto;
use roadstead_store::Backend;

use crate::gate::Gate;
use crate::net::Handle;
use crate::world::{HUB, World, lock};
use crate::{drift, tls, trace, user};

/// The port at which the hub listens to agents.
const HUB_PORT: u16 = 7443;
/// How long a process that could not start waits before it is started again.
const AGAIN: Duration = Duration::from_millis(500);

/// The hub's host: the hub, and its user.
pub async fn hub(world: Arc<World>) -> turmoil::Result {
    loop {
        let life = world.hub.lives.fetch_add(1, Ordering::Relaxed);
        let env = world.env(HUB, life);
        let disk = world.hub.disk.clone();
        let started = Hub::start(Parts {
            crypto: Crypto::new(tls::provider(), &env),
            env,
            network: Arc::new(Handle(Arc::clone(&world.hub.net))),
            backend: Backend::Redb(Arc::new(move || disk.open())),
            agent_listen: ([0, 0, 0, 0], HUB_PORT).into(),
            advertise: vec![format!("{HUB}:{HUB_PORT}")],
            limits: Limits {
                removal_percent: 100,
                ..Limits::default()
            },
            controllers: roadstead_controllers::Options {
                limits: Limits {
                    removal_percent: 100,
                    ..Limits::default()
                },
                ..roadstead_controllers::Options::default()
            },
        })
        .await;
        match started {
            Ok(hub) => {
                *lock(&world.hub.store) = Some(hub.store.clone());
                lock(&world.checks.acks).follow(&hub.store, &hub.volatile);
                if world.hub.restored.load(Ordering::Relaxed) {
                    // Whatever its users were told was told by another hub.
                    std::future::pending::<()>().await;
                }
                user::work(Arc::clone(&world), hub.rest.clone(), hub.store.clone()).await;
            }
            Err(error) => {
                let words = roadstead_hub::chain(&error);
                trace::event("hub", "did not start", words.as_bytes());
                world
                    .checks
                    .violation("a hub starts from its own disk", &words);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// One host of agents: those of all sites that are on it.
pub async fn agents(world: Arc<World>, host: String) -> turmoil::Result {
    for (index, site) in world.sites.iter().enumerate() {
        if site.host == host {
            tokio::spawn(agent(Arc::clone(&world), index));
        }
    }
    std::future::pending().await
}

async fn agent(world: Arc<World>, index: usize) {
    let Some(site) = world.sites.get(index) else {
        return;
    };
    loop {
        let life = site.lives.fetch_add(1, Ordering::Relaxed);
        let env = world.env(&site.name, life);
        let disk = site.disk.clone();
        let join = lock(&site.token).as_ref().and_then(|t| t.parse().ok());
        let parts = roadstead_agent::Parts {
            crypto: tls::provider(),
            env,
            network: Arc::new(Handle(Arc::clone(&site.net))),
            database: Arc::new(move || disk.open()),
            member: kube::Client::new(Gate::new(Arc::clone(&world), index), "default"),
            join,
            options: roadstead_agent::Options::default(),
        };
        if let Err(error) = roadstead_agent::run(parts, std::future::pending()).await {
            let words = roadstead_hub::chain(&error);
            trace::event("agent", &format!("{} ended", site.name), words.as_bytes());
            // Its join string may have been used by a life whose answer was lost.
            site.rejoin.store(true, Ordering::Relaxed);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The members' host: it never crashes.
pub async fn members(world: Arc<World>) -> turmoil::Result {
    for site in &world.sites {
        let env = world.env(&format!("{}/member", site.name), 0);
        let member = Member::start(env, member::Options::default()).await?;
        *lock(&site.member) = Some(member);
    }
    drift::serve(world).await;
    Ok(())
}
