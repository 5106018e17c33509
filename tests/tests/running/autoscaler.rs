//! An autoscaler on the members has the number of replicas, and the hub everything else: where a policy
//! says so, and where nobody says anything.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::{Fleet, Site};
use serde_json::{Value, json};

use crate::stage::{app, deployment, image, new_image, policy, until_gone, until_runs};
use crate::{DR, PROD};

const NAME: &str = "elastic";
/// How long nobody may put the number back; drift is put right within milliseconds.
const QUIET: Duration = Duration::from_secs(3);

/// An autoscaler that wants at least five replicas; without metrics it does just that.
fn autoscaler() -> String {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "minReplicas": 5, "maxReplicas": 8,
        },
    })
    .to_string()
}

/// Whether our field manager owns the number of replicas.
fn ours(object: &Value) -> bool {
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    entries.into_iter().flatten().any(|e| {
        let owned = e.pointer("/fieldsV1/f:spec/f:replicas").is_some();
        text(e, "/manager") == "roadstead" && owned
    })
}

/// The app with as many replicas, and as many only, and which generation it is of.
async fn until_scaled(site: &Site, replicas: u64) -> Result<Value> {
    until_runs(site, &deployment(NAME), replicas).await
}

/// With what the app's policy says of drift.
pub(crate) async fn keeps_what_it_sets(fleet: &Fleet, drift: Option<Value>) -> Result<()> {
    let mut left = json!({"placement": {"clusterAffinity": {"clusterNames": [PROD, DR]}}});
    let written = if drift.is_some() { 2 } else { 3 };
    if let Some(drift) = drift {
        left["drift"] = drift;
    }
    fleet.apply("default", &policy(NAME, ("apps/v1", "Deployment"), left))?;
    let only = json!({"placement": {"clusterAffinity": {"clusterNames": [PROD]}}});
    let kind = ("autoscaling/v2", "HorizontalPodAutoscaler");
    let scaler = policy(NAME, kind, only).replace(
        &format!(r#""metadata":{{"name":"{NAME}"}}"#),
        r#""metadata":{"name":"scaler"}"#,
    );
    fleet.apply("default", &scaler)?;
    fleet.apply("default", &app(NAME, 2))?;
    fleet.apply("default", &autoscaler())?;
    until_scaled(fleet.site(DR)?, 2).await?;
    until_scaled(fleet.site(PROD)?, 5).await?;
    // What else changes goes there, and the number stays with who sets it.
    for turn in 2..4 {
        let wanted = format!("registry.example/web:{turn}");
        new_image(fleet, &deployment(NAME), &wanted).await?;
        let site = fleet.site(PROD)?;
        let path = deployment(NAME);
        site.until(&path, "the new image", |o| {
            o.is_some_and(|o| image(o) == wanted)
        })
        .await?;
        let object = until_scaled(site, 5).await?;
        ensure!(!ours(&object), "{PROD}: the replicas are ours: {object}");
    }
    // People write another number. It is for those whom nobody scales; with the field left to whoever is
    // there, it is for those to come.
    let line = format!("scale deployment {NAME} --replicas=3");
    fleet.kubectl.run(&line)?;
    let object = until_scaled(fleet.site(DR)?, written).await?;
    ensure!(ours(&object), "{DR}: the replicas are not ours: {object}");
    tokio::time::sleep(QUIET).await;
    until_scaled(fleet.site(PROD)?, 5).await?;
    let all = format!(
        "horizontalpodautoscaler/{NAME} deployment/{NAME} distributionpolicy/{NAME} distributionpolicy/scaler"
    );
    fleet.kubectl.run(&format!("delete {all} --wait=false"))?;
    for name in [PROD, DR] {
        until_gone(fleet.site(name)?, &deployment(NAME)).await?;
    }
    Ok(())
}
