//! The agent as a process.

use clap::Parser;
use roadstead_agent::config::Config;

fn main() {
    let _config = Config::parse();
}
