//! Programs that a test starts, and stops when it ends.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

/// How long a program has to become ready.
pub const READY_WITHIN: Duration = Duration::from_secs(60);
/// Least and longest pause between two looks at whether something is so. In between, a fiftieth of the
/// time that was waited already: what comes soon is seen at once, and what takes long is not slowed
/// down by who looks.
const PAUSE: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(100)];

/// What a program is started in: commands before it, variables of its own.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// A command that runs the program, as `ip netns exec NAME`; empty for none.
    pub prefix: Vec<String>,
    /// Environment variables.
    pub variables: Vec<(String, String)>,
}

impl Surroundings {
    /// The command that starts `program` there.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = match self.prefix.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.envs(self.variables.iter().map(|(k, v)| (k, v)));
        command
    }
}

/// A running program; killed when dropped.
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a program with its output in `folder/NAME.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Result<Self> {
        let path = folder.join(format!("{name}.log"));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&path)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills it (`SIGKILL`) and waits for its end.
    ///
    /// # Errors
    /// When it had ended already.
    pub async fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("kill {}", self.name))
    }

    /// Asks it to end (`SIGTERM`) and waits for that.
    ///
    /// # Errors
    /// When it does not end with code 0 in time.
    pub async fn terminate(&mut self, within: Duration) -> Result<()> {
        let id = self.child.id().context("it has ended already")?;
        crate::cache::run(std::process::Command::new("kill").args(["-TERM", &id.to_string()]))?;
        let status = tokio::time::timeout(within, self.child.wait()).await;
        let status = status.with_context(|| format!("{} did not end", self.name))??;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

/// A TCP port of the loopback that was free just now.
///
/// # Errors
/// When the kernel has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A UDP address of the loopback that was free just now.
///
/// # Errors
/// When the kernel has none.
pub fn free_udp() -> Result<SocketAddr> {
    Ok(UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Looks until `ready` says yes.
///
/// # Errors
/// After [`READY_WITHIN`], with what was waited for and the last fault.
pub async fn eventually<F>(what: &str, ready: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    within(READY_WITHIN, what, ready).await
}

/// Looks until `ready` says yes, for as long as `limit`.
///
/// # Errors
/// After that, with what was waited for and the last fault.
pub async fn within<F>(limit: Duration, what: &str, ready: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let began = tokio::time::Instant::now();
    let [least, longest] = PAUSE;
    loop {
        let last = match ready().await {
            Ok(true) => return Ok(()),
            Ok(false) => "not yet".to_owned(),
            Err(e) => format!("{e:#}"),
        };
        let waited = began.elapsed();
        if waited > limit {
            anyhow::bail!("waited {limit:?} for: {what}; at last: {last}");
        }
        tokio::time::sleep((waited / 50).clamp(least, longest)).await;
    }
}
