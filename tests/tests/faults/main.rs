//! Real processes and real faults: links that lose, delay, reorder and swallow, one-way partitions,
//! NATs that forget, agents that move, disks that are full, clocks that jump, and kills at any point
//! while people write.
//!
//! Hub and agents are the programs that people run; members are the simulated one as a process, and
//! a kube-apiserver where things are killed. What needs root or a package (network namespaces, a
//! tmpfs, libfaketime) says so where it cannot be had.
#![allow(clippy::print_stdout, reason = "what was counted is worth reading")]

mod clocks;
mod disks;
mod killing;
mod links;
mod spaces;
mod stage;

use anyhow::Result;
use roadstead_tests::assets::Assets;
use roadstead_tests::skipped;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn links_fail_and_recover() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut stage = Stage::start(folder.path()).await?;
    let site = stage.join("links").await?;
    links::one_way(&stage, &site).await?;
    links::lossy(&stage, &site).await?;
    links::forgotten_by_the_nat(&stage, &site).await?;
    links::large_datagrams_vanish(&stage, &site).await?;
    links::cut_for_long(&stage, &site).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_a_namespace_of_its_own_moves() -> Result<()> {
    match roadstead_tests::netns::Namespace::new(1) {
        Ok(space) => spaces::moves(space).await,
        Err(error) => {
            skipped("an agent in a namespace of its own", &format!("{error:#}"));
            Ok(())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_fill_up_and_heal() -> Result<()> {
    let folder = tempfile::tempdir()?;
    match disks::Small::mount(&folder.path().join("probe")) {
        Ok(probe) => drop(probe),
        Err(error) => {
            skipped("a full disk", &format!("{error:#}"));
            return Ok(());
        }
    }
    disks::full(folder.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_jump_and_come_back() -> Result<()> {
    match clocks::library() {
        Ok(library) => clocks::jump(&library).await,
        Err(error) => {
            skipped("a clock that jumps", &format!("{error:#}"));
            Ok(())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_killed_while_people_write() -> Result<()> {
    match Assets::find() {
        Ok(assets) => killing::marathon(assets).await,
        Err(error) => {
            skipped("kills while people write", &format!("{error:#}"));
            Ok(())
        }
    }
}
