//! AttachedClusters with a kubeconfig Secret, as Kurator's users write them.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::process::within;
use serde_json::json;

use crate::stage::{Site, Stage, TURNS_WITHIN};

/// The name of cluster and Secret in Kurator's examples.
const NAME: &str = "kurator-member1";
/// Within what time the loss of a cluster must be said.
const SAID_WITHIN: Duration = Duration::from_secs(40);

/// Kurator's own example.
const EXAMPLE: &str = "apiVersion: cluster.kurator.dev/v1alpha1
kind: AttachedCluster
metadata:
  name: kurator-member1
  namespace: default
spec:
  kubeconfig:
    name: kurator-member1
    key: kurator-member1.config
";

fn secret(stage: &Stage, kubeconfig: &str) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": "default"},
        "stringData": {"kurator-member1.config": kubeconfig},
    });
    stage
        .kubectl
        .with_input("apply -f -", &secret.to_string())?;
    Ok(())
}

fn admin(site: &Site) -> Result<String> {
    Ok(std::fs::read_to_string(&site.cluster.kubeconfig)?)
}

/// No agent is needed.
pub(crate) async fn attached(stage: &mut Stage) -> Result<()> {
    stage.kubectl.with_input("apply -f -", EXAMPLE)?;
    stage
        .until(NAME, "Ready", ("False", "KubeconfigMissing"))
        .await?;
    secret(stage, &admin(&stage.one)?)?;
    stage
        .until(NAME, "Ready", ("True", "AgentConnected"))
        .await?;
    stage
        .until(NAME, "Hosted", ("True", "ByKubeconfig"))
        .await?;
    stage.distribute("way", "a", &[NAME])?;
    stage.one.until("way", "a").await?;
    let path = "/api/v1/namespaces/default/configmaps/way";
    stage
        .one
        .api
        .merge(path, &json!({"data": {"key": "drifted"}}))
        .await?
        .ok()?;
    stage.one.until("way", "a").await?;
    Ok(())
}

/// A cluster that does not answer any more is said within 40 s, and so is that it answers again.
pub(crate) async fn lost_and_found(stage: &mut Stage) -> Result<()> {
    stage.one.signal("-STOP")?;
    let took = stage.until(NAME, "Ready", ("False", "Unreachable")).await;
    stage.one.signal("-CONT")?;
    let took = took?;
    ensure!(took <= SAID_WITHIN, "it took {took:?}");
    stage
        .until(NAME, "Ready", ("True", "AgentConnected"))
        .await?;
    stage.distribute("way", "b", &[NAME])?;
    stage.one.until("way", "b").await?;
    Ok(())
}

/// A rotated Secret is picked up; one that leads elsewhere is refused; one that is gone ends it.
pub(crate) async fn rotated(stage: &mut Stage) -> Result<()> {
    let kubectl = &stage.one.kubectl;
    kubectl.run("create serviceaccount hub -n kube-system")?;
    kubectl.run("create clusterrolebinding hub --clusterrole=cluster-admin --serviceaccount=kube-system:hub")?;
    let boot = stage.one.boot().await?;
    secret(stage, &stage.one.kubeconfig_of("kube-system", "hub").await?)?;
    within(
        TURNS_WITHIN,
        "another start with the new kubeconfig",
        || async { Ok(stage.one.boot().await? > boot) },
    )
    .await?;
    stage
        .until(NAME, "Ready", ("True", "AgentConnected"))
        .await?;
    // The new account may be taken back what the former could not: it is really the one in use.
    kubectl.run("delete clusterrolebinding hub")?;
    stage
        .until(NAME, "Ready", ("False", "Unauthorized"))
        .await?;
    secret(stage, &admin(&stage.two)?)?;
    stage
        .until(NAME, "Ready", ("False", "OtherCluster"))
        .await?;
    ensure!(
        stage.two.boot().await? == 0,
        "something was written to the other cluster"
    );
    stage.kubectl.run(&format!("delete secret {NAME}"))?;
    stage
        .until(NAME, "Ready", ("False", "KubeconfigMissing"))
        .await?;
    stage.one.until("way", "b").await?;
    secret(stage, &admin(&stage.one)?)?;
    stage
        .until(NAME, "Ready", ("True", "AgentConnected"))
        .await?;
    Ok(())
}

