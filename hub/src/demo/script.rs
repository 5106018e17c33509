//! The script of the demo. Each step waits for what it claims and fails if that does not come.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::show::{Show, fleet};
use super::stage::{Site, Stage};
use crate::cli::trimmed;
use crate::config::Demo;

/// How long a step waits for what it claims.
const WITHIN: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const APP: &str = include_str!("../../../deploy/examples/app.yaml");
const POLICY: &str = include_str!("../../../deploy/examples/policy.yaml");
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/example-app";
const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";

/// Plays everything. With `--once` the app is deleted at the end; otherwise it stays to play with.
pub(super) async fn play(args: &Demo, show: &mut Show) -> Result<Stage> {
    show.say(
        "Roadstead: one hub, simulated clusters and their agents, real QUIC and TLS on loopback.\n",
    )?;
    let mut stage = None;
    show.step("the hub starts", async {
        stage = Some(Stage::start().await?);
        Ok("it serves the Kubernetes API and listens to agents".to_owned())
    })
    .await?;
    let mut stage = stage.context("the hub did not start")?;
    show.step("clusters join", join(&mut stage, args.clusters))
        .await?;
    show.step(
        "an app and a policy are applied to the hub",
        distribute(&stage),
    )
    .await?;
    show.step(
        "somebody deletes the app on cluster-prod",
        drift(stage.site("cluster-prod")?, 18),
    )
    .await?;
    stage.site("cluster-dr")?.link.cut();
    show.step(
        "the link to cluster-dr is cut, and the app gets a new image",
        change(&stage),
    )
    .await?;
    show.step(
        "meanwhile somebody deletes the app on cluster-dr",
        drift(stage.site("cluster-dr")?, 1),
    )
    .await?;
    show.step("the link is mended", mend(&stage)).await?;
    show.say(&format!("\n{}\n", trimmed(&fleet(&stage).await)))?;
    if args.once {
        show.step("the app is deleted on the hub", delete(&stage))
            .await?;
        show.say("\nEverything went well.")?;
    } else {
        hints(&stage, show)?;
    }
    Ok(stage)
}

async fn join(stage: &mut Stage, count: u16) -> Result<String> {
    for index in 0..count {
        stage.add_member(index).await?;
    }
    stage.join().await?;
    eventually("every cluster is Ready", async || {
        let clusters = stage.hub.list(CLUSTERS).await?;
        let ready = clusters
            .iter()
            .filter(|c| condition(c, "Ready") == "True")
            .count();
        Ok((ready == usize::from(count), format!("{ready} of {count}")))
    })
    .await?;
    let names: Vec<&str> = stage.sites.iter().map(|s| s.name.as_str()).collect();
    Ok(format!("Ready: {}", names.join(", ")))
}

async fn distribute(stage: &Stage) -> Result<String> {
    for text in [POLICY, APP] {
        for object in serde_saphyr::from_multiple::<Value>(text)? {
            stage.hub.apply(&path(&object), &object).await?;
        }
    }
    for (name, replicas) in [("cluster-prod", 18), ("cluster-dr", 1)] {
        ready(stage.site(name)?, replicas, "registry.example/web:1").await?;
    }
    for site in &stage.sites {
        if !["cluster-prod", "cluster-dr"].contains(&site.name.as_str())
            && replicas(site).await.is_ok()
        {
            bail!("{} has the app, too", site.name);
        }
    }
    Ok(
        "20 replicas by 90/10: 18 on cluster-prod; 2 on cluster-dr, where the override makes it 1"
            .to_owned(),
    )
}

/// Deletes the app on a cluster behind the agent's back and waits for it to come back.
async fn drift(site: &Site, replicas: i64) -> Result<String> {
    let before = site.api.get(DEPLOYMENT).await?;
    let old = text(&before, "/metadata/uid").to_owned();
    site.api.delete(DEPLOYMENT).await?;
    let deleted = Instant::now();
    eventually("it comes back", async || {
        let now = site.api.get(DEPLOYMENT).await?;
        let uid = text(&now, "/metadata/uid");
        Ok((
            uid != old && now.pointer("/spec/replicas") == Some(&json!(replicas)),
            format!("uid {uid}"),
        ))
    })
    .await?;
    let took = deleted.elapsed().as_millis();
    let image = text(&before, "/spec/template/spec/containers/0/image");
    ready(site, replicas, image).await?;
    Ok(format!(
        "its agent put it back after {took} ms; then its pods became ready"
    ))
}

