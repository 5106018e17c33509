//! The product's own binaries, as processes: a hub, and the command line that speaks to it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::api::Api;
use crate::cache;
use crate::process::{Process, Surroundings, eventually, free_port, free_udp};

/// How long a hub has to end when it is asked to.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// The path of `roadstead` or `roadstead-agent`, built with the profile of this test if it is stale.
///
/// # Errors
/// When it cannot be built.
pub fn binary(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|e| format!("{e:#}")));
    let folder = built.as_ref().map_err(|e| anyhow::anyhow!(e.clone()))?;
    let path = folder.join(name);
    anyhow::ensure!(path.is_file(), "there is no {}", path.display());
    Ok(path)
}

/// The folder that `ROADSTEAD_TEST_PROGRAMS` names (a release's, say), or that of a fresh build.
fn build() -> Result<PathBuf> {
    if let Some(folder) = cache::variable("ROADSTEAD_TEST_PROGRAMS") {
        return Ok(PathBuf::from(folder));
    }
    let test = std::env::current_exe()?;
    // …/target/<profile>/deps/<this test>, or …/target/<profile>/<this program>
    let mut folder = test.parent().context("a test outside a target folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("a test outside a target folder")?;
    }
    let profile = folder
        .file_name()
        .context("a nameless profile")?
        .to_string_lossy();
    let profile = if profile == "debug" { "dev" } else { &profile };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(workspace);
    cargo.args(["build", "--quiet", "--locked", "--profile", profile]);
    cargo.args(["--bin", "roadstead", "--bin", "roadstead-agent"]);
    if test.file_stem().is_some_and(|name| name == "bench") {
        cargo.args(["--bin", "roadstead-sim"]);
    }
    cache::run(&mut cargo).context("build the programs under test")?;
    Ok(folder.to_owned())
}

/// A hub's process, and what survives it: folder and addresses.
pub struct Hub {
    folder: PathBuf,
    listen: SocketAddr,
    agents: SocketAddr,
    further: Vec<OsString>,
    process: Option<Process>,
    /// What its next start is in.
    pub surroundings: Surroundings,
}

impl Hub {
    /// Starts a hub with its state in `folder/hub`, and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or does not become ready.
    pub async fn start(folder: &Path) -> Result<Self> {
        let mut hub = Self::new(folder)?;
        hub.begin().await?;
        Ok(hub)
    }

    /// A hub with its state in `folder/hub`; not started yet.
    ///
    /// # Errors
    /// When there are no free ports.
    pub fn new(folder: &Path) -> Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], free_port()?)),
            agents: free_udp()?,
            further: Vec::new(),
            process: None,
            surroundings: Surroundings::default(),
        })
    }

    /// Where agents are listened to.
    pub fn agents(&self) -> SocketAddr {
        self.agents
    }

    /// Starts it again where it had been stopped or killed.
    ///
    /// # Errors
    /// When it cannot be started or does not become ready.
    pub async fn begin(&mut self) -> Result<()> {
        let mut command = self.command()?;
        self.process = Some(Process::start("hub", &self.folder, &mut command)?);
        eventually("the hub is ready", || async {
            // An older kubeconfig would name an authority that is there all the same.
            let api = self.api().await?;
            let answer = api.get("/api/v1/namespaces/default").await?;
            Ok(answer.code == 200)
        })
        .await
    }

    /// The command that starts a hub on this folder and these addresses.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub fn command(&self) -> Result<Command> {
        let mut command = self.surroundings.command(&binary("roadstead")?);
        command
            .args(["hub", "--data-dir"])
            .arg(self.data())
            .args(["--listen", &self.listen.to_string()])
            .args(["--agent-listen", &self.agents.to_string()])
            .args(&self.further);
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
        self.folder.join("hub")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.data().join("admin.kubeconfig")
    }

    /// Its API, as the administrator.
    ///
    /// # Errors
    /// Before its first start has written the kubeconfig.
    pub async fn api(&self) -> Result<Api> {
        Api::of(&self.kubeconfig()).await
    }

    /// Runs `roadstead ARGS` against it and gives what it prints.
    ///
    /// # Errors
    /// When it fails; what it said is in the error.
    pub fn roadstead(&self, args: &[&str]) -> Result<String> {
        self.roadstead_by(&self.kubeconfig(), args)
    }

    /// The same, by somebody else.
    ///
    /// # Errors
    /// When it fails; what it said is in the error.
    pub fn roadstead_by(&self, kubeconfig: &Path, args: &[&str]) -> Result<String> {
        let mut command = std::process::Command::new(binary("roadstead")?);
        cache::run(command.env("KUBECONFIG", kubeconfig).args(args))
    }

    /// Kills it (`SIGKILL`).
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the hub does not run")?;
        process.kill().await
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it does not run, or does not end with code 0.
    pub async fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the hub does not run")?;
        process.terminate(STOP_WITHIN).await
    }
}
