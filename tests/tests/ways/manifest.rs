//! `roadstead join --output manifest | kubectl apply -f -`, and pods that come and go after it.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::process::within;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::stage::{OURS, Pod, Site, Stage, TURNS_WITHIN};

const SECRET: &str = "/api/v1/namespaces/roadstead-system/secrets/roadstead-agent";

/// The manifest passes a real API server and its Pod Security, and its pod joins.
pub(crate) async fn applied(stage: &mut Stage) -> Result<()> {
    let image = ["--image", "registry.example/agent:1"];
    let join = ["join", "edge", "--output", "manifest", image[0], image[1]];
    let manifest = stage.hub.roadstead(&join)?;
    let said = stage.one.kubectl.with_input("apply -f -", &manifest)?;
    ensure!(!said.contains("Warning"), "{said}");
    admitted(&stage.one).await?;
    let mut pod = Pod::start(&stage.one, &stage.path("pod")).await?;
    stage
        .until("edge", "Ready", ("True", "AgentConnected"))
        .await?;
    ensure!(pod.is_running());
    within(TURNS_WITHIN, "the pod is ready", || async {
        Ok(pod.is(true)? && pod.is(false)?)
    })
    .await?;
    // What it may do is enough for what people send, RBAC among it.
    stage.distribute("first", "a", &["edge"])?;
    stage.one.until("first", "a").await?;
    within(TURNS_WITHIN, "the identity is kept", || async {
        let secret = stage.one.api.get(SECRET).await?.ok()?;
        Ok(!text(&secret, "/data/identity").is_empty())
    })
    .await?;
    // One whose volume is sealed is let in, too.
    let sealed = [&join[..], &["--key-secret", "agent-key"]].concat();
    let sealed = stage.hub.roadstead(&sealed)?;
    let said = stage
        .one
        .kubectl
        .with_input("apply --dry-run=server -f -", &sealed)?;
    ensure!(!said.contains("Warning"), "{said}");
    // The manifest is as good applied twice.
    stage.one.kubectl.with_input("apply -f -", &manifest)?;
    pod.kill().await?;
    ensure!(!pod.is_running());
    Ok(())
}

/// The API server lets the Deployment's pod in where it enforces the restricted standard, and no
/// other.
async fn admitted(site: &Site) -> Result<()> {
    let path = format!("/apis/apps/v1/namespaces/{OURS}/deployments/roadstead-agent");
    let deployment = site.api.get(&path).await?.ok()?;
    ensure!(text(&deployment, "/spec/strategy/type") == "Recreate");
    let template = deployment
        .pointer("/spec/template/spec")
        .cloned()
        .unwrap_or_default();
    let pod = |spec: &Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"}, "spec": spec});
    let pods = format!("/api/v1/namespaces/{OURS}/pods?dryRun=All");
    let created = site.api.create(&pods, &pod(&template)).await?;
    ensure!(created.code == 201, "{}: {}", created.code, created.body);
    let mut loose = template;
    if let Some(context) = loose.pointer_mut("/containers/0/securityContext") {
        *context = json!({});
    }
    let refused = site.api.create(&pods, &pod(&loose)).await?;
    ensure!(refused.code == 403, "{}: {}", refused.code, refused.body);
    Ok(())
}

/// A pod with empty volumes is the same cluster, with the join string there and without it.
pub(crate) async fn rescheduled(stage: &mut Stage) -> Result<()> {
    let uid = |cluster: &Value| text(cluster, "/metadata/uid").to_owned();
    let before = uid(&stage.cluster("edge").await?);
    let object = stage.one.until("first", "a").await?;
    for (turn, value) in ["b", "c"].into_iter().enumerate() {
        if turn == 1 {
            let join = format!("/api/v1/namespaces/{OURS}/secrets/roadstead-agent-join");
            stage.one.api.delete(&join, None).await?.ok()?;
        }
        let boot = stage.one.boot().await?;
        let pod = Pod::start(&stage.one, &stage.path("pod")).await?;
        within(TURNS_WITHIN, "the pod is ready", || async { pod.is(true) }).await?;
        stage.distribute("first", value, &["edge"])?;
        let now = stage.one.until("first", value).await?;
        ensure!(
            text(&now, "/metadata/uid") == text(&object, "/metadata/uid"),
            "it was made anew"
        );
        ensure!(stage.one.boot().await? > boot, "an older start");
        ensure!(uid(&stage.cluster("edge").await?) == before);
        pod.evict().await?;
    }
    Ok(())
}

/// The Secret is worth nothing on another cluster, and nothing is applied there.
pub(crate) async fn copied(stage: &mut Stage) -> Result<()> {
    let manifest = stage
        .hub
        .roadstead(&["join", "other", "--output", "manifest"])?;
    stage.two.kubectl.with_input("apply -f -", &manifest)?;
    let mut secret = stage.one.api.get(SECRET).await?.ok()?;
    secret["metadata"] = json!({"name": "roadstead-agent"});
    let secrets = format!("/api/v1/namespaces/{OURS}/secrets");
    stage.two.api.create(&secrets, &secret).await?.ok()?;
    let mut pod = Pod::start(&stage.two, &stage.path("copy")).await?;
    within(TURNS_WITHIN, "the copy ends", || async {
        Ok(pod.log()?.contains("another cluster"))
    })
    .await?;
    let first = stage
        .two
        .api
        .get("/api/v1/namespaces/default/configmaps/first")
        .await?;
    ensure!(first.code == 404 && stage.two.boot().await? == 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    ensure!(!pod.is_running());
    Ok(())
}

/// `roadstead detach` does not wait for a cluster that is away, and removes nothing from it.
pub(crate) async fn detached(stage: &mut Stage) -> Result<()> {
    let before = stage.one.until("first", "c").await?;
    let began = Instant::now();
    let said = stage.hub.roadstead(&["detach", "edge"])?;
    ensure!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    ensure!(said.contains("stays as it is"), "{said}");
    let gone = stage.hub.roadstead(&["detach", "edge"]);
    ensure!(gone.is_err_and(|e| format!("{e:#}").contains("there is no AttachedCluster")));
    let pod = Pod::start(&stage.one, &stage.path("pod")).await?;
    within(TURNS_WITHIN, "the agent hears of it", || async {
        Ok(pod.log()?.contains("detached"))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = stage.one.until("first", "c").await?;
    ensure!(after == before, "{before}\n{after}");
    pod.evict().await
}

/// A manifest of a new join brings a detached cluster back, as a new one, although the Secret holds
/// who it was.
pub(crate) async fn joined_again(stage: &mut Stage) -> Result<()> {
    let kept = async |stage: &Stage| {
        let secret = stage.one.api.get(SECRET).await?.ok()?;
        anyhow::Ok(text(&secret, "/data/cluster").to_owned())
    };
    let before = kept(stage).await?;
    let manifest = stage
        .hub
        .roadstead(&["join", "edge", "--output", "manifest"])?;
    stage.one.kubectl.with_input("apply -f -", &manifest)?;
    let pod = Pod::start(&stage.one, &stage.path("pod")).await?;
    stage
        .until("edge", "Ready", ("True", "AgentConnected"))
        .await?;
    within(TURNS_WITHIN, "the new identity is kept", || async {
        Ok(kept(stage).await? != before)
    })
    .await?;
    stage.distribute("again", "a", &["edge"])?;
    stage.one.until("again", "a").await?;
    pod.evict().await
}
