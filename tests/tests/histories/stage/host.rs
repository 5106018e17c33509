//! A process as far as these histories need one: a runtime of its own, whose end comes without a
//! warning, and a log of its own.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

/// How long a commit that is on its way to the disk has to get there.
const KILL_WITHIN: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) struct Host(Option<Runtime>);

impl Host {
    /// A host that logs to `folder/NAME.log`, after what its predecessors logged there.
    pub(crate) fn start(name: &str, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let filter = "info,roadstead_agent=debug,roadstead_agents=debug".parse::<Targets>()?;
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(Arc::new(file))
            .finish()
            .with(filter);
        let dispatch = tracing::Dispatch::new(subscriber);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .thread_name(name)
            .on_thread_start(move || {
                // For as long as the thread lives.
                std::mem::forget(tracing::dispatcher::set_default(&dispatch));
            })
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does something there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        self.spawn(work)?.await.context("it panicked")
    }

    /// Lets something run there.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        Ok(self.0.as_ref().context("it was killed")?.spawn(work))
    }
}

/// Ends it where it stands: nobody is told, and what had not been written is not.
impl Drop for Host {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            tokio::task::block_in_place(|| runtime.shutdown_timeout(KILL_WITHIN));
        }
    }
}
