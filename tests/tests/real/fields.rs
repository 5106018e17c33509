//! Another field manager on the member that wants a field of ours.

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::Fleet;
use serde_json::json;

use crate::DR;
use crate::manifests::{config_map, config_map_path, policy};

const PHASE: &str = "fields";

pub(crate) async fn reported_and_taken_back(fleet: &mut Fleet) -> Result<()> {
    fleet.apply("default", &policy(PHASE, ("v1", "ConfigMap"), &[DR]))?;
    fleet.apply("default", &config_map(PHASE, "owned", "ours"))?;
    let path = config_map_path("owned");
    let site = fleet.site(DR)?;
    site.until(&path, "it is there", |o| o.is_some()).await?;
    let theirs = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "owned"},
        "data": {"key": "theirs", "another": "theirs"},
    });
    // Who asks politely is told who owns the field.
    let answer = site.api.apply(&path, "someone", false, &theirs).await?;
    ensure!(answer.code == 409, "{answer:?}");
    ensure!(
        answer
            .text("/message")
            .contains("conflict with \"roadstead\": .data.key"),
        "{answer:?}"
    );
    // Who forces it loses it again, and keeps what was never ours.
    site.api
        .apply(&path, "someone", true, &theirs)
        .await?
        .ok()?;
    let after = site
        .until(&path, "the field is taken back", |o| {
            o.is_some_and(|o| text(o, "/data/key") == "ours")
        })
        .await?;
    let another = after.as_ref().map(|o| text(o, "/data/another"));
    ensure!(another == Some("theirs"), "{after:?}");
    fleet.kubectl.run("delete configmap owned --wait=false")?;
    site.until(&path, "it is gone", |o| o.is_none()).await?;
    Ok(())
}
