//! Every file of `deploy/examples`: real kubectl applies it as it is, strictly; the hub understands it, and
//! says so. Applied again it changes nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::{Api, text};
use roadstead_tests::hub::Hub;
use roadstead_tests::kubectl::Kubectl;
use roadstead_tests::process::eventually;
use roadstead_tests::skipped;
use serde_json::{Value, json};

/// The release of kubectl that the files are applied with.
const RELEASE: &str = "1.36";
/// Clusters that the files speak of: name, and the region that some select by.
const CLUSTERS: [(&str, &str); 4] = [
    ("cluster-prod", "eu"),
    ("cluster-dr", "eu"),
    ("cluster-gpu-a100", "us"),
    ("cluster-gpu-h100", "us"),
];
const POLICIES: [&str; 3] = [
    "/apis/policy.kurator.dev/v1alpha1/distributionpolicies",
    "/apis/policy.kurator.dev/v1alpha1/overridepolicies",
    "/apis/apps.kurator.dev/v1alpha1/distributionpolicies",
];
/// Reasons of a condition that say that what was written means nothing.
const MEANINGLESS: [&str; 6] = [
    "Unreadable",
    "UnknownKinds",
    "UnknownClusters",
    "AmbiguousName",
    "OverrideFailed",
    "ZeroWeights",
];

fn files() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let entries = std::fs::read_dir(&folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    files.sort();
    Ok(files)
}

/// What policies say of themselves, once each has said something.
async fn meaningless(api: &Api) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in POLICIES {
        let list = api.get(path).await?.ok()?;
        for policy in list["items"].as_array().into_iter().flatten() {
            let conditions = policy["status"]["conditions"].as_array();
            let conditions = conditions.with_context(|| format!("{policy} says nothing"))?;
            let bad = |c: &&Value| MEANINGLESS.contains(&text(c, "/reason"));
            found.extend(conditions.iter().filter(bad).map(ToString::to_string));
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_taken_and_understood() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await.unwrap();
    let kubectl = match Kubectl::new(RELEASE, &hub.kubeconfig(), folder.path()) {
        Ok(kubectl) => kubectl,
        Err(error) => {
            return skipped(
                "every_example_is_taken_and_understood",
                &format!("{error:#}"),
            );
        }
    };
    all(&hub, &kubectl).await.unwrap();
}

async fn all(hub: &Hub, kubectl: &Kubectl) -> Result<()> {
    let api = hub.api().await?;
    for (name, region) in CLUSTERS {
        let cluster = json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
            "metadata": {"name": name}, "spec": {"region": region},
        });
        let path = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
        api.create(path, &cluster).await?.ok()?;
    }
    let files = files()?;
    ensure!(files.len() >= 12, "{files:?}");
    for file in files {
        let path = file.display();
        kubectl.run(&format!("apply --validate=strict -f {path}"))?;
        eventually(&format!("{path} is understood"), || async {
            let found = meaningless(&api).await?;
            ensure!(found.is_empty(), "{found:?}");
            Ok(true)
        })
        .await?;
        let again = kubectl.run(&format!("apply -f {path}"))?;
        let unchanged = again.lines().all(|line| line.ends_with("unchanged"));
        ensure!(unchanged, "{path}: {again}");
        // Names of policies repeat from file to file.
        kubectl.run(&format!("delete --wait=false -f {path}"))?;
    }
    Ok(())
}
