//! The figures: how fast and how small, against real API servers, with goals.
//!
//! `cargo run --release -p roadstead-tests --bin bench [-- --check] [--only PART,…]`. Samples stand
//! beside what the machine itself can do in the same run (a PATCH straight to the member, the disk's
//! own sync), for machines differ and are noisy. It measures and compares; it decides nothing else.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is what it is for"
)]

mod decide;
mod herd;
mod idle;
mod latency;
mod light;
mod memory;
mod plan;
mod reads;
mod restart;
mod restore;
mod samples;
mod simulation;
mod site;
mod table;
mod wire;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use roadstead_protocol::host::system::{LogFormat, telemetry};
use table::Table;

/// Measures the hub and its agents.
#[derive(Debug, Parser)]
struct Options {
    /// Exit with 1 where a goal was missed, and name it
    #[arg(long)]
    check: bool,
    /// What to measure; where nothing is said, everything
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Samples of each latency
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// How many agents at once, in turn
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 10_000])]
    agents: Vec<usize>,
    /// Which logs of the agents in this process to show, as in `roadstead_agent=debug`
    #[arg(long, default_value = "error")]
    log: String,
    /// Items in the ledger of the hub that is restarted
    #[arg(long, default_value_t = 100_000)]
    items: usize,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From the hub's answer to the object on the member
    Latency,
    /// Many changes at once
    Burst,
    /// A deleted object comes back
    Restore,
    /// What agent and hub take of memory and processor
    Memory,
    /// Bytes on the wire
    Wire,
    /// Many agents
    Herd,
    /// A hub with many items starts again
    Restart,
    /// Reading from the hub and from a kube-apiserver
    Reads,
    /// How fast decisions are made
    Plan,
    /// How fast the simulation is
    Simulation,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(error) = telemetry(&options.log, LogFormat::Text, false) {
        eprintln!("bench: {error}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let measured = match runtime {
        Ok(runtime) => runtime.block_on(measure(&options)),
        Err(error) => Err(error.into()),
    };
    match measured {
        Ok(table) => {
            println!("{}", table.text());
            let missed = table.missed();
            for row in &missed {
                println!("missed: {row}");
            }
            if options.check && !missed.is_empty() {
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn measure(options: &Options) -> Result<Table> {
    let mut table = Table::default();
    if cfg!(debug_assertions) {
        eprintln!("bench: this is no release build; its figures say little");
    }
    if options.wants(Part::Latency) || options.wants(Part::Burst) {
        latency::measure(&mut table, options).await?;
    }
    if options.wants(Part::Restore) {
        restore::measure(&mut table).await?;
    }
    if options.wants(Part::Memory) {
        memory::measure(&mut table).await?;
    }
    if options.wants(Part::Wire) {
        wire::measure(&mut table).await?;
    }
    if options.wants(Part::Herd) {
        for agents in &options.agents {
            herd::measure(&mut table, *agents).await?;
        }
    }
    if options.wants(Part::Restart) {
        restart::measure(&mut table, options.items).await?;
    }
    if options.wants(Part::Reads) {
        reads::measure(&mut table).await?;
    }
    if options.wants(Part::Plan) {
        plan::measure(&mut table)?;
        decide::measure(&mut table).await?;
    }
    if options.wants(Part::Simulation) {
        simulation::measure(&mut table)?;
    }
    Ok(table)
}
