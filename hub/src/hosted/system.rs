//! Hosted agents of a real hub: their disks are folders beside its own, their clusters are reached over
//! the network.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kube::config::{KubeConfigOptions, Kubeconfig};
use roadstead_agent::Opener;
use roadstead_agent::store::OpenError;
use roadstead_agent::store::file::Folder;
use roadstead_protocol::env::BoxFuture;
use roadstead_protocol::host::system;
use roadstead_protocol::seal::Keyring;

use super::{AGENTS_CALL_WITHIN, Disks, HOSTED_MAX, Hosting, Members};

/// The folder of all of them, in the hub's data folder.
const FOLDER: &str = "hosted";
/// How long a cluster has to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(8);

/// What a hub process with this data folder hosts agents with.
pub fn hosting(data_dir: &Path) -> Hosting {
    sealed(data_dir, Keyring::default())
}

/// As [`hosting`], with disks that are sealed with these keys.
pub fn sealed(data_dir: &Path, keyring: Keyring) -> Hosting {
    Hosting {
        disks: Arc::new(Folders {
            root: data_dir.join(FOLDER),
            keyring,
        }),
        members: Arc::new(Clusters),
        max: HOSTED_MAX,
        calls_within: AGENTS_CALL_WITHIN,
    }
}

struct Folders {
    root: PathBuf,
    keyring: Keyring,
}

impl Folders {
    /// The folder of a cluster. A uid comes from the hub itself; whatever else it were, it stays
    /// one segment of a path.
    fn of(&self, uid: &str) -> PathBuf {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        self.root.join(uid.chars().map(plain).collect::<String>())
    }
}

impl Disks for Folders {
    fn is_there(&self, uid: &str) -> bool {
        self.of(uid).is_dir()
    }

    fn take(&self, uid: &str) -> Result<Opener, OpenError> {
        let folder = Folder::take(&self.of(uid))?;
        Ok(folder.renewed(&system::env(), &self.keyring)?.opener())
    }

    fn keyring(&self) -> Keyring {
        self.keyring.clone()
    }

    fn forget(&self, uid: &str) {
        let folder = self.of(uid);
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "what is left of a detached cluster could not be removed");
            }
        }
    }
}

struct Clusters;

impl Members for Clusters {
    fn client(&self, kubeconfig: Bytes) -> BoxFuture<Result<kube::Client, String>> {
        Box::pin(async move {
            let text = std::str::from_utf8(&kubeconfig).map_err(|e| e.to_string())?;
            let read = Kubeconfig::from_yaml(text).map_err(|e| crate::chain(&e))?;
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(read, &options).await;
            let mut config = config.map_err(|e| crate::chain(&e))?;
            config.connect_timeout = Some(CONNECT_WITHIN);
            kube::Client::try_from(config).map_err(|e| crate::chain(&e))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_one_folder_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let disks = Folders {
            root: folder.path().join(FOLDER),
            keyring: Keyring::default(),
        };
        let uid = "../../x";
        assert!(!disks.is_there(uid));
        let opener = disks.take(uid).unwrap();
        assert!(disks.is_there(uid) && disks.take(uid).is_err());
        drop(opener);
        disks.forget(uid);
        disks.forget(uid);
        assert!(!disks.is_there(uid) && folder.path().is_dir());
    }
}