async fn change(stage: &Stage) -> Result<String> {
    let patch = json!([{
        "op": "replace",
        "path": "/spec/template/spec/containers/0/image",
        "value": "registry.example/web:2",
    }]);
    stage.hub.json_patch(DEPLOYMENT, &patch).await?;
    ready(stage.site("cluster-prod")?, 18, "registry.example/web:2").await?;
    let away = stage.site("cluster-dr")?.api.get(DEPLOYMENT).await?;
    let image = text(&away, "/spec/template/spec/containers/0/image");
    anyhow::ensure!(
        image == "registry.example/web:1",
        "cluster-dr has {image} though its link is cut"
    );
    Ok("cluster-prod has web:2, cluster-dr still runs web:1 on its own".to_owned())
}

async fn mend(stage: &Stage) -> Result<String> {
    let site = stage.site("cluster-dr")?;
    site.link.mend();
    ready(site, 1, "registry.example/web:2").await?;
    Ok("cluster-dr caught up: web:2".to_owned())
}

async fn delete(stage: &Stage) -> Result<String> {
    stage.hub.delete(DEPLOYMENT).await?;
    for name in ["cluster-prod", "cluster-dr"] {
        let site = stage.site(name)?;
        eventually("it is gone", async || {
            let found = site
                .api
                .list("/apis/apps/v1/namespaces/default/deployments")
                .await?;
            Ok((found.is_empty(), format!("{} there on {name}", found.len())))
        })
        .await?;
    }
    Ok("its tombstones removed it from cluster-prod and cluster-dr".to_owned())
}

fn hints(stage: &Stage, show: &Show) -> Result<()> {
    show.say("In another terminal:\n")?;
    let hub = stage.kubeconfig("hub");
    show.say(&format!("  export KUBECONFIG={}", hub.display()))?;
    for line in [
        "kubectl get attachedclusters,distributionpolicies,deploy,decisions",
        "kubectl scale deploy example-app --replicas=50",
        "roadstead status                                 # what is where, and what is not right",
        "roadstead why deploy example-app                 # why is it there",
        "roadstead preview -f FILE                        # what will this change do",
        "roadstead suspend example-distribution           # stop it; resume lets it go on",
        "roadstead drain cluster-dr                       # send what is there elsewhere; uncordon ends it",
    ] {
        show.say(&format!("  {line}"))?;
    }
    for site in &stage.sites {
        let file = stage.kubeconfig(&site.name);
        show.say(&format!(
            "  kubectl --kubeconfig {} get deploy,pods",
            file.display()
        ))?;
    }
    show.say("")
}

/// Waits until the app runs on a cluster with so many ready replicas of an image.
async fn ready(site: &Site, wanted: i64, image: &str) -> Result<()> {
    eventually(
        &format!("{wanted} replicas of {image} are ready on {}", site.name),
        async || {
            let d = site.api.get(DEPLOYMENT).await?;
            let number = |pointer: &str| d.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
            let has = text(&d, "/spec/template/spec/containers/0/image") == image
                && number("/spec/replicas") == wanted
                && number("/status/readyReplicas") == wanted
                && number("/status/updatedReplicas") == wanted
                && number("/status/observedGeneration") == number("/metadata/generation");
            Ok((
                has,
                format!(
                    "{} of {}",
                    number("/status/readyReplicas"),
                    number("/spec/replicas")
                ),
            ))
        },
    )
    .await
}

async fn replicas(site: &Site) -> Result<i64> {
    let d = site.api.get(DEPLOYMENT).await?;
    Ok(d.pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1))
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let all = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let found = all.into_iter().flatten().find(|c| text(c, "/type") == kind);
    found.map(|c| text(c, "/status")).unwrap_or_default()
}

/// The path of an object of the example files.
fn path(object: &Value) -> String {
    let plural = match text(object, "/kind") {
        "DistributionPolicy" => "distributionpolicies",
        "OverridePolicy" => "overridepolicies",
        _ => "deployments",
    };
    let (version, name) = (text(object, "/apiVersion"), text(object, "/metadata/name"));
    format!("/apis/{version}/namespaces/default/{plural}/{name}")
}

async fn eventually(what: &str, look: impl AsyncFn() -> Result<(bool, String)>) -> Result<()> {
    let mut last = "nothing yet".to_owned();
    let waited = tokio::time::timeout(WITHIN, async {
        loop {
            match look().await {
                Ok((true, _)) => return,
                Ok((false, saw)) => last = saw,
                Err(error) => last = format!("{error:#}"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
    .await;
    match waited {
        Ok(()) => Ok(()),
        Err(_) => bail!(
            "waited {} s until {what}; at last: {last}",
            WITHIN.as_secs()
        ),
    }
}
