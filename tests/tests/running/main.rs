//! Clusters on which pods run: three real API servers with controllers, scheduler and nodes, where
//! only the containers are missing.
//!
//! One set of clusters for all phases, since starting it is what takes long. Each phase takes away what
//! it applied. Names of clusters are what users' files call them: between two parts of the play the
//! clusters are detached, and join again under other names.
#![allow(clippy::print_stdout, reason = "how long things take is worth reading")]

mod autoscaler;
mod budgets;
mod failing;
mod fleets;
mod hardware;
mod immutable;
mod jobs;
mod leaving;
mod rollouts;
mod seed;
mod stage;
mod taints;

use anyhow::Result;
use roadstead_tests::assets::Assets;
use roadstead_tests::cluster::Beside;
use roadstead_tests::fleet::{Fleet, Kind};
use roadstead_tests::{nodes, skipped};
use serde_json::json;

use stage::Clock;

/// Where most of the seed's app runs.
const PROD: &str = "cluster-prod";
/// Where its override makes it one.
const DR: &str = "cluster-dr";
/// Where it does not run.
const EDGE: &str = "cluster-edge";
/// Room for pods on each node; more than any phase needs.
const ROOM: u32 = 110;

const EVERYTHING: Beside = Beside {
    controllers: true,
    kubelets: true,
};

/// A cluster on which pods run.
const fn running(name: &str) -> Kind<'_> {
    Kind {
        name,
        beside: EVERYTHING,
        flags: &[],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workloads_on_running_clusters() {
    let assets = match Assets::running() {
        Ok(assets) => assets,
        Err(e) => return skipped("workloads_on_running_clusters", &format!("{e:#}")),
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let kinds = [running(PROD), running(DR), running(EDGE)];
    let fleet = Fleet::prepare(assets, folder.path(), &kinds).await.unwrap();
    if let Err(error) = play(fleet, &clock).await {
        let kept = folder.keep();
        panic!("{error:#}\nlogs are in {}", kept.display());
    }
    clock.lap("all phases");
}

async fn play(fleet: Fleet, clock: &Clock) -> Result<()> {
    for site in fleet.sites() {
        nodes::add(&site.api, "general", json!({}), ROOM, &json!({})).await?;
        nodes::until_ready(&site.api, "general").await?;
    }
    let mut fleet = fleet.joined().await?;
    clock.lap("three clusters with nodes, hub and agents are ready");
    seed::applied(&fleet).await?;
    seed::scaled(&fleet).await?;
    seed::rolled_out(&fleet).await?;
    clock.lap("the seed's policies, scaling, a new image");
    let left = json!({"ignoreFields": ["/spec/replicas"]});
    autoscaler::keeps_what_it_sets(&fleet, Some(left)).await?;
    autoscaler::keeps_what_it_sets(&fleet, None).await?;
    clock.lap("an autoscaler that a policy knows of, and one that it does not");
    immutable::said(&fleet).await?;
    clock.lap("an override of what never changes");
    jobs::run_once(&mut fleet).await?;
    jobs::divided(&fleet).await?;
    clock.lap("jobs");
    taints::drive_away(&fleet).await?;
    clock.lap("a taint");
    rollouts::stage_by_stage(&fleet).await?;
    clock.lap("a rollout that is taken back, and one that is not");
    leaving::drained(&fleet).await?;
    clock.lap("a drain");
    budgets::hold_a_drain(&fleet).await?;
    clock.lap("a drain that a disruption budget holds");
    leaving::fenced(&mut fleet).await?;
    clock.lap("a fence");
    failing::over_and_back(&mut fleet).await?;
    clock.lap("failover and return");
    hardware::placed(&mut fleet).await?;
    clock.lap("hardware");
    fleets::of_clusters(&mut fleet).await?;
    clock.lap("a fleet of clusters");
    fleets::by_kubeconfig(&mut fleet).await?;
    clock.lap("a fleet of clusters by kubeconfig");
    Ok(())
}
