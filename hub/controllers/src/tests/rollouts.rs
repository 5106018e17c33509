//! Changes that go out in waves, over the controllers: what clusters are given, step by step.

mod asking;
mod counting;
mod ends;
mod gated;
mod knowing;
mod leaving;
mod sharing;
mod told;

use std::time::Duration;

use roadstead_protocol::wire::report::{Health, ItemState};
use roadstead_store::Txn;
use roadstead_store::records::encode;
use serde_json::{Value, json};

use super::{Hub, condition, deployment};

/// A policy for `app: web` on all clusters, with a rollout.
fn policy(rollout: Value) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "DistributionPolicy",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "apps/v1", "kind": "Deployment",
                "labelSelector": {"matchLabels": {"app": "web"}},
            }],
            "placement": {"clusterAffinity": {"clusterNames": ["a", "b", "c"]}},
            "rollout": rollout,
        },
    })
}

fn canary() -> Value {
    json!({"stages": [{"name": "canary", "share": 1}]})
}

impl Hub {
    /// `a: 2 web:1, ...`
    fn all(&self) -> String {
        let one = |name: &&str| format!("{name}: {}", self.ledger(name));
        let all: Vec<String> = ["a", "b", "c"].iter().map(one).collect();
        all.join(", ")
    }

    async fn healthy(&self, clusters: &[&str]) {
        for cluster in clusters {
            self.report(cluster, ItemState::Applied, Health::Healthy, json!({}))
                .await;
        }
        self.settle().await;
    }

    fn rollout(&self, name: &str) -> Option<Value> {
        self.get(&format!("/objects/roadstead.dev/rollouts/default/{name}"))
    }

    fn phase(&self, name: &str) -> String {
        let rollout = self.rollout(name).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let (phase, stage) = (&rollout["status"]["phase"], &rollout["status"]["stage"]);
        format!("{} {}", text(phase), text(stage))
    }

    /// Writes into a Rollout, as its API does.
    async fn say(&self, name: &str, pointer: &str, value: Value) {
        let mut object = self.rollout(name).unwrap();
        *object.pointer_mut(pointer).unwrap() = value;
        let key = format!("/objects/roadstead.dev/rollouts/default/{name}");
        let key = roadstead_store::Key::parse(&key).unwrap();
        let txn = Txn::new().put(key, encode(&object).unwrap());
        self.store.commit(txn).await.unwrap();
        self.settle().await;
    }

