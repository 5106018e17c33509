//! An override of what never changes: that cluster refuses it and says why, what runs there goes on, and
//! the others get what is new.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::{Fleet, condition};
use roadstead_tests::process::within;
use serde_json::{Value, json};

use crate::seed::remove;
use crate::stage::{
    POLICIES, SOON, app, deployment, image, new_image, pods, policy, until_is, until_runs,
};
use crate::{DR, PROD};

const NAME: &str = "anchor";
const OLD: &str = "registry.example/web:1";
const NEW: &str = "registry.example/web:2";

/// Another selector for the pods on one cluster, and other labels for them to go with it.
fn another_selector() -> String {
    let other = |path: &str| json!({"path": path, "value": "other"});
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": NAME},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}],
            "overrideRules": [{
                "targetClusters": {"clusterNames": [DR]},
                "overrides": [
                    other("/spec/selector/matchLabels/app"),
                    other("/spec/template/metadata/labels/app"),
                ],
            }],
        },
    })
    .to_string()
}

pub(crate) async fn said(fleet: &Fleet) -> Result<()> {
    let both = json!({"placement": {"clusterAffinity": {"clusterNames": [PROD, DR]}}});
    fleet.apply("default", &policy(NAME, ("apps/v1", "Deployment"), both))?;
    fleet.apply("default", &app(NAME, 2))?;
    let path = deployment(NAME);
    let (prod, dr) = (fleet.site(PROD)?, fleet.site(DR)?);
    until_runs(prod, &path, 2).await?;
    let before = until_runs(dr, &path, 2).await?;
    fleet.apply("default", &another_selector())?;
    new_image(fleet, &path, NEW).await?;
    let refused = |c: &Value| text(c, "/state") == "Failed";
    let at = ("default", "deployment.apps.anchor");
    let seen = fleet.until_decision(at, DR, refused).await?;
    ensure!(
        text(&seen, "/message").contains("field is immutable"),
        "{seen}"
    );
    // The policy says so, with the cluster, in one condition.
    let at = format!("{POLICIES}/{NAME}");
    within(
        SOON,
        "the policy names the cluster and the field",
        || async {
            let ready = condition(&fleet.api.get(&at).await?.ok()?, "Ready");
            let says = ["False", DR, "selector", "immutable"];
            let all = format!("{} {}", ready.0, ready.2);
            ensure!(says.iter().all(|word| all.contains(word)), "{ready:?}");
            Ok(true)
        },
    )
    .await?;
    let object = until_runs(prod, &path, 2).await?;
    ensure!(image(&object) == NEW, "{PROD}: {object}");
    // What runs there is the very one, as it was.
    let now = until_runs(dr, &path, 2).await?;
    let uid = |object: &Value| text(object, "/metadata/uid").to_owned();
    ensure!(image(&now) == OLD && uid(&now) == uid(&before), "{now}");
    ensure!(
        pods(dr, NAME, OLD).await? == (2, 0),
        "its pods were touched"
    );
    // The way out: the override goes.
    fleet
        .kubectl
        .run(&format!("delete overridepolicy {NAME} --wait=false"))?;
    let new = |o: Option<&Value>| o.is_some_and(|o| image(o) == NEW);
    dr.until_within(SOON, &path, "the new image", new).await?;
    let now = until_runs(dr, &path, 2).await?;
    ensure!(uid(&now) == uid(&before), "it was made anew");
    until_is(fleet, &at, "Ready", "True").await?;
    remove(fleet, NAME, &[PROD, DR]).await
}
