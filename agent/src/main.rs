//! The agent as a process.

use std::process::ExitCode;

use clap::Parser as _;
use roadstead_agent::config::{Command, Config};
use roadstead_agent::process::start;
use roadstead_protocol::host::system;

#[expect(
    clippy::print_stderr,
    reason = "the last words of a process that cannot go on"
)]
fn main() -> ExitCode {
    let config = Config::parse();
    let done = match &config.command {
        Some(Command::Health(probe)) => probe.check(system::env().clock.now()).map_err(Into::into),
        None => start(&config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roadstead-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
