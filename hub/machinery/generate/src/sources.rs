//! Where the facts come from: modules of Go's module proxy, at pinned versions.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The release of Kubernetes whose API is described.
pub(crate) const KUBERNETES: &str = "v1.36.3";
/// The same release, as its libraries count.
pub(crate) const LIBRARIES: &str = "v0.36.3";

/// The group versions that are described, core first. Adding a line and running the tool adds the
/// kinds of that version to the tables.
pub(crate) const GROUP_VERSIONS: &[&str] = &[
    "v1",
    "apps/v1",
    "batch/v1",
    "autoscaling/v2",
    "autoscaling/v1",
    "networking.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
    "storage.k8s.io/v1",
    "coordination.k8s.io/v1",
    "events.k8s.io/v1",
    "discovery.k8s.io/v1",
    "scheduling.k8s.io/v1",
    "node.k8s.io/v1",
    "certificates.k8s.io/v1",
    "resource.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1",
    "admissionregistration.k8s.io/v1",
    "apiextensions.k8s.io/v1",
    "authentication.k8s.io/v1",
    "authorization.k8s.io/v1",
];

/// The folders of the unpacked modules.
pub(crate) struct Sources {
    /// `k8s.io/kubernetes`: OpenAPI documents and discovery documents.
    pub(crate) kubernetes: PathBuf,
    /// Import path and folder of each module with API types.
    pub(crate) libraries: Vec<(&'static str, PathBuf)>,
}

impl Sources {
    /// Downloads what is not in the module cache yet.
    pub(crate) fn fetch() -> anyhow::Result<Self> {
        let libraries = [
            "k8s.io/api",
            "k8s.io/apimachinery",
            "k8s.io/apiextensions-apiserver",
        ];
        Ok(Self {
            kubernetes: module("k8s.io/kubernetes", KUBERNETES)?,
            libraries: libraries
                .into_iter()
                .map(|name| Ok((name, module(name, LIBRARIES)?)))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

fn module(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let out = Command::new("go")
        .args(["mod", "download", "-json", &format!("{name}@{version}")])
        .output()
        .context("failed to run go")?;
    ensure!(
        out.status.success(),
        "failed to download {name}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    let answer: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    let dir = answer["Dir"].as_str().context("go named no folder")?;
    Ok(PathBuf::from(dir))
}
