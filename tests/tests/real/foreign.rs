//! An object that is there already and not ours: reported, and taken only where the policy says so.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::Fleet;
use serde_json::json;

use crate::manifests::{config_map, config_map_path, policy};
use crate::{DR, EDGE};

const PHASE: &str = "foreign";
const KIND: (&str, &str) = ("v1", "ConfigMap");

pub(crate) async fn left_alone_then_taken(fleet: &mut Fleet) -> Result<()> {
    let foreign = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"key": "theirs", "other": "kept"},
    });
    let there = "/api/v1/namespaces/default/configmaps";
    let site = fleet.site(DR)?;
    let before = site.api.create(there, &foreign).await?.ok()?;

    fleet.apply("default", &policy(PHASE, KIND, &[DR, EDGE]))?;
    fleet.apply("default", &config_map(PHASE, "settings", "ours"))?;
    let path = config_map_path("settings");
    let ours = |o: Option<&serde_json::Value>| o.is_some_and(|o| text(o, "/data/key") == "ours");
    fleet.site(EDGE)?.until(&path, "it is there", ours).await?;
    let decision = ("default", "configmap.settings");
    let said = fleet
        .until_decision(decision, DR, |c| text(c, "/state") == "Conflict")
        .await?;
    ensure!(
        text(&said, "/message").contains("conflictResolution: Overwrite"),
        "{said}"
    );
    let after = site.object(&path).await?;
    ensure!(after.as_ref() == Some(&before), "it was touched: {after:?}");

    // Gone from the hub: what was never ours stays.
    fleet
        .kubectl
        .run("delete configmap settings --wait=false")?;
    fleet
        .site(EDGE)?
        .until(&path, "it is gone", |o| o.is_none())
        .await?;
    let after = site.object(&path).await?;
    ensure!(after.as_ref() == Some(&before), "it was touched: {after:?}");

    fleet.apply("default", &config_map(PHASE, "settings", "ours"))?;
    fleet
        .until_decision(decision, DR, |c| text(c, "/state") == "Conflict")
        .await?;
    let take = json!({"spec": {"conflictResolution": "Overwrite"}});
    let policy = format!(
        "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies/{PHASE}"
    );
    fleet.api.merge(&policy, &take).await?.ok()?;
    let taken = site.until(&path, "it is taken", ours).await?;
    let taken = taken.unwrap_or_default();
    ensure!(text(&taken, "/data/other") == "kept", "{taken}");
    ensure!(
        text(&taken, "/metadata/uid") == text(&before, "/metadata/uid"),
        "it was replaced"
    );
    fleet
        .until_decision(decision, DR, |c| text(c, "/state") == "Applied")
        .await?;
    fleet
        .kubectl
        .run("delete configmap settings --wait=false")?;
    for name in [DR, EDGE] {
        let site = fleet.site(name)?;
        site.until(&path, "it is gone", |o| o.is_none()).await?;
    }
    Ok(())
}
