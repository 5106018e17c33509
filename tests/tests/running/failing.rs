//! Failover and return: what an agent says does not run comes up elsewhere, and so does what a silent
//! cluster has where it may run twice; where nobody asked for it, nothing moves.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::fleet::{Fleet, Site};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::seed::remove;
use crate::stage::{app, deployment, new_image, policy, until_gone, until_runs};
use crate::{DR, EDGE, PROD};

/// What stops on one cluster.
const STOPS: &str = "tug";
/// What a silent cluster has, and may run twice.
const TWICE: &str = "skiff";
/// What a silent cluster has, and nobody asked to move.
const STAYS: &str = "raft";
/// For how long a failure has to last; the shortest that may be asked for.
const TOLERATED: Duration = Duration::from_secs(60);
/// How long after its agent's end a cluster may still count as heard of.
const SILENT_AFTER: Duration = Duration::from_secs(45);

/// An app in halves of two on two clusters, which fails over like this.
async fn in_halves(
    fleet: &Fleet,
    name: &str,
    clusters: [&str; 2],
    failover: Option<Value>,
) -> Result<()> {
    let mut more = json!({"placement": {
        "clusterAffinity": {"clusterNames": clusters},
        "replicaScheduling": {"replicaDivisionPreference": "Weighted"},
    }});
    if let Some(failover) = failover {
        more["failover"] = failover;
    }
    fleet.apply("default", &policy(name, ("apps/v1", "Deployment"), more))?;
    fleet.apply("default", &app(name, 4))?;
    for cluster in clusters {
        until_runs(fleet.site(cluster)?, &deployment(name), 2).await?;
    }
    Ok(())
}

/// Whether the cluster's nodes take pods.
async fn opened(site: &Site, open: bool) -> Result<()> {
    let path = "/api/v1/nodes/general";
    let closed = json!({"spec": {"unschedulable": !open}});
    site.api.merge(path, &closed).await?.ok()?;
    Ok(())
}

/// How many replicas an app is to have on a cluster now.
async fn wanted(fleet: &Fleet, cluster: &str, name: &str) -> Result<u64> {
    let object = fleet.site(cluster)?.object(&deployment(name)).await?;
    let object = object.with_context(|| format!("{name} is not on {cluster}"))?;
    let replicas = object.pointer("/spec/replicas").and_then(Value::as_u64);
    replicas.context("no replicas")
}

pub(crate) async fn over_and_back(fleet: &mut Fleet) -> Result<()> {
    let seconds = TOLERATED.as_secs();
    let stops = json!({"application": {"decisionConditions": {"tolerationSeconds": seconds}}});
    in_halves(fleet, STOPS, [PROD, EDGE], Some(stops)).await?;
    let twice = json!({"cluster": {"tolerationSeconds": seconds, "allowDuplicates": true}});
    in_halves(fleet, TWICE, [PROD, DR], Some(twice)).await?;
    in_halves(fleet, STAYS, [PROD, DR], None).await?;

    let began = Instant::now();
    fleet.agent(DR)?.kill().await?;
    let edge = fleet.site(EDGE)?;
    opened(edge, false).await?;
    let pods = format!("/api/v1/namespaces/default/pods?labelSelector=app%3D{STOPS}");
    edge.api.delete(&pods, None).await?.ok()?;

    // Not before its time.
    sleep_until(began + TOLERATED * 3 / 4).await;
    for name in [STOPS, TWICE, STAYS] {
        let replicas = wanted(fleet, PROD, name).await?;
        ensure!(replicas == 2, "{name} moved at once: {replicas}");
    }
    sleep_until(began + TOLERATED).await;
    stopped(fleet).await?;
    sleep_until(began + SILENT_AFTER + TOLERATED).await;
    silent(fleet).await?;
    for (name, clusters) in [
        (STOPS, [PROD, EDGE]),
        (TWICE, [PROD, DR]),
        (STAYS, [PROD, DR]),
    ] {
        remove(fleet, name, &clusters).await?;
    }
    Ok(())
}

/// It runs elsewhere, has left where it did not, and goes back once it is another.
async fn stopped(fleet: &Fleet) -> Result<()> {
    let path = deployment(STOPS);
    let (prod, edge) = (fleet.site(PROD)?, fleet.site(EDGE)?);
    until_runs(prod, &path, 4).await?;
    until_gone(edge, &path).await?;
    let why = fleet.hub.roadstead(&["why", "deployment", STOPS])?;
    ensure!(why.contains("failed over"), "{why}");
    opened(edge, true).await?;
    new_image(fleet, &path, "registry.example/web:2").await?;
    for site in [prod, edge] {
        until_runs(site, &path, 2).await?;
    }
    Ok(())
}

/// It runs twice until the cluster is back, and shares again once that has stayed for some time.
async fn silent(fleet: &mut Fleet) -> Result<()> {
    let path = deployment(TWICE);
    until_runs(fleet.site(PROD)?, &path, 4).await?;
    until_runs(fleet.site(DR)?, &path, 2).await?;
    ensure!(
        wanted(fleet, PROD, STAYS).await? == 2,
        "nobody asked for that"
    );
    fleet.agent(DR)?.begin(None)?;
    fleet.until_ready(DR, "True").await?;
    let back = Instant::now();
    until_gone(fleet.site(DR)?, &path).await?;
    until_runs(fleet.site(PROD)?, &path, 4).await?;
    until_runs(fleet.site(DR)?, &deployment(STAYS), 2).await?;
    sleep_until(back + TOLERATED).await;
    for cluster in [PROD, DR] {
        until_runs(fleet.site(cluster)?, &path, 2).await?;
    }
    Ok(())
}
