//! A taint drives away what does not tolerate it, and replicas come up elsewhere.

use anyhow::{Result, ensure};
use roadstead_tests::fleet::Fleet;
use serde_json::json;

use crate::seed::remove;
use crate::stage::{app, deployment, policy, until_gone, until_runs};
use crate::{DR, EDGE, PROD};

const TAINT: &str = "maintenance=soon:NoExecute";

pub(crate) async fn drive_away(fleet: &Fleet) -> Result<()> {
    let (moves, stays) = ("ferry", "buoy");
    let clusters = json!({"clusterNames": [PROD, EDGE]});
    let scheduling = json!({"replicaDivisionPreference": "Weighted"});
    let kind = ("apps/v1", "Deployment");
    let placement = json!({"clusterAffinity": clusters, "replicaScheduling": scheduling});
    fleet.apply(
        "default",
        &policy(moves, kind, json!({"placement": placement})),
    )?;
    let tolerations = json!([{"key": "maintenance", "operator": "Exists"}]);
    let placement = json!({"clusterAffinity": clusters, "clusterTolerations": tolerations});
    fleet.apply(
        "default",
        &policy(stays, kind, json!({"placement": placement})),
    )?;
    fleet.apply("default", &app(moves, 8))?;
    fleet.apply("default", &app(stays, 2))?;
    let (prod, edge) = (fleet.site(PROD)?, fleet.site(EDGE)?);
    for site in [prod, edge] {
        until_runs(site, &deployment(moves), 4).await?;
        until_runs(site, &deployment(stays), 2).await?;
    }
    fleet.hub.roadstead(&["taint", EDGE, TAINT])?;
    until_runs(prod, &deployment(moves), 8).await?;
    until_gone(edge, &deployment(moves)).await?;
    until_runs(edge, &deployment(stays), 2).await?;
    let why = fleet.hub.roadstead(&["why", "deployment", moves])?;
    ensure!(why.contains(EDGE) && why.contains("maintenance"), "{why}");
    let elsewhere = fleet.site(DR)?.object(&deployment(moves)).await?;
    ensure!(elsewhere.is_none(), "{DR} was never chosen");
    // Lifted, it is shared out as the policy says.
    fleet
        .hub
        .roadstead(&["taint", EDGE, "maintenance:NoExecute-"])?;
    for site in [prod, edge] {
        until_runs(site, &deployment(moves), 4).await?;
    }
    remove(fleet, moves, &[PROD, EDGE]).await?;
    remove(fleet, stays, &[PROD, EDGE]).await
}
