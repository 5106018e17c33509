//! Real Kubernetes control planes: found through `KUBEBUILDER_ASSETS`, or built from the Go module
//! proxy into the cache (some five minutes on two cores, once; a minute more for kwok, which stands in
//! for the kubelets of tests that want pods to run).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache;

/// The release that is built.
pub const KUBERNETES: &str = "1.36.3";
/// The release of kwok that is built; the same as in its module.
pub const KWOK: &str = "0.8.0";
/// What makes of a real API server a cluster on which pods run.
const RUNNING: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kwok"];

/// Where the programs of a control plane are.
#[derive(Clone, Debug)]
pub struct Assets {
    /// The first that has a program is where it is taken from.
    folders: Vec<PathBuf>,
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
            return Ok(Self {
                folders: vec![folder],
            });
        }
        go().context("KUBEBUILDER_ASSETS is not set")?;
        let folder = cache::once(&format!("kube-{KUBERNETES}"), build)?;
        Ok(Self {
            folders: vec![folder],
        })
    }

    /// As [`find`](Self::find), with controller-manager, scheduler and kwok. Those that
    /// `KUBEBUILDER_ASSETS` lacks (as it usually does) are built; where it lacks controllers all of
    /// the control plane is, so that its parts are of one release.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn running() -> Result<Self> {
        let mut assets = Self::find()?;
        let [controllers, scheduler, kwok] = RUNNING.map(|name| assets.program(name).is_some());
        if !controllers || !scheduler {
            go().context("KUBEBUILDER_ASSETS has no kube-controller-manager or kube-scheduler")?;
            let built = cache::once(&format!("kube-{KUBERNETES}"), build)?;
            assets.folders.insert(0, built);
        }
        if !kwok {
            go().context("there is no kwok")?;
            let built = cache::once(&format!("kwok-{KWOK}"), build_kwok)?;
            assets.folders.push(built);
        }
        Ok(assets)
    }

    /// The path of a program; `None` where these assets lack it (`KUBEBUILDER_ASSETS` has no
    /// controller-manager).
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let mut places = self.folders.iter().map(|folder| folder.join(name));
        places.find(|p| p.is_file())
    }
}

/// What becomes of nodes and pods on clusters with kwok.
pub fn stages() -> PathBuf {
    modules().join("kwok/stages.yaml")
}

/// The Go modules of what is built.
fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kube")
}

/// Whether there is a Go that can build it all.
fn go() -> Result<()> {
    let version = cache::run(Command::new("go").args(["env", "GOVERSION"]))
        .context("there is no Go to build it with")?;
    anyhow::ensure!(
        recent(&version),
        "Go 1.26 or later is needed, this is {}",
        version.trim()
    );
    Ok(())
}

/// Whether `go env GOVERSION` says 1.26 or later.
fn recent(version: &str) -> bool {
    let mut parts = version.trim().trim_start_matches("go").split('.');
    let mut next = || parts.next().and_then(|p| p.parse::<u32>().ok());
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= (1, 26))
}

/// Builds `packages` of a module into a file or folder.
fn compile(module: &Path, flags: &str, packages: &[&str], output: &Path) -> Result<()> {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .args(["build", "-trimpath", "-ldflags", flags, "-o"]);
    cache::run(command.arg(output).args(packages))?;
    Ok(())
}

fn build(into: &Path) -> Result<()> {
    let modules = modules();
    compile(
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
    compile(&modules, &flags, &packages, Path::new(&folder))
}

fn build_kwok(into: &Path) -> Result<()> {
    let package = ["sigs.k8s.io/kwok/cmd/kwok"];
    compile(
        &modules().join("kwok"),
        "-s -w",
        &package,
        &into.join("kwok"),
    )
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
