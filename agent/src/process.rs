//! A real agent process: the operating system's clock, sockets, disk and signals, put together as
//! [`Config`] says. Decides nothing.

use std::io::IsTerminal as _;
use std::sync::Arc;

use roadstead_protocol::host::{SystemNetwork, system};

use crate::config::Config;
use crate::store::file::Folder;
use crate::{Options, Parts, run};

/// Threads for what blocks: the disk, and names that are resolved. The allocator keeps an arena for
/// each that was ever needed, so there are few. Every worker that opens a connection to the member may
/// have a name looked up, and nothing keeps those from taking all threads while nobody answers: the
/// disk then waits until the resolver gives up. An address in place of a name is not looked up.
const BLOCKING_MAX: usize = 8;

/// Runs an agent until it is asked to end.
///
/// # Errors
/// Where it cannot begin, or cannot go on; the text says what to do.
pub fn start(config: &Config) -> anyhow::Result<()> {
    system::telemetry(
        &config.log,
        config.log_format.into(),
        std::io::stderr().is_terminal(),
    )?;
    let provider = rustls::crypto::ring::default_provider();
    // Somebody before us may have set it, to the same: there is but one in this program.
    drop(provider.clone().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(BLOCKING_MAX)
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
                model_labels: config.model_labels.clone(),
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