/// A hub that starts again, even with its hosted agents' disks gone, goes on as the same cluster.
pub(crate) async fn hub_restarted(stage: &mut Stage) -> Result<()> {
    let object = stage.one.until("way", "b").await?;
    let boot = stage.one.boot().await?;
    stage.hub.stop().await?;
    stage.hub.begin().await?;
    within(TURNS_WITHIN, "the hub looks after it again", || async {
        Ok(stage.one.boot().await? > boot)
    })
    .await?;
    stage
        .until(NAME, "Ready", ("True", "AgentConnected"))
        .await?;
    stage.hub.kill().await?;
    std::fs::remove_dir_all(stage.hub.data().join("hosted"))?;
    stage.hub.begin().await?;
    stage
        .until(NAME, "Ready", ("True", "AgentConnected"))
        .await?;
    stage.distribute("way", "c", &[NAME])?;
    let now = stage.one.until("way", "c").await?;
    ensure!(
        now.pointer("/metadata/uid") == object.pointer("/metadata/uid"),
        "it was made anew"
    );
    Ok(())
}

/// Of an agent and a kubeconfig one is used, and it is said which.
pub(crate) async fn one_at_a_time(stage: &mut Stage) -> Result<()> {
    let refused = stage.hub.roadstead(&["join", NAME]);
    ensure!(refused.is_err_and(|e| format!("{e:#}").contains("spec.kubeconfig")));
    let manifest = stage
        .hub
        .roadstead(&["join", "two", "--output", "manifest"])?;
    stage.two.kubectl.with_input("apply -f -", &manifest)?;
    let mut pod = crate::stage::Pod::start(&stage.two, &stage.path("pod")).await?;
    stage
        .until("two", "Ready", ("True", "AgentConnected"))
        .await?;
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "two", "namespace": "default"},
        "stringData": {"value": admin(&stage.two)?},
    });
    stage
        .kubectl
        .with_input("apply -f -", &kubeconfig.to_string())?;
    let patch = r#"{"spec":{"kubeconfig":{"name":"two"}}}"#;
    stage.kubectl.args(&[
        "patch",
        "attachedcluster",
        "two",
        "--type=merge",
        "-p",
        patch,
    ])?;
    stage
        .until("two", "Hosted", ("False", "AgentJoined"))
        .await?;
    stage
        .until("two", "Ready", ("True", "AgentConnected"))
        .await?;
    let boot = stage.two.boot().await?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    ensure!(
        stage.two.boot().await? == boot && pod.is_running(),
        "the hub took over"
    );
    // Without its agent the hub takes its place.
    pod.kill().await?;
    stage
        .until("two", "Hosted", ("True", "ByKubeconfig"))
        .await?;
    stage
        .until("two", "Ready", ("True", "AgentConnected"))
        .await?;
    Ok(())
}

/// `roadstead detach` leaves what runs there.
pub(crate) async fn detached(stage: &mut Stage) -> Result<()> {
    let before = stage.one.until("way", "c").await?;
    stage.one.signal("-STOP")?;
    let said = stage.hub.roadstead(&["detach", NAME]);
    stage.one.signal("-CONT")?;
    ensure!(said?.contains("stays as it is"));
    let hosted = stage.hub.data().join("hosted");
    within(TURNS_WITHIN, "its disk is gone", || async {
        Ok(std::fs::read_dir(&hosted)?.count() == 1)
    })
    .await?;
    let after = stage.one.until("way", "c").await?;
    ensure!(after == before, "{before}\n{after}");
    Ok(())
}
