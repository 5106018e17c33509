//! What a member refuses is that object's own trouble, in the API server's words.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::Fleet;
use serde_json::Value;

use crate::manifests::{config_map, config_map_path, policy};
use crate::{Clock, DR, EDGE};

/// A Deployment whose Pods a member's API server would never let end.
const DEPLOYMENT: &str = "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: never-restarts
  labels: {phase: invalid}
spec:
  selector:
    matchLabels: {app: never-restarts}
  template:
    metadata:
      labels: {app: never-restarts}
    spec:
      restartPolicy: Never
      containers: [{name: web, image: registry.example/web:1}]
";

const BUDGET: &str = "---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: budget
  labels: {phase: kind}
spec:
  minAvailable: 1
  selector:
    matchLabels: {app: example-app}
";

pub(crate) async fn invalid(fleet: &mut Fleet) -> Result<()> {
    fleet.apply(
        "default",
        &policy("invalid", ("apps/v1", "Deployment"), &[DR]),
    )?;
    fleet.apply("default", &policy("fine", ("v1", "ConfigMap"), &[DR]))?;
    fleet.apply("default", DEPLOYMENT)?;
    let said = fleet
        .until_decision(("default", "deployment.apps.never-restarts"), DR, |c| {
            text(c, "/state") == "Failed"
        })
        .await?;
    let message = text(&said, "/message");
    ensure!(
        message.contains("spec.template.spec.restartPolicy: Unsupported value: \"Never\""),
        "{said}"
    );
    // While it fails, over and over, others get through as ever.
    let site = fleet.site(DR)?;
    let clock = Clock::start();
    for index in 0..20 {
        fleet.apply(
            "default",
            &config_map("fine", &format!("fine-{index}"), "x"),
        )?;
    }
    for index in 0..20 {
        let path = config_map_path(&format!("fine-{index}"));
        site.until(&path, "it is there", |o| o.is_some()).await?;
    }
    clock.lap("20 ConfigMaps beside an invalid Deployment, by kubectl");
    fleet
        .kubectl
        .run("delete deployment never-restarts --wait=false")?;
    fleet
        .kubectl
        .run("delete configmap -l phase=fine --wait=false")?;
    for index in 0..20 {
        let path = config_map_path(&format!("fine-{index}"));
        site.until(&path, "it is gone", |o| o.is_none()).await?;
    }
    Ok(())
}

pub(crate) async fn kind_not_served(fleet: &mut Fleet) -> Result<()> {
    let kind = ("policy/v1", "PodDisruptionBudget");
    fleet.apply("default", &policy("kind", kind, &[DR, EDGE]))?;
    fleet.apply("default", BUDGET)?;
    let path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/budget";
    let site = fleet.site(DR)?;
    site.until(path, "it is there", |o| o.is_some()).await?;
    // Where it is not served it is not given.
    let decision = "/apis/roadstead.dev/v1alpha1/namespaces/default/decisions";
    let decision = format!("{decision}/poddisruptionbudget.policy.budget");
    let said = fleet.api.get(&decision).await?.ok()?;
    let refused = said.pointer("/status/refused").and_then(Value::as_array);
    let missing = refused.into_iter().flatten().find(|r| {
        let edge = Value::from(format!("default/{EDGE}"));
        text(r, "/reason") == "ApiMissing" && r.pointer("/samples/0") == Some(&edge)
    });
    ensure!(missing.is_some(), "{said}");
    fleet
        .kubectl
        .run("delete poddisruptionbudget budget --wait=false")?;
    site.until(path, "it is gone", |o| o.is_none()).await?;
    Ok(())
}
