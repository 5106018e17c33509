//! What was changed and is not decided about yet, of kinds whose objects have no generation.

use serde_json::{Value, json};

use super::around::{on, policy, record, report};
use super::*;

const ALL: [&str; 3] = ["a", "b", "c"];
const CONFIG: (&str, &str) = ("v1", "ConfigMap");
const SECRET: (&str, &str) = ("v1", "Secret");

fn item(kind: &str) -> ItemKey {
    ItemKey {
        group: String::new(),
        kind: kind.to_owned(),
        namespace: "default".to_owned(),
        name: "main".to_owned(),
    }
}

fn object(kind: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": {"name": "main", "namespace": "default"},
        "data": {"text": text},
    })
}

/// What the ledgers of the clusters say of the text.
fn texts(hub: &Hub, kind: &str) -> String {
    let text = |cluster: &&str| {
        let state = record(hub, cluster, &item(kind)).map(|record| record.state);
        let Some(LedgerState::Put { digest, .. }) = state else {
            return "-".to_owned();
        };
        let content = hub.get(content_key(&digest).unwrap().as_str()).unwrap();
        content["data"]["text"].as_str().unwrap().to_owned()
    };
    ALL.iter().map(text).collect::<Vec<_>>().join(" ")
}

async fn well(hub: &Hub, kind: &str) {
    for cluster in ALL {
        report(hub, cluster, &item(kind), Health::Healthy).await;
    }
    hub.settle().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_in_the_moment_in_which_it_is_to_roll_out_goes_by_stages() {
    let mut hub = Hub::new(&ALL).await;
    hub.apply(policy("p", CONFIG, &ALL, json!({}))).await;
    hub.apply(object("ConfigMap", "1")).await;
    hub.settle().await;
    well(&hub, "ConfigMap").await;
    hub.handle.take().unwrap().stop().await;
    hub.apply(object("ConfigMap", "2")).await;
    let rollout = json!({"rollout": {"stages": [{"name": "canary", "share": 1}]}});
    hub.apply(policy("p", CONFIG, &ALL, rollout)).await;
    hub.start();
    hub.settle().await;
    assert_eq!(texts(&hub, "ConfigMap"), "2 1 1");
    well(&hub, "ConfigMap").await;
    assert_eq!(texts(&hub, "ConfigMap"), "2 2 2");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_something_waits_for_what_was_last_written_of_it() {
    let mut hub = Hub::new(&ALL).await;
    let waits = json!({"dependsOn": [{"apiVersion": "v1", "kind": "Secret", "name": "main"}]});
    hub.apply(policy("p", CONFIG, &ALL, waits)).await;
    hub.apply(policy("s", SECRET, &ALL, json!({}))).await;
    hub.apply(object("Secret", "1")).await;
    hub.apply(object("ConfigMap", "1")).await;
    hub.settle().await;
    well(&hub, "Secret").await;
    assert_eq!(texts(&hub, "ConfigMap"), "1 1 1");
    // Both are looked at in the same moment, and the one that waits is the first.
    hub.handle.take().unwrap().stop().await;
    hub.apply(object("Secret", "2")).await;
    hub.apply(object("ConfigMap", "2")).await;
    hub.start();
    hub.settle().await;
    assert_eq!(texts(&hub, "Secret"), "2 2 2");
    assert_eq!(texts(&hub, "ConfigMap"), "1 1 1");
    report(&hub, "b", &item("Secret"), Health::Healthy).await;
    hub.settle().await;
    assert_eq!(texts(&hub, "ConfigMap"), "1 2 1");
    well(&hub, "Secret").await;
    assert_eq!(texts(&hub, "ConfigMap"), "2 2 2");
    assert_eq!(on(&hub, &item("ConfigMap"), &ALL), "put put put");
}
