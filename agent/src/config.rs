//! The command line and the environment of a real agent process.
//!
//! The only place that reads them. Decides nothing: what is read here is handed to [`crate::run`].

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use kube::config::{KubeConfigOptions, Kubeconfig};
use roadstead_protocol::host::{JoinToken, system};

/// Keeps one Kubernetes cluster as its Roadstead hub says, also while the hub is away.
///
/// Get the string for --join from `roadstead join NAME` on the hub. It is needed once: afterwards
/// the agent starts from what its data directory holds.
#[derive(Clone, Debug, Parser)]
#[command(name = "roadstead-agent", version)]
pub struct Config {
    /// Folder for the agent's identity and the last desired state; one agent at a time.
    #[arg(long, value_name = "DIR", env = "ROADSTEAD_AGENT_DATA_DIR")]
    pub data_dir: PathBuf,

    /// The join string that `roadstead join NAME` printed; only needed the first time.
    #[arg(
        long,
        value_name = "STRING",
        env = "ROADSTEAD_AGENT_JOIN",
        hide_env_values = true
    )]
    pub join: Option<String>,

    /// Kubeconfig of the member cluster; inside a cluster its service account is used.
    #[arg(long, value_name = "FILE", env = "ROADSTEAD_AGENT_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,

    /// How many objects are worked on at once.
    #[arg(long, value_name = "N", env = "ROADSTEAD_AGENT_WORKERS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,

    /// What is logged, for instance `info` or `roadstead_agent=debug,warn`.
    #[arg(
        long,
        value_name = "FILTER",
        env = "ROADSTEAD_AGENT_LOG",
        default_value = "info"
    )]
    pub log: String,

    /// How logs are written.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "ROADSTEAD_AGENT_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl From<LogFormat> for system::LogFormat {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

impl Config {
    /// The join string, read.
    ///
    /// # Errors
    /// Where it is none, with what is wrong about it.
    pub fn token(&self) -> anyhow::Result<Option<JoinToken>> {
        Ok(self.join.as_deref().map(str::parse).transpose()?)
    }

    /// A client of the member's API, from the kubeconfig or from inside the cluster.
    ///
    /// # Errors
    /// Where there is no usable configuration, with what to do.
    pub async fn member(&self) -> anyhow::Result<kube::Client> {
        let config = match &self.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path)
                    .with_context(|| format!("the kubeconfig {} cannot be read", path.display()))?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                    .await
                    .with_context(|| format!("the kubeconfig {} cannot be used", path.display()))?
            }
            None => kube::Config::incluster().context(
                "this does not run inside a cluster: say with --kubeconfig how to reach the member",
            )?,
        };
        kube::Client::try_from(config)
            .context("no client can be made of the member's configuration")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_flag_is_an_environment_variable_too() {
        Config::command().debug_assert();
        let command = Config::command();
        let flags = command
            .get_arguments()
            .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()));
        for flag in flags {
            let expected = format!("ROADSTEAD_AGENT_{}", flag.get_id().as_str().to_uppercase());
            assert_eq!(
                flag.get_env().and_then(|e| e.to_str()),
                Some(expected.as_str())
            );
        }
    }
}