    /// Clusters that run the first release of `web`, which is good.
    async fn running(rollout: Value) -> Self {
        let hub = Self::new(&["a", "b", "c"]).await;
        let mut plain = policy(rollout.clone());
        plain["spec"].as_object_mut().unwrap().remove("rollout");
        hub.apply(plain).await;
        hub.apply(deployment(2, "web:1")).await;
        hub.settle().await;
        hub.healthy(&["a", "b", "c"]).await;
        hub.apply(policy(rollout)).await;
        hub.settle().await;
        assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:1, c: 2 web:1");
        assert!(hub.rollout("p-1").is_none(), "what runs is good");
        hub
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_goes_out_stage_by_stage() {
    let hub = Hub::running(canary()).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
    assert_eq!(hub.phase("p-1"), "Progressing canary");
    assert_eq!(
        condition(&hub.decision().unwrap(), "Placed"),
        "False RollingOut"
    );
    // Replicas do not wait for it.
    hub.apply(deployment(5, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 5 web:2, b: 5 web:1, c: 5 web:1");
    hub.healthy(&["b", "c"]).await;
    assert_eq!(hub.phase("p-1"), "Progressing canary", "a is not well yet");
    hub.healthy(&["a"]).await;
    assert_eq!(hub.all(), "a: 5 web:2, b: 5 web:2, c: 5 web:2");
    assert_eq!(hub.phase("p-1"), "Progressing rest");
    hub.healthy(&["b", "c"]).await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
    assert_eq!(
        condition(&hub.rollout("p-1").unwrap(), "Complete"),
        "True Succeeded"
    );
    assert_eq!(condition(&hub.decision().unwrap(), "Placed"), "True Placed");
    let events = hub.events("DistributionPolicy", "p");
    for reason in ["RolloutStarted", "RolloutSucceeded"] {
        assert!(events.iter().any(|e| e == reason), "{events:?}");
    }
    // What nothing needs any more is swept.
    tokio::time::sleep(Duration::from_secs(300)).await;
    let before = hub.store.revision();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(hub.store.revision(), before, "idle is quiet");
}

#[tokio::test(start_paused = true)]
async fn what_fails_goes_back_and_is_not_tried_again() {
    let rollout = json!({
        "stages": [{"name": "canary", "share": 1}],
        "progressDeadlineSeconds": 60, "onFailure": "Rollback",
    });
    let hub = Hub::running(rollout).await;
    hub.apply(deployment(2, "web:bad")).await;
    hub.settle().await;
    hub.report("a", ItemState::Applied, Health::Degraded, json!({}))
        .await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(hub.all(), "a: 2 web:bad, b: 2 web:1, c: 2 web:1");
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:1, c: 2 web:1");
    assert_eq!(hub.phase("p-1"), "RolledBack -");
    assert_eq!(
        hub.get("/objects/apps/deployments/default/web").unwrap()["spec"]["template"]["spec"]["containers"]
            [0]["image"],
        "web:bad",
        "what people wrote stays"
    );
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert!(hub.rollout("p-2").is_none());
    hub.apply(deployment(2, "web:3")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:3, b: 2 web:1, c: 2 web:1");
}

#[tokio::test(start_paused = true)]
async fn what_is_halted_waits_for_somebody() {
    let rollout = json!({
        "stages": [{"name": "canary", "share": 1}], "progressDeadlineSeconds": 60,
    });
    let hub = Hub::running(rollout).await;
    hub.apply(deployment(2, "web:2")).await;
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(hub.phase("p-1"), "Halted canary");
    hub.healthy(&["a"]).await;
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(hub.phase("p-1"), "Halted canary", "it waits for somebody");
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
    hub.say("p-1", "/spec/paused", json!(false)).await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:2");
    hub.say("p-1", "/spec/aborted", json!(true)).await;
    assert_eq!(hub.phase("p-1"), "Aborted -");
    assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:1, c: 2 web:1");
}

#[tokio::test(start_paused = true)]
async fn a_stage_waits_to_be_approved_of_and_soaks() {
    let rollout = json!({"stages": [
        {"name": "canary", "share": 1, "soakSeconds": 120},
        {"name": "rest", "approval": "Required"},
    ]});
    let hub = Hub::running(rollout).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.healthy(&["a"]).await;
    assert_eq!(hub.phase("p-1"), "Soaking canary");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(hub.phase("p-1"), "Soaking canary");
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(hub.phase("p-1"), "WaitingForApproval rest");
    let approved = json!([{"stage": "rest", "by": "ann", "at": "2026-11-21T12:00:00Z"}]);
    let mut status = hub.rollout("p-1").unwrap()["status"].clone();
    status["approvals"] = approved.clone();
    hub.say("p-1", "/status", status).await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:2");
    assert_eq!(hub.rollout("p-1").unwrap()["status"]["approvals"], approved);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_starts_anew_goes_on_and_a_new_change_begins_again() {
    let mut hub = Hub::running(canary()).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.handle.take().unwrap().stop().await;
    hub.apply(deployment(2, "web:3")).await;
    hub.start();
    hub.settle().await;
    assert_eq!(hub.phase("p-1"), "Superseded -");
    assert_eq!(hub.all(), "a: 2 web:3, b: 2 web:1, c: 2 web:1");
    hub.healthy(&["a"]).await;
    hub.handle.take().unwrap().stop().await;
    hub.start();
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:3, b: 2 web:3, c: 2 web:3");
    hub.healthy(&["a", "b", "c"]).await;
    assert_eq!(hub.phase("p-2"), "Succeeded -");
}

#[tokio::test(start_paused = true)]
async fn a_former_release_comes_back_by_a_wish_until_the_template_changes() {
    let hub = Hub::running(json!({})).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.healthy(&["a", "b", "c"]).await;
    // The sweep leaves what a release of the history holds.
    tokio::time::sleep(Duration::from_secs(1300)).await;
    let former = hub.rollout("p-1").unwrap()["spec"]["from"].clone();
    let mut wish = policy(json!({}));
    let wish_for = format!("{} 1", former.as_str().unwrap());
    wish["metadata"]["annotations"] = json!({"roadstead.dev/rollout-undo": wish_for});
    hub.apply(wish).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:1, c: 2 web:1");
    assert_eq!(hub.rollout("p-2").unwrap()["spec"]["cause"], "Undo");
    hub.healthy(&["a", "b", "c"]).await;
    assert_eq!(hub.phase("p-2"), "Succeeded -");
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:1, c: 2 web:1");
    hub.apply(deployment(2, "web:3")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:3, b: 2 web:3, c: 2 web:3");
}

#[tokio::test(start_paused = true)]
async fn what_is_new_goes_in_waves_and_a_cluster_that_joins_gets_what_is_good() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(policy(canary())).await;
    hub.settle().await;
    hub.apply(deployment(2, "web:1")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:1, b: -, c: -");
    hub.healthy(&["a"]).await;
    hub.healthy(&["a", "b"]).await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.join("c").await;
    hub.connect("c").await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
}

#[tokio::test(start_paused = true)]
async fn who_is_away_holds_up_nobody_and_catches_up() {
    let hub = Hub::running(canary()).await;
    hub.liveness("c", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.healthy(&["a"]).await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:1");
    hub.healthy(&["b"]).await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:2");
}

#[tokio::test(start_paused = true)]
async fn removals_come_last_and_what_is_merely_removed_goes_at_once() {
    let hub = Hub::running(canary()).await;
    hub.delete(&deployment(2, "web:1")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: gone, b: gone, c: gone");
    assert!(hub.rollout("p-1").is_none());
}

#[tokio::test(start_paused = true)]
async fn without_a_rollout_all_get_the_change_and_nothing_is_kept_of_it() {
    let hub = Hub::running(canary()).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    let mut plain = policy(canary());
    plain["spec"].as_object_mut().unwrap().remove("rollout");
    hub.apply(plain).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:2");
    let snapshot = hub.store.snapshot();
    for prefix in ["/rollout/", "/releases/", "/admitted/"] {
        assert_eq!(snapshot.range(prefix).count(), 0, "{prefix}");
    }
}

/// A ConfigMap that the Deployment `web` mounts.
fn config(text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default"},
        "data": {"text": text},
    })
}

fn mounting(replicas: u32, image: &str) -> Value {
    let mut web = deployment(replicas, image);
    web["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "settings", "configMap": {"name": "settings"}}]);
    web
}

impl Hub {
    /// What the clusters are given of the ConfigMap.
    fn texts(&self) -> Vec<String> {
        use roadstead_store::records::{LedgerEntry, LedgerState, content_key, ledger_key};
        let item = roadstead_protocol::wire::ItemKey {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: "default".to_owned(),
            name: "settings".to_owned(),
        };
        let one = |name: &&str| {
            let key = ledger_key(&format!("attachedcluster-{name}"), &item).unwrap();
            let entry: LedgerEntry = serde_json::from_value(self.get(key.as_str())?).unwrap();
            let LedgerState::Put { digest, .. } = entry.state else {
                return None;
            };
            let content = self.get(content_key(&digest).unwrap().as_str())?;
            content["data"]["text"].as_str().map(str::to_owned)
        };
        let all = ["a", "b", "c"];
        all.iter().map(|n| one(n).unwrap_or_default()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_along_waits_for_its_wave_too() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    let mut along = policy(canary());
    along["spec"]["propagateDeps"] = json!(true);
    let mut plain = along.clone();
    plain["spec"].as_object_mut().unwrap().remove("rollout");
    hub.apply(config("one")).await;
    hub.apply(plain).await;
    hub.apply(mounting(2, "web:1")).await;
    hub.settle().await;
    hub.healthy(&["a", "b", "c"]).await;
    hub.apply(along).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["one", "one", "one"]);
    hub.apply(config("two")).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["two", "one", "one"]);
    assert_eq!(hub.phase("p-1"), "Progressing canary");
}

/// An edit is on its way to nobody before it was let there: watched write by write.
#[tokio::test(start_paused = true)]
async fn no_write_ever_gives_a_change_to_who_was_not_let_to_it() {
    let hub = Hub::running(canary()).await;
    let mut watch = hub.store.watch("/ledger/", hub.store.revision()).unwrap();
    for image in ["web:2", "web:3", "web:4"] {
        hub.apply(deployment(3, image)).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        hub.apply(deployment(2, image)).await;
        hub.settle().await;
        let mut policy = policy(canary());
        policy["metadata"]["labels"] = json!({"seen": image.replace(':', "-")});
        hub.apply(policy).await;
        hub.settle().await;
    }
    let mut seen = 0;
    while let Some(event) = watch.try_next() {
        let event = event.unwrap();
        let entry: roadstead_store::records::LedgerEntry =
            serde_json::from_slice(&event.new.unwrap().value).unwrap();
        let roadstead_store::records::LedgerState::Put { digest, .. } = entry.state else {
            panic!("nothing is removed");
        };
        let key = roadstead_store::records::content_key(&digest).unwrap();
        let content = hub.get(key.as_str()).unwrap();
        let image = &content["spec"]["template"]["spec"]["containers"][0]["image"];
        let canary = event.key.as_str().contains("attachedcluster-a/");
        assert!(canary || image == "web:1", "{}: {image}", event.key);
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}
