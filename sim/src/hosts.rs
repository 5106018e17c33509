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
use crate::{drift, hosted, tls, trace, work};

/// The port at which the hub listens to agents.
const HUB_PORT: u16 = 7443;
/// How long a process that could not start waits before it is started again.
const AGAIN: Duration = Duration::from_millis(500);

/// The hub's host: the hub, and its user.
pub async fn hub(world: Arc<World>) -> turmoil::Result {
    loop {
        let disk = world.hub.disk.clone();
        let generation = disk.generation();
        let troubled = disk.is_troubled();
        let mut restart = world.hub.restart.subscribe();
        let options = roadstead_agents::Options {
            features: world.hub.features.load(Ordering::Relaxed),
            ..roadstead_agents::Options::default()
        };
        match Hub::start_with(parts(&world), options).await {
            Ok(mut hub) => {
                open(&world, &hub);
                hub.host(hosted::hosting(&world));
                let asked = tokio::select! {
                    biased;
                    asked = restart.changed() => asked.is_ok(),
                    () = live(&world, &hub) => false,
                };
                if asked {
                    trace::count("sometimes: the hub was stopped in an orderly way");
                    lock(&world.hub.store).take();
                    lock(&world.hub.volatile).take();
                    lock(&world.checks.acks).hang_up();
                    lock(&world.checks.budgets).hang_up();
                    hub.stop().await;
                    // The process ends here; the harness sees to it, and to the next.
                    world.hub.ended.store(true, Ordering::Relaxed);
                    std::future::pending::<()>().await;
                }
            }
            Err(error) => {
                let words = roadstead_hub::chain(&error);
                trace::event("hub", "did not start", words.as_bytes());
                let fine = !troubled && !disk.is_troubled();
                if fine && disk.generation() == generation {
                    world
                        .checks
                        .violation("a hub starts from its own disk", &words);
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// What a hub is made of here.
fn parts(world: &World) -> Parts {
    let life = world.hub.lives.fetch_add(1, Ordering::Relaxed);
    let env = world.env(&world.hub.clock, HUB, life);
    let disk = world.hub.disk.clone();
    let limits = Limits {
        removal_percent: 100,
        ..Limits::default()
    };
    Parts {
        crypto: Crypto::new(tls::provider(), &env),
        env,
        network: Arc::new(Handle(Arc::clone(&world.hub.net))),
        backend: Backend::Redb(Arc::new(move || disk.open())),
        agent_listen: ([0, 0, 0, 0], HUB_PORT).into(),
        advertise: vec![format!("{HUB}:{HUB_PORT}")],
        limits,
        controllers: roadstead_controllers::Options {
            limits,
            everything: world.hub.dirty.load(Ordering::Relaxed),
            ..roadstead_controllers::Options::default()
        },
    }
}

/// Lets checkers see a hub that just started.
fn open(world: &World, hub: &Hub) {
    *lock(&world.hub.store) = Some(hub.store.clone());
    *lock(&world.hub.volatile) = Some(hub.volatile.clone());
    lock(&world.checks.acks).follow(&hub.store, &hub.volatile);
    lock(&world.checks.budgets).follow(&hub.store);
    let lineage = hub.store.lineage();
    lock(&world.checks.histories).begin(&lineage);
    lock(&world.user).acts.lineage = lineage;
}

/// The user at work, for as long as the hub runs.
async fn live(world: &Arc<World>, hub: &Hub) {
    work::work(Arc::clone(world), hub.rest.clone(), hub.store.clone()).await;
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
        let env = world.env(&site.clock, &site.name, life);
        let mut restart = site.restart.subscribe();
        let disk = site.disk.clone();
        let join = lock(&site.token).as_ref().and_then(|t| t.parse().ok());
        let parts = roadstead_agent::Parts {
            crypto: tls::provider(),
            env,
            network: Arc::new(Handle(Arc::clone(&site.net))),
            database: Arc::new(move || disk.open()),
            member: kube::Client::new(Gate::new(Arc::clone(&world), index), "default"),
            join,
            options: roadstead_agent::Options {
                features: site.features.load(Ordering::Relaxed),
                ..roadstead_agent::Options::default()
            },
        };
        // The sender is never gone while the world stands.
        let asked = async move { drop(restart.changed().await) };
        if let Err(error) = roadstead_agent::run(parts, asked).await {
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
        let env = world.env(&world.member_clock, &format!("{}/member", site.name), 0);
        let member = Member::start(env, member::Options::default()).await?;
        *lock(&site.member) = Some(member);
    }
    drift::serve(world).await;
    Ok(())
}
