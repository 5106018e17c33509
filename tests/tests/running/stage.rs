//! What the phases share.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::{Fleet, Site, condition};
use roadstead_tests::process::within;
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long anything may take on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// Where the policies stand.
pub(crate) const POLICIES: &str =
    "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";

/// How long things took, for who reads the log.
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Says how long it took since the start.
    pub(crate) fn lap(&self, what: &str) {
        println!("{:>7} ms  {what}", self.started.elapsed().as_millis());
    }
}

/// Where a Deployment of a namespace is.
pub(crate) fn deployment_in(namespace: &str, name: &str) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
}

/// Where a Deployment is.
pub(crate) fn deployment(name: &str) -> String {
    deployment_in("default", name)
}

/// A Deployment with nothing special about it.
pub(crate) fn app(name: &str, replicas: u32) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
            },
        },
    })
    .to_string()
}

/// A policy for the object of a kind and a name; `more` is the rest of its spec.
pub(crate) fn policy(name: &str, (api, kind): (&str, &str), more: Value) -> String {
    let mut policy = json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": name},
        "spec": {"resourceSelectors": [{"apiVersion": api, "kind": kind, "name": name}]},
    });
    if let (Some(spec), Value::Object(more)) = (policy["spec"].as_object_mut(), more) {
        spec.extend(more);
    }
    policy.to_string()
}

/// Waits until a workload on a cluster has exactly so many replicas, and all of them run.
pub(crate) async fn until_runs(site: &Site, path: &str, replicas: u64) -> Result<Value> {
    let what = format!("{path} runs with {replicas} replicas");
    let number = |o: &Value, at: &str| o.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    let object = site
        .until_within(SOON, path, &what, |object| {
            object.is_some_and(|o| {
                let seen = number(o, "/status/observedGeneration");
                let all = ["replicas", "updatedReplicas", "availableReplicas"]
                    .map(|field| number(o, &format!("/status/{field}")));
                number(o, "/spec/replicas") == replicas
                    && all == [replicas; 3]
                    && seen == number(o, "/metadata/generation")
            })
        })
        .await?;
    Ok(object.unwrap_or_default())
}

/// Waits until there is nothing at a path.
pub(crate) async fn until_gone(site: &Site, path: &str) -> Result<()> {
    site.until_within(SOON, path, &format!("{path} is gone"), |o| o.is_none())
        .await?;
    Ok(())
}

/// Waits for a condition of an object on the hub.
pub(crate) async fn until_is(fleet: &Fleet, path: &str, kind: &str, status: &str) -> Result<Value> {
    within(SOON, &format!("{path} is {kind}={status}"), || async {
        let object = fleet.api.get(path).await?.ok()?;
        let found = condition(&object, kind);
        ensure!(found.0 == status, "it is {found:?}");
        Ok(true)
    })
    .await?;
    fleet.api.get(path).await?.ok()
}

/// Gives a workload another image on the hub.
pub(crate) async fn new_image(fleet: &Fleet, path: &str, image: &str) -> Result<()> {
    let patch = json!([{
        "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image,
    }]);
    let media = ("application/json-patch+json", "application/json");
    let answer = fleet.api.send("PATCH", path, media, Some(&patch)).await?;
    answer.ok()?;
    Ok(())
}

/// The image of a workload.
pub(crate) fn image(object: &Value) -> &str {
    text(object, "/spec/template/spec/containers/0/image")
}

/// How many pods with the label `app: NAME` run an image on a cluster, and how many do not.
pub(crate) async fn pods(site: &Site, name: &str, image: &str) -> Result<(usize, usize)> {
    let path = format!("/api/v1/namespaces/default/pods?labelSelector=app%3D{name}");
    let list = site.api.get(&path).await?.ok()?;
    let all = list.get("items").and_then(Value::as_array);
    let runs = |pod: &&Value| {
        let runs = condition(pod, "Ready").0 == "True";
        runs && text(pod, "/spec/containers/0/image") == image
    };
    let all: Vec<&Value> = all.into_iter().flatten().collect();
    let running = all.iter().copied().filter(runs).count();
    Ok((running, all.len() - running))
}
