//! The README's chapters, as their readers use them: every YAML block is applied to a hub with real
//! kubectl, and does what the chapter says. What happens on members is tested elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use roadstead_tests::api::{Api, text};
use roadstead_tests::hub::Hub;
use roadstead_tests::kubectl::Kubectl;
use roadstead_tests::process::eventually;
use roadstead_tests::skipped;
use serde_json::{Value, json};

const README: &str = include_str!("../../README.md");
/// The release of kubectl that the chapters are tried with.
const RELEASE: &str = "1.36";
/// A cluster: name, region, labels.
type Described = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);
/// Clusters that the chapters speak of.
const CLUSTERS: &[Described] = &[
    ("cluster-prod", "eu", &[("stage", "prod")]),
    ("cluster-dr", "us", &[("stage", "prod"), ("mirror", "true")]),
    ("edge-9", "eu", &[("stage", "prod")]),
    ("gpu-a100", "eu", &[]),
    ("gpu-h100", "us", &[]),
];
/// Reasons of a condition that say that what was written is not understood.
const MISUNDERSTOOD: &[&str] = &[
    "Unreadable",
    "UnknownClusters",
    "AmbiguousCluster",
    "NotRendered",
    "BadReplicas",
    "ZeroWeights",
];
/// Templates that the chapters' policies distribute, and who gets them while no agent has been heard of:
/// where there is a choice, nobody does.
const PLACED: &[(&str, &[&str])] = &[
    ("ConfigMap settings", &["cluster-prod"]),
    ("Deployment web", &[]),
    ("Deployment shared", &[]),
    ("Deployment inference", &[]),
    ("Deployment orders", &[]),
    ("Deployment resilient", &[]),
];

/// The YAML blocks, by the heading that they stand under.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let mut heading = "";
    let mut rest = README;
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        if let Some(title) = line.strip_prefix("## ") {
            heading = title;
        }
        if line == "```yaml"
            && let Some((block, after)) = rest.split_once("\n```")
        {
            found.push((heading, block));
            rest = after;
        }
    }
    found
}

/// An application whose containers name a ConfigMap of its own name.
fn deployment(name: &str, labels: &[(&str, &str)], naming: bool) -> Value {
    let mut all: BTreeMap<&str, &str> = labels.iter().copied().collect();
    all.insert("app", name);
    let from = naming.then(|| json!([{"configMapRef": {"name": name}}]));
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": all},
        "spec": {
            "replicas": 20,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "web", "image": "registry.example/web:1", "envFrom": from.unwrap_or(json!([])),
                }]},
            },
        },
    })
}

fn map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": {"level": "1"},
    })
}

/// What the chapters' policies select.
fn templates() -> Vec<Value> {
    vec![
        deployment("web", &[], false),
        deployment("shared", &[("tier", "shared")], false),
        deployment("inference", &[], false),
        deployment("staged", &[], false),
        deployment("resilient", &[], false),
        deployment("orders", &[], true),
        map("orders"),
        map("settings"),
    ]
}

fn cluster((name, region, labels): Described) -> Value {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"region": region},
    })
}

/// The clusters of every decision, by the kind and name of its template.
async fn decisions(api: &Api) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let list = api
        .get("/apis/roadstead.dev/v1alpha1/decisions")
        .await?
        .ok()?;
    let items = list["items"].as_array().context("a list")?;
    let of = |decision: &Value| {
        let template = &decision["spec"]["template"];
        let name = format!("{} {}", text(template, "/kind"), text(template, "/name"));
        let clusters = decision["spec"]["clusters"]
            .as_array()
            .into_iter()
            .flatten();
        let clusters = clusters.map(|c| text(c, "/name").to_owned()).collect();
        (name, clusters)
    };
    Ok(items.iter().map(of).collect())
}

/// What the conditions of policies say that is not understood.
async fn misunderstood(api: &Api) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (group, plural) in [
        ("policy.kurator.dev", "distributionpolicies"),
        ("policy.kurator.dev", "overridepolicies"),
        ("apps.kurator.dev", "distributionpolicies"),
    ] {
        let list = api
            .get(&format!("/apis/{group}/v1alpha1/{plural}"))
            .await?
            .ok()?;
        for policy in list["items"].as_array().into_iter().flatten() {
            let conditions = policy["status"]["conditions"].as_array();
            let conditions =
                conditions.with_context(|| format!("{policy} has no condition yet"))?;
            let bad = |c: &&Value| MISUNDERSTOOD.contains(&text(c, "/reason"));
            found.extend(conditions.iter().filter(bad).map(ToString::to_string));
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_chapter_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await.unwrap();
    let kubectl = match Kubectl::new(RELEASE, &hub.kubeconfig(), folder.path()) {
        Ok(kubectl) => kubectl,
        Err(error) => return skipped("every_chapter_does_what_it_says", &format!("{error:#}")),
    };
    let apply = |objects: Vec<Value>| {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        kubectl.with_input("apply -f -", &list.to_string()).unwrap();
    };
    apply(CLUSTERS.iter().map(|c| cluster(*c)).collect());
    let blocks = blocks();
    assert!(blocks.len() >= 6, "{} blocks", blocks.len());
    for (chapter, block) in &blocks {
        let said = kubectl.with_input("apply --server-side -f -", block);
        said.unwrap_or_else(|e| panic!("{chapter}: {e:#}"));
    }
    apply(templates());

    let api = hub.api().await.unwrap();
    eventually("what the chapters distribute is decided", || async {
        let decided = decisions(&api).await?;
        for (name, clusters) in PLACED {
            let wanted: BTreeSet<String> = clusters.iter().map(|c| (*c).to_owned()).collect();
            let got = decided.get(*name);
            anyhow::ensure!(got == Some(&wanted), "{name} is on {got:?}");
        }
        Ok(true)
    })
    .await
    .unwrap();
    eventually("everything is understood", || async {
        let found = misunderstood(&api).await?;
        anyhow::ensure!(found.is_empty(), "{found:?}");
        Ok(true)
    })
    .await
    .unwrap();
}
