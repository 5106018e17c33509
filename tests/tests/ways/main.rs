//! Every way in, on real API servers: an agent by manifest, a cluster by kubeconfig, and out again.
#![allow(clippy::print_stdout, reason = "how long things take is worth reading")]

mod hosted;
mod manifest;
mod stage;

use anyhow::Result;
use roadstead_tests::assets::Assets;
use roadstead_tests::skipped;

use stage::Stage;

/// Plays a script on two real clusters and a hub; keeps the logs of one that failed.
async fn play(name: &str, script: impl AsyncFnOnce(&mut Stage) -> Result<()>) -> Result<()> {
    let assets = match Assets::find() {
        Ok(assets) => assets,
        Err(e) => {
            skipped(name, &format!("{e:#}"));
            return Ok(());
        }
    };
    let folder = tempfile::tempdir()?;
    let mut stage = Stage::start(assets, folder.path()).await?;
    match script(&mut stage).await {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(format!("logs are in {}", folder.keep().display()))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_by_manifest() {
    play("an_agent_by_manifest", async |stage| {
        manifest::applied(stage).await?;
        manifest::rescheduled(stage).await?;
        manifest::copied(stage).await?;
        manifest::detached(stage).await?;
        manifest::joined_again(stage).await
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_by_kubeconfig() {
    play("a_cluster_by_kubeconfig", async |stage| {
        hosted::attached(stage).await?;
        hosted::lost_and_found(stage).await?;
        hosted::rotated(stage).await?;
        hosted::hub_restarted(stage).await?;
        hosted::one_at_a_time(stage).await?;
        hosted::detached(stage).await
    })
    .await
    .unwrap();
}
