//! A disruption budget holds while a cluster is drained: what one app of a policy lacks on one cluster keeps
//! another app where it runs.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::fleet::{Fleet, condition};
use roadstead_tests::process::within;
use serde_json::{Value, json};

use crate::seed::remove;
use crate::stage::{SOON, app, deployment, image, until_gone, until_runs};
use crate::{DR, EDGE, PROD};

/// The app that is to leave a cluster, and the name of the policy.
const NAME: &str = "sluice";
/// The app beside it that does not get well.
const BESIDE: &str = "lock";
const BROKEN: &str = "registry.example/web:broken";
const DECISION: &str =
    "/apis/roadstead.dev/v1alpha1/namespaces/default/decisions/deployment.apps.sluice";
/// How long nothing more may leave.
const QUIET: Duration = Duration::from_secs(4);

/// Both apps in thirds, with at most one cluster unwell.
fn policy() -> String {
    let select = |name: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name});
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "resourceSelectors": [select(NAME), select(BESIDE)],
            "placement": {
                "clusterAffinity": {"clusterNames": [PROD, DR, EDGE]},
                "replicaScheduling": {"replicaDivisionPreference": "Weighted"},
            },
            "disruptionBudget": {"maxUnavailable": 1},
        },
    })
    .to_string()
}

/// An image for the app beside, on one cluster, whose pods never get ready.
fn broken_on(cluster: &str) -> String {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": BESIDE},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": BESIDE}],
            "overrideRules": [{
                "targetClusters": {"clusterNames": [cluster]},
                "overrides": [{"path": "/spec/template/spec/containers/0/image", "value": BROKEN}],
            }],
        },
    })
    .to_string()
}

/// Waits until the decision says that the budget holds it, and because of which cluster.
async fn until_held(fleet: &Fleet, because: &str) -> Result<()> {
    within(SOON, "the decision says that the budget holds", || async {
        let placed = condition(&fleet.api.get(DECISION).await?.ok()?, "Placed");
        let says = placed.2.contains("disruption budget") && placed.2.contains(because);
        ensure!(placed.0 == "False" && says, "it says {placed:?}");
        Ok(true)
    })
    .await
}

pub(crate) async fn hold_a_drain(fleet: &Fleet) -> Result<()> {
    fleet.apply("default", &policy())?;
    fleet.apply("default", &app(NAME, 6))?;
    fleet.apply("default", &app(BESIDE, 3))?;
    let (path, beside) = (deployment(NAME), deployment(BESIDE));
    for cluster in [PROD, DR, EDGE] {
        until_runs(fleet.site(cluster)?, &path, 2).await?;
        until_runs(fleet.site(cluster)?, &beside, 1).await?;
    }
    fleet.apply("default", &broken_on(DR))?;
    let (prod, dr, edge) = (fleet.site(PROD)?, fleet.site(DR)?, fleet.site(EDGE)?);
    let broken = |o: Option<&Value>| o.is_some_and(|o| image(o) == BROKEN);
    dr.until_within(SOON, &beside, "the broken image", broken)
        .await?;
    fleet.hub.roadstead(&["drain", EDGE, "--no-wait"])?;
    // What comes up waits for nothing; what is to leave does, although all of it runs elsewhere.
    until_runs(prod, &path, 3).await?;
    until_runs(dr, &path, 3).await?;
    until_held(fleet, DR).await?;
    tokio::time::sleep(QUIET).await;
    until_runs(edge, &path, 2).await?;
    let why = fleet.hub.roadstead(&["why", "deployment", NAME])?;
    ensure!(why.contains("budget"), "{why}");
    // The way out: the other app gets well.
    let line = format!("delete overridepolicy {BESIDE} --wait=false");
    fleet.kubectl.run(&line)?;
    until_gone(edge, &path).await?;
    until_gone(edge, &beside).await?;
    let said = fleet.hub.roadstead(&["drain", EDGE, "--timeout", "60"])?;
    ensure!(said.contains("is drained"), "{said}");
    let uncordon = ["uncordon", EDGE, "--wait", "--timeout", "60"];
    fleet.hub.roadstead(&uncordon)?;
    until_runs(edge, &path, 2).await?;
    let line = format!("delete deployment {BESIDE} --wait=false");
    fleet.kubectl.run(&line)?;
    remove(fleet, NAME, &[PROD, DR, EDGE]).await
}
