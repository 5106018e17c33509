//! Clusters that were detached, and those that join again.

use serde_json::{Value, json};

use crate::stage::{Cluster, HUB, Stage, text};

const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Sends a ConfigMap to the cluster `name`.
async fn send(stage: &Stage, name: &str) {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "greeting"}, "data": {"hello": "world"},
    });
    drop(stage.api().post(MAPS, &map).await);
    let policy = json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": format!("to-{name}")},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "greeting"}],
            "placement": {"clusterAffinity": {"clusterNames": [name]}},
        },
    });
    stage.api().post(POLICIES, &policy).await.unwrap();
}

fn on_member(cluster: &Cluster) -> Option<Value> {
    let key =
        roadstead_store::records::object_key("", "configmaps", "default", "greeting").unwrap();
    let snapshot = cluster.member.store.snapshot();
    let entry = snapshot.get(key.as_str())?;
    Some(roadstead_store::records::decode(entry).unwrap())
}

#[tokio::test]
async fn a_detached_agent_stops_and_is_refused_ever_after_and_leaves_everything() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    send(&stage, "prod").await;
    stage
        .until("the object", |_| on_member(&cluster).is_some())
        .await;
    stage.detach("prod").await;
    stage.gone(&cluster).await;
    cluster.stop().await;
    assert!(cluster.disk().await.position.detached);
    // Neither a hub that restarts nor a certificate that has ended changes that.
    stage.day(100);
    stage.restart().await;
    cluster.start(&stage, None);
    stage
        .never("it was let in", |s| s.is_connected(&cluster.uid))
        .await;
    cluster.stop().await;
    assert!(cluster.disk().await.position.detached);
    assert!(on_member(&cluster).is_some());
}

#[tokio::test]
async fn a_detached_cluster_joins_anew_with_its_disk_and_what_it_made_is_still_its_own() {
    let stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    send(&stage, "prod").await;
    stage
        .until("the object", |_| on_member(&cluster).is_some())
        .await;
    let first = on_member(&cluster).unwrap();
    stage.detach("prod").await;
    stage.gone(&cluster).await;
    cluster.stop().await;
    let before = cluster.disk().await;
    assert_eq!(before.inventory.len(), 1);
    // It is attached again under the same name: another cluster to the hub.
    cluster.uid = stage.attach("prod").await;
    let token = stage.token("prod").await;
    cluster.start(&stage, Some(token.clone()));
    stage.connected(&cluster).await;
    let label = |object: &Value| text(object, "/metadata/labels/roadstead.dev~1owner");
    stage
        .until("its new label", |_| {
            on_member(&cluster).is_some_and(|now| label(&now) != label(&first))
        })
        .await;
    let now = on_member(&cluster).unwrap();
    assert_eq!(text(&now, "/metadata/uid"), text(&first, "/metadata/uid"));
    // The join string stays in the command line of a unit file, and does no harm there.
    cluster.stop().await;
    stage.gone(&cluster).await;
    cluster.visit(&stage, Some(token)).await;
    let after = cluster.disk().await;
    assert_eq!(after.identity.unwrap().cluster, cluster.uid);
    assert!(!after.position.detached);
    assert!(after.boot.counter > before.boot.counter);
}

#[tokio::test]
async fn a_join_string_that_was_used_takes_nothing_from_a_detached_agent() {
    let stage = Stage::start().await;
    let mut cluster = stage.cluster("prod").await;
    let token = stage.token("prod").await;
    cluster.start(&stage, Some(token.clone()));
    stage.connected(&cluster).await;
    stage.detach("prod").await;
    stage.gone(&cluster).await;
    cluster.stop().await;
    let before = cluster.disk().await;
    cluster.start(&stage, Some(token));
    stage
        .never("it was let in", |s| s.is_connected(&cluster.uid))
        .await;
    // It goes on running, and is who it was.
    cluster.stop().await;
    let after = cluster.disk().await;
    assert_eq!(after.identity, before.identity);
    assert!(after.position.detached);
}

#[tokio::test]
async fn a_hub_put_back_to_before_the_join_ends_no_detachment_with_the_same_join_string() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.cluster("prod").await;
    let token = stage.token("prod").await;
    stage.close().await;
    let copy = stage.folder.path().join("copy.redb");
    std::fs::copy(stage.hub_file(), &copy).unwrap();
    stage.open(&[HUB]).await;
    cluster.start(&stage, Some(token.clone()));
    stage.connected(&cluster).await;
    stage.detach("prod").await;
    stage.gone(&cluster).await;
    cluster.stop().await;
    let before = cluster.disk().await;
    assert!(before.position.detached && before.spent.has(&token.id));
    // To this hub the string is as good as new, and the cluster was never detached.
    stage.close().await;
    std::fs::copy(&copy, stage.hub_file()).unwrap();
    stage.open(&[HUB]).await;
    cluster.start(&stage, Some(token));
    // The hub lets it in, and the agent, which knows better, leaves.
    stage
        .until("it came and went", |s| {
            s.liveness(&cluster.uid).is_some_and(|l| !l.connected)
        })
        .await;
    stage
        .never("it joined again", |s| s.is_connected(&cluster.uid))
        .await;
    cluster.stop().await;
    let after = cluster.disk().await;
    assert_eq!(after.identity, before.identity);
    assert!(after.position.detached);
    let another = stage.token("prod").await;
    cluster.visit(&stage, Some(another)).await;
    assert!(!cluster.disk().await.position.detached);
}

#[tokio::test]
async fn an_emptied_disk_joins_the_same_cluster_and_finds_what_runs_there() {
    let stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    send(&stage, "prod").await;
    stage
        .until("the object", |_| on_member(&cluster).is_some())
        .await;
    let first = on_member(&cluster).unwrap();
    cluster.stop().await;
    stage.gone(&cluster).await;
    std::fs::remove_dir_all(&cluster.folder).unwrap();
    let token = stage.token("prod").await;
    cluster.start(&stage, Some(token));
    stage.connected(&cluster).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    cluster.stop().await;
    let now = on_member(&cluster).unwrap();
    assert_eq!(text(&now, "/metadata/uid"), text(&first, "/metadata/uid"));
    assert_eq!(cluster.disk().await.inventory.len(), 1, "it is known again");
}
