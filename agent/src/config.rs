//! The command line and the environment of a real agent process.
//!
//! The only place that reads them. Decides nothing: what is read here is handed to [`crate::run`].

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use kube::config::{KubeConfigOptions, Kubeconfig};
use roadstead_protocol::host::{JoinToken, system};
use roadstead_protocol::seal::{Keyring, file};
use tokio::sync::watch;

use crate::heartbeat::{self, Unwell, Vitals};

/// Keeps one Kubernetes cluster as its Roadstead hub says, also while the hub is away.
///
/// Get the string for --join from `roadstead join NAME` on the hub. It is needed once: afterwards
/// the agent starts from what its data directory holds.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "roadstead-agent",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Config {
    /// What to do instead of running the agent.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Folder for the agent's identity and the last desired state; one agent at a time.
    #[arg(
        long,
        value_name = "DIR",
        env = "ROADSTEAD_AGENT_DATA_DIR",
        required = true
    )]
    pub data_dir: Option<PathBuf>,

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

    /// A Secret in the member's namespace roadstead-system that keeps the agent's identity too, for
    /// an agent whose --data-dir may be empty at its next start.
    #[arg(
        long,
        value_name = "NAME",
        env = "ROADSTEAD_AGENT_IDENTITY_SECRET",
        value_parser = secret_name
    )]
    pub identity_secret: Option<String>,

    /// Seals what is on the disk: a file that `roadstead keygen` made. What was written before is
    /// sealed at the first start with it; from then on the agent does not start without it.
    #[arg(long, value_name = "FILE", env = "ROADSTEAD_AGENT_KEY_FILE")]
    pub key_file: Option<PathBuf>,

    /// A file to write now and then, for `roadstead-agent health` to look at; best in memory.
    #[arg(long, value_name = "FILE", env = "ROADSTEAD_AGENT_HEARTBEAT")]
    pub heartbeat: Option<PathBuf>,

    /// How many objects are worked on at once.
    #[arg(long, value_name = "N", env = "ROADSTEAD_AGENT_WORKERS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,

    /// A label of nodes that names the model of their devices, beside those of the usual device
    /// plugins; may be repeated.
    #[arg(
        long = "model-label",
        value_name = "LABEL",
        env = "ROADSTEAD_AGENT_MODEL_LABELS",
        value_delimiter = ','
    )]
    pub model_labels: Vec<String>,

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

/// What to do instead of running the agent.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Look whether the agent that writes a heartbeat is well; for probes
    Health(Health),
}

/// `roadstead-agent health`.
#[derive(Clone, Debug, Args)]
pub struct Health {
    /// The file that the agent was given with --heartbeat.
    #[arg(long, value_name = "FILE", env = "ROADSTEAD_AGENT_HEARTBEAT")]
    pub heartbeat: PathBuf,
    /// Ask also whether it has joined and reaches its cluster's API.
    #[arg(long, env = "ROADSTEAD_AGENT_READY")]
    pub ready: bool,
}

impl Health {
    /// Looks.
    ///
    /// # Errors
    /// What is not well.
    pub fn check(&self, now: jiff::Timestamp) -> Result<(), Unwell> {
        heartbeat::check(&self.heartbeat, now, self.ready)
    }
}

/// The name of an object, as Kubernetes takes it.
fn secret_name(text: &str) -> Result<String, String> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    if bytes.len() <= 253
        && bytes.iter().all(|b| inner(*b))
        && edge(bytes.first())
        && edge(bytes.last())
    {
        return Ok(text.to_owned());
    }
    Err("a Secret's name is lower-case letters, digits, '-' and '.', as in roadstead-agent".into())
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
    /// The data folder.
    ///
    /// # Errors
    /// Where none was given.
    pub fn data_dir(&self) -> anyhow::Result<&Path> {
        self.data_dir
            .as_deref()
            .context("say with --data-dir where the agent keeps its state")
    }

    /// Starts the heartbeat, if one is wanted; whom to tell how far the agent is.
    pub fn heartbeat(&self) -> Option<watch::Sender<Vitals>> {
        let file = self.heartbeat.clone()?;
        let (tell, told) = watch::channel(Vitals::default());
        tokio::spawn(heartbeat::run(system::env(), file, told));
        Some(tell)
    }

    /// The join string, read.
    ///
    /// # Errors
    /// Where it is none, with what is wrong about it.
    pub fn token(&self) -> anyhow::Result<Option<JoinToken>> {
        Ok(self.join.as_deref().map(str::parse).transpose()?)
    }

    /// The keys that the disk is sealed with; none where no key file is given.
    ///
    /// # Errors
    /// Where it is no key file, or everybody may read it.
    pub fn keyring(&self) -> anyhow::Result<Keyring> {
        let Some(path) = &self.key_file else {
            return Ok(Keyring::default());
        };
        file::keyring(path).context("--key-file")
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
    fn a_probe_needs_no_data_folder_and_an_agent_does() {
        let parse = |line: &str| Config::try_parse_from(line.split(' '));
        let probe = parse("roadstead-agent health --heartbeat /run/x --ready").unwrap();
        assert!(matches!(
            probe.command,
            Some(Command::Health(Health { ready: true, .. }))
        ));
        assert!(parse("roadstead-agent").is_err());
        let agent = parse("roadstead-agent --data-dir /x --identity-secret me").unwrap();
        assert_eq!(agent.data_dir().unwrap(), Path::new("/x"));
        assert!(parse("roadstead-agent --data-dir /x --identity-secret Me").is_err());
        assert!(parse("roadstead-agent --data-dir /x --identity-secret a/b").is_err());
    }

    #[test]
    fn every_flag_is_an_environment_variable_too() {
        Config::command().debug_assert();
        let command = Config::command();
        let flags = command
            .get_arguments()
            .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()));
        let mut seen = 0;
        for flag in flags {
            seen += 1;
            let expected = format!("ROADSTEAD_AGENT_{}", flag.get_id().as_str().to_uppercase());
            assert_eq!(
                flag.get_env().and_then(|e| e.to_str()),
                Some(expected.as_str())
            );
        }
        assert!(seen > 5);
    }
}
