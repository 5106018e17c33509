//! Deleting a template removes what it put there, and only that.

use anyhow::{Result, ensure};
use roadstead_tests::fleet::Fleet;
use serde_json::json;

use crate::manifests::DEPLOYMENT;
use crate::{Clock, DR, EDGE, PROD};

pub(crate) async fn by_tombstone(fleet: &mut Fleet) -> Result<()> {
    let bystander = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "bystander", "labels": {"app": "example-app"}},
    });
    for site in fleet.sites() {
        let path = "/api/v1/namespaces/default/configmaps";
        site.api.create(path, &bystander).await?.ok()?;
    }
    let mut before = Vec::new();
    for site in fleet.sites() {
        let versions = site.versions().await?;
        before.push(
            versions
                .into_iter()
                .filter(|v| !v.contains("example-app"))
                .collect(),
        );
    }
    let before: Vec<Vec<String>> = before;
    fleet
        .kubectl
        .run("delete deployment example-app --wait=false")?;
    let clock = Clock::start();
    for name in [PROD, DR] {
        let site = fleet.site(name)?;
        site.until(DEPLOYMENT, "the app is gone", |o| o.is_none())
            .await?;
        clock.lap(&format!("deleted on the hub: gone from {name}"));
    }
    for (site, before) in fleet.sites().iter().zip(&before) {
        let after = site.versions().await?;
        ensure!(
            after == *before,
            "{}: {before:?} became {after:?}",
            site.name
        );
    }
    let edge = fleet.site(EDGE)?.object(DEPLOYMENT).await?;
    ensure!(edge.is_none(), "it appeared on {EDGE}");
    Ok(())
}
