//! How fast the simulation is: seeds an hour on one core, simulated seconds a second.

use std::process::Command;

use anyhow::{Context as _, Result};
use roadstead_tests::cache;
use roadstead_tests::hub::binary;
use tokio::time::Instant;

use super::table::Table;

/// Seeds that are run.
const SEEDS: u32 = 40;

/// Measures.
pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let mut command = Command::new(binary("roadstead-sim")?);
    command.args(["swarm", "--jobs", "1", "--seeds", &SEEDS.to_string()]);
    let started = Instant::now();
    // Few seeds see few sorts of faults, which a swarm calls a failure; its sums come all the same.
    let output = command.output().context("start the simulation")?;
    let took = started.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("simulated seconds"));
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let number = |word: &str| -> Option<f64> {
        let at = words.iter().position(|w| w.starts_with(word))?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    let seconds = number("simulated").with_context(|| format!("the swarm said {text}"))?;
    table.note(
        "the simulation, one core",
        format!(
            "{:.0} simulated seconds a second, {:.0} seeds an hour",
            seconds / took,
            f64::from(SEEDS) / took * 3600.0
        ),
    );
    drop(cache::folder());
    Ok(())
}
