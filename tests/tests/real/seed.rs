//! The seed's policy: 20 replicas by 90/10, an override, and what moves when something changes.

use std::path::Path;

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::{Fleet, condition};
use roadstead_tests::skipped;
use serde_json::{Value, json};

use crate::manifests::{APP, DECISION, DEPLOYMENT, POLICY};
use crate::{AT_ONCE, Clock, DR, EDGE, PROD};

fn replicas(object: Option<&Value>) -> Option<i64> {
    object?.pointer("/spec/replicas")?.as_i64()
}

pub(crate) async fn applied(fleet: &mut Fleet) -> Result<()> {
    fleet.apply("default", POLICY)?;
    let clock = Clock::start();
    fleet.apply("default", APP)?;
    clock.lap("kubectl apply of the app");
    let clock = Clock::start();
    for (name, expected) in [(PROD, 18), (DR, 1)] {
        let site = fleet.site(name)?;
        site.until(DEPLOYMENT, "the app's share", |o| {
            replicas(o) == Some(expected)
        })
        .await?;
        clock.lap(&format!(
            "since then the app is on {name} with {expected} replicas"
        ));
    }
    let edge = fleet.site(EDGE)?.object(DEPLOYMENT).await?;
    ensure!(edge.is_none(), "{EDGE} has the app, too");
    for name in [PROD, DR] {
        fleet
            .until_decision(DECISION, name, |c| text(c, "/state") == "Applied")
            .await?;
    }
    published_as_written(fleet).await?;
    measured(fleet).await?;
    let why = fleet
        .hub
        .roadstead(&["why", "deployment", "example-app", "-n", "default"])?;
    ensure!(why.contains(PROD) && why.contains("18"), "{why}");
    Ok(())
}

/// The member's object carries what was written, our label and stamp, and nothing of the hub's.
async fn published_as_written(fleet: &Fleet) -> Result<()> {
    let object = fleet.site(DR)?.object(DEPLOYMENT).await?;
    let object = object.unwrap_or_default();
    let annotations = object
        .pointer("/metadata/annotations")
        .and_then(Value::as_object);
    let keys: Vec<&str> = annotations
        .into_iter()
        .flatten()
        .map(|(k, _)| k.as_str())
        .collect();
    ensure!(keys == ["roadstead.dev/stamp"], "annotations {keys:?}");
    let managers = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let managers: Vec<&str> = managers
        .into_iter()
        .flatten()
        .map(|m| text(m, "/manager"))
        .collect();
    ensure!(managers == ["roadstead"], "managers {managers:?}");
    Ok(())
}

/// From the hub's answer to the object on a member, a few times over.
async fn measured(fleet: &Fleet) -> Result<()> {
    let mut times = Vec::new();
    for round in 0..5 {
        let image = format!("registry.example/web:m{round}");
        let patch = json!([{
            "op": "replace",
            "path": "/spec/template/spec/containers/0/image",
            "value": image,
        }]);
        let media = ("application/json-patch+json", "application/json");
        let answer = fleet.api.send("PATCH", DEPLOYMENT, media, Some(&patch));
        answer.await?.ok()?;
        let clock = Clock::start();
        let site = fleet.site(DR)?;
        site.until(DEPLOYMENT, "the new image", |o| {
            o.is_some_and(|o| text(o, "/spec/template/spec/containers/0/image") == image)
        })
        .await?;
        times.push(clock.lap("from the hub's answer to the new image on cluster-dr"));
    }
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    ensure!(median < AT_ONCE, "{times:?}");
    Ok(())
}

pub(crate) async fn scaled(fleet: &mut Fleet) -> Result<()> {
    for (all, share) in [(10, 9), (40, 36), (20, 18)] {
        let before = (
            fleet.site(DR)?.versions().await?,
            fleet.site(EDGE)?.versions().await?,
        );
        let line = format!("scale deployment example-app --replicas={all}");
        fleet.kubectl.run(&line)?;
        let site = fleet.site(PROD)?;
        site.until(DEPLOYMENT, "its share", |o| replicas(o) == Some(share))
            .await?;
        fleet
            .until_decision(DECISION, PROD, |c| text(c, "/state") == "Applied")
            .await?;
        // On cluster-dr the override makes it one as before: nothing to write there.
        let after = (
            fleet.site(DR)?.versions().await?,
            fleet.site(EDGE)?.versions().await?,
        );
        ensure!(before == after, "{before:?} became {after:?}");
    }
    Ok(())
}

pub(crate) async fn overridden(fleet: &mut Fleet) -> Result<()> {
    let of_prod = |o: &Value| {
        // Its controllers write the status as they please.
        let stamp = o
            .pointer("/metadata/annotations/roadstead.dev~1stamp")
            .cloned();
        (stamp, o.pointer("/metadata/generation").cloned())
    };
    let before = fleet.site(PROD)?.object(DEPLOYMENT).await?;
    let edge = fleet.site(EDGE)?.versions().await?;
    let path =
        "/apis/policy.kurator.dev/v1alpha1/namespaces/default/overridepolicies/example-override";
    for value in [3, 1] {
        let rule = json!({
            "targetClusters": {"clusterNames": [DR]},
            "overrides": [{"path": "/spec/replicas", "value": value}],
        });
        let patch = json!({"spec": {"overrideRules": [rule]}});
        fleet.api.merge(path, &patch).await?.ok()?;
        let site = fleet.site(DR)?;
        site.until(DEPLOYMENT, "what the override says", |o| {
            replicas(o) == Some(value)
        })
        .await?;
    }
    let after = fleet.site(PROD)?.object(DEPLOYMENT).await?;
    ensure!(
        before.as_ref().map(of_prod) == after.as_ref().map(of_prod),
        "{PROD} moved"
    );
    ensure!(edge == fleet.site(EDGE)?.versions().await?, "{EDGE} moved");
    let policies = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
    let policy = fleet
        .api
        .get(&format!("{policies}/example-distribution"))
        .await?
        .ok()?;
    let placed = condition(&policy, "Placed");
    ensure!(placed.0 == "True", "Placed is {placed:?}");
    Ok(())
}

/// The seed's own file in a namespace that no member has, on clusters of another namespace.
pub(crate) async fn another_namespace(fleet: &mut Fleet) -> Result<()> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/seed/distribution-policy.yaml");
    if !file.parent().is_some_and(Path::is_dir) {
        println!("skipped: there is no {}", file.display());
        return Ok(());
    }
    let Ok(text) = std::fs::read_to_string(&file) else {
        skipped("another_namespace", "the seed's policy cannot be read");
        return Ok(());
    };
    fleet.kubectl.run("create namespace seed")?;
    fleet.apply("seed", &text)?;
    fleet.apply(
        "seed",
        &APP.replace("namespace: default", "namespace: seed"),
    )?;
    let path = DEPLOYMENT.replace("/default/", "/seed/");
    for (name, expected) in [(PROD, 18), (DR, 1)] {
        let site = fleet.site(name)?;
        site.until(&path, "the app's share in namespace seed", |o| {
            replicas(o) == Some(expected)
        })
        .await?;
    }
    fleet
        .kubectl
        .run("delete deployment example-app -n seed --wait=false")?;
    for name in [PROD, DR] {
        let site = fleet.site(name)?;
        site.until(&path, "the app is gone", |o| o.is_none())
            .await?;
        let namespace = site.object("/api/v1/namespaces/seed").await?;
        ensure!(
            namespace.is_some(),
            "{name}: a namespace that was made is never deleted"
        );
    }
    Ok(())
}
