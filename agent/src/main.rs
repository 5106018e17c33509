//! The agent as a process.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use roadstead_agent::config::{Command, Config};
use roadstead_agent::store::file::Folder;
use roadstead_agent::{Options, Parts, run};
use roadstead_protocol::host::{SystemNetwork, system};

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

fn start(config: &Config) -> anyhow::Result<()> {
    system::telemetry(
        &config.log,
        config.log_format.into(),
        std::io::stderr().is_terminal(),
    )?;
    let provider = rustls::crypto::ring::default_provider();
    // Somebody before us may have set it, to the same: there is but one in this program.
    drop(provider.clone().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (env, keyring) = (system::env(), config.keyring()?);
        let folder = Folder::take(config.data_dir()?)?.renewed(&env, &keyring)?;
        let parts = Parts {
            env,
            network: Arc::new(SystemNetwork),
            crypto: Arc::new(provider),
            database: folder.opener(),
            member: config.member().await?,
            join: config.token()?,
            options: Options {
                workers: usize::from(config.workers),
                identity_secret: config.identity_secret.clone(),
                vitals: config.heartbeat(),
                keyring,
                ..Options::default()
            },
        };
        let stop = async {
            if let Err(error) = system::shutdown().await {
                tracing::error!(%error, "signals cannot be waited for");
                std::future::pending::<()>().await;
            }
        };
        Ok(Box::pin(run(parts, stop)).await?)
    })
}
