//! The command line of `roadstead-sim`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use crate::planted;
use crate::run::{Options, Outcome, run as run_one};
use crate::shrink::{self, Kept, RUNS_MAX};
use crate::swarm::{Progress, bug_base, meta, swarm};

/// Longest list of failed seeds that is printed.
const FAILURES_SHOWN: usize = 10;
/// How often a swarm says how far it is, in seeds.
const SAY_EVERY: u64 = 50;
/// Most runs that a swarm spends on shrinking its first failure.
const SWARM_SHRINK_RUNS: usize = 25;

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
        /// Only these faults of the seed's plan, by their numbers; an empty list for none. `3/2` is the
        /// fault 3, halved twice in its length
        #[arg(long, value_name = "NUMBERS", value_parser = numbers)]
        keep: Option<Numbers>,
        /// Wake a planted bug (in a build that has them)
        #[arg(long, value_name = "NAME")]
        planted: Option<String>,
    },
    /// Find out which faults of a failing seed its failure needs
    Shrink {
        /// Which
        #[arg(long, env = "ROADSTEAD_SIM_SEED")]
        seed: u64,
        /// Most runs to spend
        #[arg(long, default_value_t = RUNS_MAX)]
        runs: usize,
    },
    /// Look for every planted bug with its own checker (in a build that has them)
    Planted {
        /// Only these
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// How many seeds at a time
        #[arg(long, env = "ROADSTEAD_SIM_JOBS", default_value_t = 1)]
        jobs: usize,
    },
    /// Run many seeds, those of the bug base first; fails if one does, or if a sort of fault never
    /// happened
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
        /// The first one
        #[arg(long, env = "ROADSTEAD_SIM_SEED")]
        seed: u64,
        /// How many
        #[arg(long, default_value_t = 1)]
        seeds: u64,
    },
}

/// Numbers of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbers(Vec<Kept>);

fn numbers(text: &str) -> Result<Numbers, std::num::ParseIntError> {
    let numbers = text.split(',').map(str::trim).filter(|n| !n.is_empty());
    numbers
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map(Numbers)
}

/// Carries out a command line.
///
/// # Errors
/// What was broken, and how to repeat it.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Run {
            seed,
            trace,
            log,
            keep,
            planted,
        } => {
            if let Some(name) = planted {
                planted::choose(&name).map_err(anyhow::Error::msg)?;
            }
            let options = Options {
                log: trace,
                faults: keep.map(|kept| shrink::keep(seed, &kept.0)),
                ..Options::seed(seed)
            };
            one(options, log.as_deref())
        }
        Command::Shrink { seed, runs } => smaller(seed, runs),
        Command::Planted { names, jobs } => hunt(&names, jobs),
        Command::Swarm { seeds, first, jobs } => many(first, seeds, jobs),
        Command::Meta { seed, seeds } => {
            for seed in seed..seed.saturating_add(seeds) {
                let same = meta(seed, None)?;
                say(&format!("seed {seed}: {same}"))?;
            }
            Ok(())
        }
    }
}

fn one(options: Options, log: Option<&str>) -> Result<()> {
    let seed = options.seed;
    if let Some(filter) = log {
        roadstead_protocol::host::system::telemetry(
            filter,
            roadstead_protocol::host::system::LogFormat::Text,
            false,
        )?;
    }
    let outcome = run_one(options).map_err(anyhow::Error::msg)?;
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
    let mut all = bug_base();
    all.extend(first..first.saturating_add(seeds));
    let total = swarm(&all, jobs, |seed, outcome| {
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
    if let Some((seed, _)) = total.failures.first() {
        // Told before it is shrunk, which takes a while.
        say(&format!("shrinking the faults of seed {seed}"))?;
        if let Err(error) = smaller(*seed, SWARM_SHRINK_RUNS) {
            say(&format!("{error:#}"))?;
        }
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

/// Prints the smallest plan found with which a seed still fails, and how to repeat that.
fn smaller(seed: u64, runs: usize) -> Result<()> {
    let plan = shrink::plan(seed);
    let all: Vec<Kept> = (0..plan.len()).map(Kept::from).collect();
    let Some(checker) = shrink::fails(seed, &all) else {
        bail!("seed {seed} does not fail, so there is nothing to shrink")
    };
    let kept = shrink::shrink(seed, &checker, runs);
    say(&format!(
        "{} of {} faults are needed for: {checker}",
        kept.len(),
        plan.len()
    ))?;
    for (one, fault) in kept.iter().zip(shrink::keep(seed, &kept)) {
        say(&format!("  {one}: {fault}"))?;
    }
    let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
    say(&format!(
        "  repeat: roadstead-sim run --seed {seed} --keep '{}'",
        list.join(",")
    ))
}

/// Looks for the planted bugs, and says which checker found each after how many seeds.
fn hunt(names: &[String], jobs: usize) -> Result<()> {
    let mut missed = Vec::new();
    let wanted = |bug: &&planted::Bug| names.is_empty() || names.iter().any(|n| n == bug.name);
    for bug in planted::BUGS.iter().filter(wanted) {
        planted::choose(bug.name).map_err(anyhow::Error::msg)?;
        let found = planted::find(bug, jobs);
        let words = match &found {
            Some(seed) => format!("found with seed {seed}"),
            None => format!("NOT FOUND in {} seeds", planted::SEEDS_MAX),
        };
        say(&format!("{:<24} {words} by: {}", bug.name, bug.checker))?;
        if found.is_none() {
            missed.push(bug.name);
        }
    }
    anyhow::ensure!(missed.is_empty(), "not found: {}", missed.join(", "));
    Ok(())
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
