//! `roadstead`: parses and calls.

use clap::Parser as _;
use roadstead_hub::config::Cli;

#[expect(
    clippy::print_stderr,
    reason = "the last words of a command line program"
)]
fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("roadstead: failed to start threads: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    match runtime.block_on(roadstead_hub::shell::run(cli)) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("roadstead: {:#}", failure.error);
            failure.code
        }
    }
}
