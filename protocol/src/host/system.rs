//! The operating system as an [`Env`]: clock, entropy, threads, signals, and where logs go.
//!
//! The only place in the project that reads the wall clock or starts blocking work on threads. It
//! reads no configuration: callers pass what `config.rs` found.

use std::str::FromStr as _;
use std::sync::Arc;

use ring::rand::SecureRandom as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::env::{Blocking, BoxFuture, Entropy, Env, WallClock};

/// Clock, entropy and threads of the operating system.
pub fn env() -> Env {
    Env {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::default()),
        blocking: Arc::new(SystemBlocking),
    }
}

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the wall clock enters"
    )]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// The operating system's entropy, through ring.
#[derive(Debug)]
pub struct SystemEntropy {
    random: ring::rand::SystemRandom,
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self {
            random: ring::rand::SystemRandom::new(),
        }
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buf: &mut [u8]) {
        // Without entropy no key and no uid is worth anything: the process cannot go on.
        assert!(
            self.random.fill(buf).is_ok(),
            "the operating system gives no random bytes"
        );
    }
}

/// Blocking work on tokio's pool of threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBlocking;

impl Blocking for SystemBlocking {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where blocking work meets threads"
    )]
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        let work = tokio::task::spawn_blocking(job);
        Box::pin(async move {
            if let Err(error) = work.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        })
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, in colour on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter was not understood.
    #[error(
        "log filter {filter:?} is not understood (write it like info or roadstead_store=debug,warn)"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logs are set up already in this process.
    #[error("logs are set up already")]
    Twice,
}

/// Sends logs to standard error, as `filter` (levels, and targets with levels, with commas between them)
/// chooses them. Spans and fields are not looked at: what finds them by regular expressions is a
/// twentieth of an agent.
pub fn telemetry(filter: &str, format: LogFormat, colour: bool) -> Result<(), TelemetryError> {
    let chosen = Targets::from_str(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let logs = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(std::io::stderr);
    let set = match format {
        LogFormat::Text => logs.with_ansi(colour).finish().with(chosen).try_init(),
        LogFormat::Json => logs.json().finish().with(chosen).try_init(),
    };
    set.map_err(|_| TelemetryError::Twice)
}

/// Resolves when the process is asked to end: SIGTERM or SIGINT (Ctrl-C).
///
/// # Errors
/// When the handlers cannot be installed.
#[cfg(unix)]
pub async fn shutdown() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Resolves when the process is asked to end (Ctrl-C).
#[cfg(not(unix))]
pub async fn shutdown() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_not_understood_is_refused_with_how_to_write_it() {
        for filter in ["roadstead_store=loud", "a=b=c"] {
            let refused = telemetry(filter, LogFormat::Text, false);
            let text = refused.unwrap_err().to_string();
            assert!(
                text.contains(filter) && text.contains("debug,warn"),
                "{text}"
            );
        }
    }

    #[test]
    fn two_draws_differ() {
        let env = env();
        assert_ne!(env.random::<32>(), env.random::<32>());
    }

    #[tokio::test]
    async fn blocking_work_is_done_when_it_resolves() {
        let env = env();
        let (tx, rx) = std::sync::mpsc::channel();
        env.blocking
            .run(Box::new(move || tx.send(7).unwrap()))
            .await;
        assert_eq!(rx.try_recv(), Ok(7));
    }
}
