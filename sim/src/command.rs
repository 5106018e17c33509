//! The command line of `roadstead-sim`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use crate::run::{Options, Outcome, run as run_one};
use crate::swarm::{Progress, meta, swarm};

/// Longest list of failed seeds that is printed.
const FAILURES_SHOWN: usize = 10;
/// How often a swarm says how far it is, in seeds.
const SAY_EVERY: u64 = 50;

/// Runs the real hub and agents on a simulated network, disk and clock, with faults drawn from a seed.
#[derive(Debug, Parser)]
#[command(name = "roadstead-sim", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one seed
    Run {
        /// Which
        #[arg(long, env = "ROADSTEAD_SIM_SEED")]
        seed: u64,
        /// Write every event to this file
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
        /// Print the logs of hub and agents
        #[arg(long, value_name = "FILTER")]
        log: Option<String>,
    },
    /// Run many seeds; fails if one does, or if a sort of fault never happened
    Swarm {
        /// How many
        #[arg(long, env = "ROADSTEAD_SIM_SEEDS")]
        seeds: u64,
        /// The first one
        #[arg(long, default_value_t = 1)]
        first: u64,
        /// How many at a time
        #[arg(long, env = "ROADSTEAD_SIM_JOBS", default_value_t = 1)]
        jobs: usize,
    },
    /// Run one seed in two processes and compare every event
    Meta {
        /// Which
        #[arg(long, env = "ROADSTEAD_SIM_SEED")]
        seed: u64,
    },
}

/// Carries out a command line.
///
/// # Errors
/// What was broken, and how to repeat it.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Run { seed, trace, log } => one(seed, trace, log.as_deref()),
        Command::Swarm { seeds, first, jobs } => many(first, seeds, jobs),
        Command::Meta { seed } => {
            let same = meta(seed)?;
            say(&format!("seed {seed}: {same}"))
        }
    }
}

fn one(seed: u64, trace: Option<PathBuf>, log: Option<&str>) -> Result<()> {
    if let Some(filter) = log {
        roadstead_protocol::host::system::telemetry(
            filter,
            roadstead_protocol::host::system::LogFormat::Text,
            false,
        )?;
    }
    let outcome = run_one(Options {
        log: trace,
        ..Options::seed(seed)
    })
    .map_err(anyhow::Error::msg)?;
    let Outcome {
        violations,
        faults,
        summary,
        simulated,
        ..
    } = outcome;
    say(&format!(
        "seed {seed}: {} s simulated, {} faults, {} events, digest {}",
        simulated.as_secs(),
        faults.len(),
        summary.events,
        summary.digest
    ))?;
    if violations.is_empty() {
        return Ok(());
    }
    for fault in &faults {
        say(&format!("  {fault}"))?;
    }
    bail!("seed {seed}: {}", violations.join("\n  "))
}

fn many(first: u64, seeds: u64, jobs: usize) -> Result<()> {
    let progress = Progress::default();
    let total = swarm(first, seeds, jobs, |seed, outcome| {
        let n = progress.next();
        let bad = match outcome {
            Err(panic) => Some(panic.as_str()),
            Ok(outcome) => outcome.violations.first().map(String::as_str),
        };
        let said = match bad {
            Some(what) => say(&format!(
                "seed {seed}: {what}\n  repeat: roadstead-sim run --seed {seed}"
            )),
            None if n % SAY_EVERY == 0 => say(&format!("{n} of {seeds} seeds")),
            None => Ok(()),
        };
        drop(said);
    });
    for (name, n) in &total.counters {
        say(&format!("  {n:>8}  {name}"))?;
    }
    say(&format!(
        "{} seeds, {} simulated seconds",
        total.seeds, total.simulated
    ))?;
    if !total.failures.is_empty() {
        let shown: Vec<String> = total
            .failures
            .iter()
            .take(FAILURES_SHOWN)
            .map(|(seed, _)| seed.to_string())
            .collect();
        bail!(
            "{} of {} seeds failed: {}",
            total.failures.len(),
            total.seeds,
            shown.join(", ")
        );
    }
    let never = total.never();
    if !never.is_empty() {
        bail!(
            "never happened in {} seeds: {}",
            total.seeds,
            never.join("; ")
        );
    }
    Ok(())
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
