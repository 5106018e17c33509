//! `roadstead-sim`: parses and calls.

use clap::Parser as _;
use roadstead_sim::command::{Cli, run};

#[expect(
    clippy::print_stderr,
    reason = "the last words of a command line program"
)]
fn main() -> std::process::ExitCode {
    match run(Cli::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roadstead-sim: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
