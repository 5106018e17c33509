//! Clusters that people empty, and clusters that people declare to be stopped.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::fleet::Fleet;
use serde_json::{Value, json};

use crate::seed::remove;
use crate::stage::{app, deployment, policy, until_gone, until_runs};
use crate::{DR, EDGE, PROD};

const NAME: &str = "barge";

/// An app in halves on two clusters.
async fn in_halves(fleet: &Fleet, clusters: [&str; 2], replicas: u32) -> Result<()> {
    let halves = json!({"placement": {
        "clusterAffinity": {"clusterNames": clusters},
        "replicaScheduling": {"replicaDivisionPreference": "Weighted"},
    }});
    fleet.apply("default", &policy(NAME, ("apps/v1", "Deployment"), halves))?;
    fleet.apply("default", &app(NAME, replicas))?;
    for cluster in clusters {
        let half = u64::from(replicas / 2);
        until_runs(fleet.site(cluster)?, &deployment(NAME), half).await?;
    }
    Ok(())
}

/// How many replicas are available on two clusters, looked at where they leave first.
async fn available(fleet: &Fleet, clusters: [&str; 2]) -> Result<u64> {
    let mut sum = 0;
    for cluster in clusters {
        let object = fleet.site(cluster)?.object(&deployment(NAME)).await?;
        let number = object.and_then(|o| o.pointer("/status/availableReplicas")?.as_u64());
        sum += number.unwrap_or(0);
    }
    Ok(sum)
}

/// What is drained leaves once it runs elsewhere: at no time less runs than is wanted.
pub(crate) async fn drained(fleet: &Fleet) -> Result<()> {
    in_halves(fleet, [PROD, EDGE], 8).await?;
    fleet.hub.roadstead(&["drain", EDGE, "--no-wait"])?;
    let path = deployment(NAME);
    while fleet.site(EDGE)?.object(&path).await?.is_some() {
        let runs = available(fleet, [EDGE, PROD]).await?;
        ensure!(runs >= 8, "only {runs} are available");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until_runs(fleet.site(PROD)?, &path, 8).await?;
    let said = fleet.hub.roadstead(&["drain", EDGE, "--timeout", "60"])?;
    ensure!(said.contains("is drained"), "{said}");
    fleet
        .hub
        .roadstead(&["uncordon", EDGE, "--wait", "--timeout", "60"])?;
    for cluster in [PROD, EDGE] {
        until_runs(fleet.site(cluster)?, &path, 4).await?;
    }
    remove(fleet, NAME, &[PROD, EDGE]).await
}

/// What is declared to be stopped comes up elsewhere, and what it still has goes when it is back.
pub(crate) async fn fenced(fleet: &mut Fleet) -> Result<()> {
    in_halves(fleet, [PROD, DR], 6).await?;
    fleet.agent(DR)?.kill().await?;
    fleet.hub.roadstead(&["fence", DR])?;
    let path = deployment(NAME);
    until_runs(fleet.site(PROD)?, &path, 6).await?;
    // Nothing could be taken from it, and what it has is nobody's loss.
    let there = fleet.site(DR)?.object(&path).await?;
    let replicas = there.as_ref().and_then(|o| o.pointer("/spec/replicas"));
    ensure!(replicas == Some(&Value::from(3)), "{there:?}");
    fleet.agent(DR)?.begin(None)?;
    until_gone(fleet.site(DR)?, &path).await?;
    until_runs(fleet.site(PROD)?, &path, 6).await?;
    fleet.hub.roadstead(&["fence", DR, "--lift"])?;
    fleet.until_ready(DR, "True").await?;
    fleet.hub.roadstead(&["rebalance", "deployment", NAME])?;
    for cluster in [PROD, DR] {
        until_runs(fleet.site(cluster)?, &path, 3).await?;
    }
    remove(fleet, NAME, &[PROD, DR]).await
}
