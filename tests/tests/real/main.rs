//! Real clusters: a hub's process, kube-apiservers, an agent's process beside each.
//!
//! One fleet for all phases, since starting it is what takes long. Each phase leaves the fleet as
//! it found it, but for what the next one says it goes on with.
#![allow(clippy::print_stdout, reason = "how long things take is worth reading")]

mod agent_down;
mod drift;
mod fields;
mod foreign;
mod hub_killed;
mod manifests;
mod refused;
mod removal;
mod seed;
mod shop;

use std::time::Duration;

use anyhow::Result;
use roadstead_tests::assets::Assets;
use roadstead_tests::cluster::Beside;
use roadstead_tests::fleet::{Fleet, Kind};
use roadstead_tests::skipped;
use tokio::time::Instant;

/// What has to happen at once takes some 50 ms; this is for machines that are busy with tests.
const AT_ONCE: Duration = Duration::from_secs(3);
/// Where most of the app runs; has controllers.
const PROD: &str = "cluster-prod";
/// Where the override makes it one.
const DR: &str = "cluster-dr";
/// Where the app does not run; it serves no PodDisruptionBudgets.
const EDGE: &str = "cluster-edge";

/// An API server alone.
const ALONE: Beside = Beside {
    controllers: false,
    kubelets: false,
};

const KINDS: &[Kind<'_>] = &[
    Kind {
        name: PROD,
        beside: Beside {
            controllers: true,
            kubelets: false,
        },
        flags: &[],
    },
    Kind {
        name: DR,
        beside: ALONE,
        flags: &[],
    },
    Kind {
        name: EDGE,
        beside: ALONE,
        flags: &["--runtime-config=policy/v1=false"],
    },
];

/// How long a phase took, for who reads the log.
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Says how long it took since the start.
    pub(crate) fn lap(&self, what: &str) -> Duration {
        let took = self.started.elapsed();
        println!("{:>7} ms  {what}", took.as_millis());
        took
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_of_real_clusters() {
    let assets = match Assets::find() {
        Ok(assets) => assets,
        Err(e) => return skipped("a_fleet_of_real_clusters", &format!("{e:#}")),
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::start();
    let mut fleet = Fleet::start(assets, folder.path(), KINDS).await.unwrap();
    clock.lap("three clusters, hub and agents are ready");
    if let Err(error) = phases(&mut fleet).await {
        let kept = folder.keep();
        panic!("{error:#}\nlogs are in {}", kept.display());
    }
}

async fn phases(fleet: &mut Fleet) -> Result<()> {
    seed::applied(fleet).await?;
    seed::scaled(fleet).await?;
    seed::overridden(fleet).await?;
    seed::another_namespace(fleet).await?;
    drift::put_right(fleet).await?;
    shop::overridden_with_all_that_it_needs(fleet).await?;
    shop::left_to_who_scales_it(fleet).await?;
    shop::reported_only(fleet).await?;
    shop::stays(fleet).await?;
    foreign::left_alone_then_taken(fleet).await?;
    fields::reported_and_taken_back(fleet).await?;
    refused::invalid(fleet).await?;
    refused::kind_not_served(fleet).await?;
    agent_down::repairs_without_hub(fleet).await?;
    agent_down::catches_up(fleet).await?;
    agent_down::unknown_after_grace(fleet).await?;
    hub_killed::nothing_acked_is_lost(fleet).await?;
    removal::by_tombstone(fleet).await
}
