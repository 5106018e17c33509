//! A change that goes out in waves: one whose first stage never gets ready goes no further and is taken
//! back, and a good one reaches all clusters.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::Fleet;
use roadstead_tests::process::within;
use serde_json::{Value, json};

use crate::seed::remove;
use crate::stage::{SOON, app, deployment, image, new_image, policy, until_runs};
use crate::{DR, EDGE, PROD};

const NAME: &str = "dock";
const ROLLOUTS: &str = "/apis/roadstead.dev/v1alpha1/namespaces/default/rollouts";
const GOOD: &str = "registry.example/web:1";
const BROKEN: &str = "registry.example/web:broken";
const BETTER: &str = "registry.example/web:2";

/// The phases of the policy's rollouts, the oldest first.
async fn phases(fleet: &Fleet) -> Result<Vec<String>> {
    let list = fleet.api.get(ROLLOUTS).await?.ok()?;
    let all = list.get("items").and_then(Value::as_array);
    let ours = all.into_iter().flatten();
    let ours = ours.filter(|o| text(o, "/spec/policy/name") == NAME);
    let number = |o: &Value| o.pointer("/spec/number").and_then(Value::as_u64);
    let mut phases: Vec<_> = ours
        .map(|o| (number(o), text(o, "/status/phase").to_owned()))
        .collect();
    phases.sort();
    Ok(phases.into_iter().map(|(_, phase)| phase).collect())
}

async fn until_phase(fleet: &Fleet, wanted: &str) -> Result<()> {
    within(SOON, &format!("the newest rollout is {wanted}"), || async {
        let phases = phases(fleet).await?;
        ensure!(
            phases.last().map(String::as_str) == Some(wanted),
            "{phases:?}"
        );
        Ok(true)
    })
    .await
}

async fn images(fleet: &Fleet, clusters: &[&str]) -> Result<Vec<String>> {
    let mut images = Vec::new();
    for cluster in clusters {
        let object = fleet.site(cluster)?.object(&deployment(NAME)).await?;
        images.push(object.as_ref().map(image).unwrap_or_default().to_owned());
    }
    Ok(images)
}

pub(crate) async fn stage_by_stage(fleet: &Fleet) -> Result<()> {
    let rollout = json!({
        "stages": [{"name": "canary", "clusterAffinity": {"clusterNames": [DR]}}],
        "progressDeadlineSeconds": 8, "onFailure": "Rollback",
    });
    let spec = json!({
        "placement": {"clusterAffinity": {"clusterNames": [PROD, DR, EDGE]}},
        "rollout": rollout,
    });
    let path = deployment(NAME);
    fleet.apply("default", &policy(NAME, ("apps/v1", "Deployment"), spec))?;
    fleet.apply("default", &app(NAME, 2))?;
    for cluster in [DR, PROD, EDGE] {
        until_runs(fleet.site(cluster)?, &path, 2).await?;
    }
    until_phase(fleet, "Succeeded").await?;
    // The first stage never gets ready: nobody else gets it, and then the first one has it no more.
    new_image(fleet, &path, BROKEN).await?;
    let site = fleet.site(DR)?;
    let broken = |o: Option<&Value>| o.is_some_and(|o| image(o) == BROKEN);
    site.until_within(SOON, &path, "the broken image", broken)
        .await?;
    until_phase(fleet, "RolledBack").await?;
    ensure!(images(fleet, &[PROD, EDGE]).await? == [GOOD, GOOD]);
    let back = |o: Option<&Value>| o.is_some_and(|o| image(o) == GOOD);
    site.until_within(SOON, &path, "the good image", back)
        .await?;
    until_runs(site, &path, 2).await?;
    // The hub's own object says what people wrote, and that is not tried again.
    let template = fleet.api.get(&path).await?.ok()?;
    ensure!(image(&template) == BROKEN, "{template}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(images(fleet, &[PROD, DR, EDGE]).await? == [GOOD; 3]);
    let shown = fleet.hub.roadstead(&["rollout", "status", NAME])?;
    ensure!(shown.contains("canary"), "{shown}");
    // What is better reaches all.
    new_image(fleet, &path, BETTER).await?;
    until_phase(fleet, "Succeeded").await?;
    for cluster in [DR, PROD, EDGE] {
        let object = until_runs(fleet.site(cluster)?, &path, 2).await?;
        ensure!(image(&object) == BETTER, "{cluster}: {object}");
    }
    let shown = fleet.hub.roadstead(&["rollout", "history", NAME])?;
    ensure!(
        shown.contains("RolledBack") && shown.contains("Succeeded"),
        "{shown}"
    );
    remove(fleet, NAME, &[PROD, DR, EDGE]).await
}
