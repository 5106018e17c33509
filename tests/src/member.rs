//! A simulated member cluster as a process.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::api::Api;
use crate::hub::binary;
use crate::process::{Process, Surroundings, eventually};

/// A simulated member. Dropped: killed.
pub struct Member {
    kubeconfig: PathBuf,
    _process: Process,
}

impl Member {
    /// Starts one with its keys in `folder/member`, and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or does not become ready.
    pub async fn start(folder: &Path) -> Result<Self> {
        Self::start_in(folder, &Surroundings::default(), "127.0.0.1").await
    }

    /// As [`start`](Self::start), in other surroundings and at an address of theirs.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_in(folder: &Path, around: &Surroundings, address: &str) -> Result<Self> {
        let data = folder.join("member");
        let mut command = around.command(&binary("roadstead")?);
        command
            .args(["simulated-member", "--listen", &format!("{address}:0")])
            .arg("--data-dir")
            .arg(&data);
        let process = Process::start("member", folder, &mut command)?;
        let kubeconfig = data.join("admin.kubeconfig");
        eventually("the simulated member is ready", || async {
            let answer = Api::of(&kubeconfig).await?.get("/readyz").await?;
            Ok(answer.code == 200)
        })
        .await?;
        Ok(Self {
            kubeconfig,
            _process: process,
        })
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}
