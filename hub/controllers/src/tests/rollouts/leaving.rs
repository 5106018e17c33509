//! What leaves a policy while its changes go out in waves.

use roadstead_protocol::wire::ItemKey;

use super::super::around::{on, report};
use super::*;

fn item(name: &str) -> ItemKey {
    ItemKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    }
}

fn config(name: &str, app: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        "data": {"text": text},
    })
}

/// A policy for ConfigMaps of an app.
fn configs(name: &str, app: &str, clusters: Value) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "DistributionPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "v1", "kind": "ConfigMap",
                "labelSelector": {"matchLabels": {"app": app}},
            }],
            "placement": {"clusterAffinity": {"clusterNames": clusters}},
        },
    })
}

impl Hub {
    async fn well(&self, name: &str, clusters: &[&str]) {
        for cluster in clusters {
            report(self, cluster, &item(name), Health::Healthy).await;
        }
        self.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_release_names_any_more_leaves_once_the_run_is_over() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    let mut rolling = configs("p", "web", json!(["a", "b", "c"]));
    rolling["spec"]["rollout"] = canary();
    hub.apply(rolling).await;
    hub.settle().await;
    hub.apply(config("main", "web", "1")).await;
    hub.settle().await;
    for clusters in [&["a"][..], &["b", "c"]] {
        hub.well("main", clusters).await;
    }
    assert_eq!(hub.phase("p-1"), "Succeeded -");
    // It comes with one change, and is taken away before the next is through.
    hub.apply(config("extra", "web", "1")).await;
    hub.settle().await;
    hub.apply(config("main", "web", "2")).await;
    hub.settle().await;
    let all = ["a", "b", "c"];
    assert_eq!(on(&hub, &item("extra"), &all), "put - -");
    hub.apply(configs("q", "other", json!(["b"]))).await;
    hub.apply(config("extra", "other", "1")).await;
    hub.settle().await;
    hub.well("extra", &["a", "b"]).await;
    assert_eq!(on(&hub, &item("extra"), &all), "put put -");
    for clusters in [&["a"][..], &["b", "c"]] {
        hub.well("main", clusters).await;
    }
    assert_eq!(hub.phase("p-4"), "Succeeded -");
    assert_eq!(on(&hub, &item("extra"), &all), "gone put -");
}

/// A change and a removal of another object of the policy: the removal is the last of it.
#[tokio::test(start_paused = true)]
async fn what_is_deleted_together_with_a_change_leaves_last() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    let all = ["a", "b", "c"];
    let mut rolling = configs("p", "web", json!(all));
    hub.apply(rolling.clone()).await;
    for name in ["main", "extra"] {
        hub.apply(config(name, "web", "1")).await;
    }
    hub.settle().await;
    for name in ["main", "extra"] {
        hub.well(name, &all).await;
    }
    rolling["spec"]["rollout"] = canary();
    hub.apply(rolling.clone()).await;
    hub.settle().await;
    hub.apply(config("main", "web", "2")).await;
    hub.delete(&config("extra", "web", "1")).await;
    hub.settle().await;
    hub.well("main", &["a"]).await;
    assert_eq!(on(&hub, &item("extra"), &all), "put put put");
    // Nor does a cluster lose what an edit takes from it before the change is through.
    rolling["spec"]["placement"]["clusterAffinity"]["clusterNames"] = json!(["a", "b"]);
    hub.apply(rolling).await;
    hub.settle().await;
    assert_eq!(on(&hub, &item("main"), &all), "put put put");
    hub.well("main", &["b"]).await;
    hub.well("main", &["b"]).await;
    assert_eq!(on(&hub, &item("extra"), &all), "gone gone gone");
    assert_eq!(on(&hub, &item("main"), &all), "put put gone");
}
