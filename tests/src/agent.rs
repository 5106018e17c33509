//! An agent's process beside a cluster.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::hub::binary;
use crate::process::{Process, Surroundings};

/// An agent's process, and what survives it.
pub struct Agent {
    folder: PathBuf,
    kubeconfig: PathBuf,
    further: Vec<OsString>,
    process: Option<Process>,
    /// What its next start is in.
    pub surroundings: Surroundings,
}

impl Agent {
    /// An agent with its data in `folder/agent`; not started yet.
    pub fn new(folder: &Path, kubeconfig: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            further: Vec::new(),
            process: None,
            surroundings: Surroundings::default(),
        }
    }

    /// Starts it; with a token the first time.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin(&mut self, token: Option<&str>) -> Result<()> {
        let mut command = self.command()?;
        if let Some(token) = token {
            command.args(["--join", token]);
        }
        self.process = Some(Process::start("agent", &self.folder, &mut command)?);
        Ok(())
    }

    /// The command that starts an agent on this folder and this cluster.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn command(&self) -> Result<Command> {
        let mut command = self.surroundings.command(&binary("roadstead-agent")?);
        command.arg("--data-dir").arg(self.data());
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command.args(&self.further);
        Ok(command)
    }

    /// Starts with these further arguments from now on.
    pub fn further(&mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) {
        self.further = arguments.into_iter().map(Into::into).collect();
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("agent")
    }

    /// Kills it (`SIGKILL`).
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the agent does not run")?;
        process.kill().await
    }
}
