//! An agent on a folder of its own, which can be killed, wiped, copied and put back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use roadstead_agent::store::file::Folder;
use roadstead_protocol::host::JoinToken;
use roadstead_protocol::host::tls::Crypto;
use roadstead_protocol::wire::frame::features;
use roadstead_tests::process::within;
use tokio::task::JoinHandle;

use super::clock::Clock;
use super::host::Host;
use super::member::{Member, SOON};
use super::wires::Wires;

/// The agent's file in its folder.
const FILE: &str = "agent.redb";

/// See the module.
pub(crate) struct Agent {
    /// Its clock.
    pub(crate) clock: Clock,
    /// Its way to the hub.
    pub(crate) wires: Wires,
    /// The Secret on its member that keeps its identity, too.
    pub(crate) secret: Option<String>,
    /// What it understands beyond the first release.
    pub(crate) features: u64,
    name: String,
    folder: PathBuf,
    running: Option<Running>,
}

struct Running {
    host: Host,
    ended: JoinHandle<Result<(), roadstead_agent::Error>>,
}

impl Agent {
    /// An agent with its data in `folder/NAME`; not started yet.
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        Self {
            clock: Clock::default(),
            wires: Wires::default(),
            secret: None,
            features: features::ALL,
            name: name.to_owned(),
            folder: folder.to_owned(),
            running: None,
        }
    }

    /// Starts it beside a member.
    pub(crate) async fn start(&mut self, member: &Member, join: Option<&str>) -> Result<()> {
        ensure!(self.running.is_none(), "{} runs already", self.name);
        let host = Host::start(&self.name, &self.folder)?;
        let env = self.clock.env();
        let client = host.run(member.source().connect()).await??;
        let parts = roadstead_agent::Parts {
            network: Arc::new(self.wires.clone()),
            crypto: Arc::clone(&Crypto::ring(&env).provider),
            database: Folder::take(&self.data())?.opener(),
            member: client,
            join: join.map(str::parse::<JoinToken>).transpose()?,
            options: roadstead_agent::Options {
                bind: ([127, 0, 0, 1], 0).into(),
                identity_secret: self.secret.clone(),
                features: self.features,
                ..roadstead_agent::Options::default()
            },
            env,
        };
        let ended = host.spawn(roadstead_agent::run(parts, std::future::pending()))?;
        self.running = Some(Running { host, ended });
        Ok(())
    }

    /// Ends it where it stands.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let Running { host, ended } = self.running.take().context("it does not run")?;
        drop(host);
        drop(ended);
        Ok(())
    }

    /// Kills it and starts it again.
    pub(crate) async fn restart(&mut self, member: &Member) -> Result<()> {
        self.kill()?;
        self.start(member, None).await
    }

    /// Waits until it ends by itself, and gives why.
    pub(crate) async fn ended(&mut self) -> Result<roadstead_agent::Error> {
        let Running { host, ended } = self.running.take().context("it does not run")?;
        let ended = tokio::time::timeout(SOON, ended).await;
        drop(host);
        let ended = ended.context("it goes on")?.context("it panicked")?;
        ended.err().context("it ended as if it had been asked to")
    }

    /// Its folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Copies its file aside; it must not run.
    pub(crate) fn copy_to(&self, name: &str) -> Result<()> {
        ensure!(self.running.is_none(), "a file in use is not copied");
        std::fs::copy(self.data().join(FILE), self.folder.join(name))?;
        Ok(())
    }

    /// Puts a copy back in the place of its file; it must not run.
    pub(crate) fn put_back(&self, name: &str) -> Result<()> {
        ensure!(self.running.is_none(), "a file in use is not replaced");
        std::fs::create_dir_all(self.data())?;
        std::fs::copy(self.folder.join(name), self.data().join(FILE))?;
        Ok(())
    }

    /// Removes all that it had written; it must not run.
    pub(crate) fn wipe(&self) -> Result<()> {
        ensure!(self.running.is_none(), "a folder in use is not removed");
        std::fs::remove_dir_all(self.data())?;
        Ok(())
    }

    /// What it logged.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(
            self.folder.join(format!("{}.log", self.name)),
        )?)
    }

    /// Waits until it has logged something with these words.
    pub(crate) async fn until_said(&self, words: &str) -> Result<()> {
        within(SOON, &format!("the agent says {words:?}"), || async {
            Ok(self.log()?.contains(words))
        })
        .await
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.running.is_some() {
            drop(self.kill());
        }
    }
}
