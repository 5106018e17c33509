//! The seed's policies as they are: 20 replicas by 90/10, one of them pinned; and what follows when
//! people scale it or roll it out.

use anyhow::{Result, ensure};
use roadstead_tests::fleet::Fleet;
use serde_json::{Value, json};

use crate::stage::{
    POLICIES, app, deployment, new_image, pods, policy, until_gone, until_is, until_runs,
};
use crate::{DR, EDGE, PROD};

const POLICY: &str = include_str!("given/distribution-policy.yaml");
const APP: &str = include_str!("../../../deploy/examples/app.yaml");
const NAME: &str = "example-app";

/// Waits until the app runs with these replicas on the two clusters, and with their sum on the hub.
async fn until_shares(fleet: &Fleet, shares: [u64; 2]) -> Result<()> {
    let path = deployment(NAME);
    for (name, share) in [PROD, DR].into_iter().zip(shares) {
        until_runs(fleet.site(name)?, &path, share).await?;
    }
    let sum: u64 = shares.iter().sum();
    let line = format!(
        "wait deployment/{NAME} --for=jsonpath={{.status.readyReplicas}}={sum} --timeout=60s"
    );
    fleet.kubectl.run(&line)?;
    Ok(())
}

pub(crate) async fn applied(fleet: &Fleet) -> Result<()> {
    fleet.apply("default", POLICY)?;
    fleet.apply("default", APP)?;
    until_shares(fleet, [18, 1]).await?;
    for (name, share) in [(PROD, 18), (DR, 1), (EDGE, 0)] {
        let pods = pods(fleet.site(name)?, NAME, "registry.example/web:1").await?;
        ensure!(pods == (share, 0), "{name}: {pods:?} pods");
    }
    // One command says that it is there, also where a number is pinned.
    let line = format!("wait deployment/{NAME} --for=condition=Available --timeout=60s");
    fleet.kubectl.run(&line)?;
    let line = format!("rollout status deployment/{NAME} --timeout=60s");
    fleet.kubectl.run(&line)?;
    let policy = format!("{POLICIES}/example-distribution");
    for kind in ["Valid", "Placed", "Ready"] {
        until_is(fleet, &policy, kind, "True").await?;
    }
    Ok(())
}

pub(crate) async fn scaled(fleet: &Fleet) -> Result<()> {
    for (all, shares) in [(60, [54, 1]), (10, [9, 1])] {
        let line = format!("scale deployment {NAME} --replicas={all}");
        fleet.kubectl.run(&line)?;
        until_shares(fleet, shares).await?;
    }
    fleet
        .kubectl
        .run(&format!("delete deployment {NAME} --wait=false"))?;
    for name in [PROD, DR] {
        until_gone(fleet.site(name)?, &deployment(NAME)).await?;
    }
    let kinds = "distributionpolicy/example-distribution overridepolicy/example-override";
    fleet.kubectl.run(&format!("delete {kinds} --wait=false"))?;
    Ok(())
}

/// `kubectl rollout status` on the hub ends when the new pods run on every cluster, and not before.
pub(crate) async fn rolled_out(fleet: &Fleet) -> Result<()> {
    let name = "harbour";
    let halves = json!({"placement": {
        "clusterAffinity": {"clusterNames": [PROD, EDGE]},
        "replicaScheduling": {"replicaDivisionPreference": "Weighted"},
    }});
    fleet.apply("default", &policy(name, ("apps/v1", "Deployment"), halves))?;
    fleet.apply("default", &app(name, 10))?;
    let status = format!("rollout status deployment/{name} --timeout=60s");
    fleet.kubectl.run(&status)?;
    for turn in 2..5 {
        let image = format!("registry.example/web:{turn}");
        new_image(fleet, &deployment(name), &image).await?;
        fleet.kubectl.run(&status)?;
        for cluster in [PROD, EDGE] {
            let site = fleet.site(cluster)?;
            let object = site.object(&deployment(name)).await?.unwrap_or_default();
            let updated = object.pointer("/status/updatedReplicas");
            ensure!(updated == Some(&Value::from(5)), "{cluster}: {object}");
            // Old pods may still be on their way out.
            let pods = pods(site, name, &image).await?;
            ensure!(pods.0 == 5, "{cluster}: {pods:?} pods of {image}");
        }
    }
    remove(fleet, name, &[PROD, EDGE]).await
}

/// Deletes an app and its policy, and waits until it is gone.
pub(crate) async fn remove(fleet: &Fleet, name: &str, clusters: &[&str]) -> Result<()> {
    let both = format!("deployment/{name} distributionpolicy/{name}");
    fleet.kubectl.run(&format!("delete {both} --wait=false"))?;
    for cluster in clusters {
        until_gone(fleet.site(cluster)?, &deployment(name)).await?;
    }
    Ok(())
}
