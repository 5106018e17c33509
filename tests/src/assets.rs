//! Real Kubernetes control planes: found through `KUBEBUILDER_ASSETS`, or built from the Go module
//! proxy into the cache (some five minutes on two cores, once).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache;

/// The release that is built.
pub const KUBERNETES: &str = "1.36.3";

/// Where the programs of a control plane are.
#[derive(Clone, Debug)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// Finds or builds them.
    ///
    /// # Errors
    /// Says what is missing: neither `KUBEBUILDER_ASSETS` nor Go 1.26 or later.
    pub fn find() -> Result<Self> {
        if let Some(folder) = cache::variable("KUBEBUILDER_ASSETS") {
            let folder = PathBuf::from(folder);
            for program in ["kube-apiserver", "etcd"] {
                let path = folder.join(program);
                anyhow::ensure!(path.is_file(), "KUBEBUILDER_ASSETS: no {}", path.display());
            }
            return Ok(Self { folder });
        }
        let version = cache::run(Command::new("go").args(["env", "GOVERSION"])).context(
            "KUBEBUILDER_ASSETS is not set and there is no Go to build a kube-apiserver with",
        )?;
        anyhow::ensure!(
            recent(&version),
            "Go 1.26 or later is needed, this is {}",
            version.trim()
        );
        let folder = cache::once(&format!("kube-{KUBERNETES}"), build)?;
        Ok(Self { folder })
    }

    /// The path of a program; `None` where these assets lack it (`KUBEBUILDER_ASSETS` has no
    /// controller-manager).
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join(name)).filter(|p| p.is_file())
    }
}

/// Whether `go env GOVERSION` says 1.26 or later.
fn recent(version: &str) -> bool {
    let mut parts = version.trim().trim_start_matches("go").split('.');
    let mut next = || parts.next().and_then(|p| p.parse::<u32>().ok());
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= (1, 26))
}

fn build(into: &Path) -> Result<()> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("kube");
    let go = |module: &Path, flags: &str, packages: &[&str], output: &Path| {
        let mut command = Command::new("go");
        command
            .current_dir(module)
            .args(["build", "-trimpath", "-ldflags", flags, "-o"]);
        cache::run(command.arg(output).args(packages))
    };
    go(
        &modules.join("etcd"),
        "-s -w",
        &["go.etcd.io/etcd/server/v3"],
        &into.join("etcd"),
    )?;
    let (major, minor) = ("1", KUBERNETES.split('.').nth(1).unwrap_or_default());
    let version = "k8s.io/component-base/version";
    let flags = format!(
        "-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    );
    let packages = [
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler",
    ];
    let mut folder = into.as_os_str().to_owned();
    folder.push("/");
    go(&modules, &flags, &packages, Path::new(&folder))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions() {
        let check =
            |version: &str, expected: bool| assert_eq!(recent(version), expected, "{version}");
        check("go1.26.8\n", true);
        check("go1.25.1", false);
        check("go2.0", true);
        check("devel", false);
    }
}
