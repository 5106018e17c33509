//! What is left of rollouts that are over, and those that cannot begin.

use roadstead_store::records::{LEDGER_PREFIX, admitted_key, rollout_key};

use super::*;

/// The policy without its rollout.
fn plain(rollout: Value) -> Value {
    let mut plain = policy(rollout);
    plain["spec"].as_object_mut().unwrap().remove("rollout");
    plain
}

/// A Deployment of the policy that is too large for any cluster.
fn large() -> Value {
    let mut large = deployment(1, "large:1");
    large["metadata"]["name"] = "large".into();
    large["spec"]["template"]["text"] = "x".repeat(2_000_000).into();
    large
}

fn approved() -> Value {
    json!({"stages": [
        {"name": "canary", "share": 1},
        {"name": "rest", "approval": "Required"},
    ]})
}

impl Hub {
    /// Whether nothing is written of any rollouts.
    fn is_forgotten(&self) -> bool {
        let snapshot = self.store.snapshot();
        let all = ["/rollout/", "/releases/", "/admitted/"];
        all.iter().all(|prefix| snapshot.range(prefix).count() == 0)
    }

    fn message(&self, name: &str) -> String {
        let rollout = self.rollout(name).unwrap();
        rollout["status"]["message"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_former_rollouts_is_never_gone_back_to() {
    let mut hub = Hub::running(canary()).await;
    // The hub dies before it has seen that the policy has no rollout any more.
    hub.handle.take().unwrap().stop().await;
    hub.apply(plain(canary())).await;
    hub.start();
    hub.settle().await;
    assert!(hub.is_forgotten());
    hub.apply(deployment(2, "web:9")).await;
    hub.settle().await;
    hub.apply(policy(canary())).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:9, b: 2 web:9, c: 2 web:9");
}

#[tokio::test(start_paused = true)]
async fn how_rollouts_stood_is_forgotten_before_all_the_rest() {
    let hub = Hub::running(canary()).await;
    let mut txn = Txn::new();
    for n in 0..1200 {
        let key = admitted_key("distributionpolicy-p", &format!("c{n}")).unwrap();
        txn = txn.put(key, encode(&json!({"release": "x", "run": 7})).unwrap());
    }
    hub.store.commit(txn).await.unwrap();
    let mut watch = hub.store.watch("/", hub.store.revision()).unwrap();
    hub.apply(plain(canary())).await;
    hub.settle().await;
    assert!(hub.is_forgotten());
    let mut gone = Vec::new();
    while let Some(event) = watch.try_next() {
        let event = event.unwrap();
        let path = event.key.as_str().to_owned();
        let of_rollouts = path.starts_with("/rollout/") || path.starts_with("/admitted/");
        if of_rollouts && event.new.is_none() {
            gone.push(path);
        }
    }
    let state = rollout_key("distributionpolicy-p").unwrap();
    let at = gone.iter().position(|key| key == state.as_str()).unwrap();
    assert!(at < 500, "{at} of {}", gone.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_old_goes_without_waiting_for_a_change() {
    let hub = Hub::running(canary()).await;
    let mut txn = Txn::new();
    for n in 0..4000 {
        let key = admitted_key("distributionpolicy-p", &format!("c{n}")).unwrap();
        txn = txn.put(key, encode(&json!({"release": "x", "run": 0})).unwrap());
    }
    hub.store.commit(txn).await.unwrap();
    let mut labelled = policy(canary());
    labelled["metadata"]["labels"] = json!({"seen": "yes"});
    hub.apply(labelled).await;
    hub.settle().await;
    assert_eq!(hub.store.snapshot().range("/admitted/").count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_cannot_be_read_keeps_nothing_from_being_forgotten() {
    let hub = Hub::running(canary()).await;
    let odd = json!({"metadata": {"name": "odd"}, "spec": {"number": "seven"}});
    let key = roadstead_store::Key::parse("/objects/roadstead.dev/rollouts/default/odd").unwrap();
    let txn = Txn::new().put(key, encode(&odd).unwrap());
    hub.store.commit(txn).await.unwrap();
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.phase("p-1"), "Progressing canary");
    hub.apply(plain(canary())).await;
    hub.settle().await;
    assert!(hub.is_forgotten());
    assert!(hub.rollout("odd").is_some());
}

#[tokio::test(start_paused = true)]
async fn rollouts_that_are_wanted_anew_have_higher_numbers() {
    let hub = Hub::running(canary()).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.phase("p-1"), "Progressing canary");
    hub.apply(plain(canary())).await;
    hub.settle().await;
    assert_eq!(hub.phase("p-1"), "Aborted -");
    assert_eq!(hub.message("p-1"), "its policy has no rollout any more");
    hub.apply(policy(canary())).await;
    hub.settle().await;
    hub.apply(deployment(2, "web:3")).await;
    hub.settle().await;
    assert_eq!(hub.phase("p-2"), "Progressing canary");
    assert_eq!(hub.all(), "a: 2 web:3, b: 2 web:2, c: 2 web:2");
    hub.delete(&policy(canary())).await;
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert!(hub.is_forgotten());
    assert!(hub.rollout("p-1").is_none() && hub.rollout("p-2").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_another_rollout_of_the_name_counts_for_none() {
    let hub = Hub::running(approved()).await;
    for name in ["p-1", "p-1-distribu"] {
        let approvals = json!([{"stage": "rest", "by": "ann", "at": "2026-11-21T12:00:00Z"}]);
        let object = json!({
            "apiVersion": "roadstead.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": name, "namespace": "default", "uid": name, "generation": 1},
            "spec": {
                "policy": {"kind": "DistributionPolicy", "uid": "another"},
                "number": 1, "release": "x", "from": "y", "cause": "Change",
            },
            "status": {"phase": "Progressing", "approvals": approvals},
        });
        let key = format!("/objects/roadstead.dev/rollouts/default/{name}");
        let key = roadstead_store::Key::parse(&key).unwrap();
        let txn = Txn::new().put(key, encode(&object).unwrap());
        hub.store.commit(txn).await.unwrap();
    }
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.healthy(&["a"]).await;
    assert_eq!(hub.phase("p-1-distribu-2"), "WaitingForApproval rest");
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
}

#[tokio::test(start_paused = true)]
async fn a_bad_run_is_ended_though_nothing_can_be_made_of_what_stands_on_the_hub() {
    let hub = Hub::running(canary()).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.apply(large()).await;
    hub.settle().await;
    assert!(hub.message("p-1").contains("cannot go out"));
    hub.say("p-1", "/spec/aborted", json!(true)).await;
    assert_eq!(hub.phase("p-1"), "Aborted -");
    assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:1, c: 2 web:1");
    tokio::time::sleep(Duration::from_secs(300)).await;
    let before = hub.store.revision();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(hub.store.revision(), before, "idle is quiet");
    hub.delete(&large()).await;
    hub.settle().await;
    assert!(hub.rollout("p-2").is_none(), "it is not tried again");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_no_release_can_be_made_of_holds_up_nothing_else() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    let mut other = plain(canary());
    other["metadata"]["name"] = "other".into();
    other["spec"]["resourceSelectors"] = json!([{"apiVersion": "v1", "kind": "ConfigMap"}]);
    hub.apply(other.clone()).await;
    hub.apply(config("one")).await;
    hub.apply(plain(canary())).await;
    hub.apply(deployment(2, "web:1")).await;
    hub.apply(large()).await;
    hub.settle().await;
    hub.apply(policy(canary())).await;
    hub.settle().await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:1, c: 2 web:1");
    assert_eq!(
        condition(&hub.decision().unwrap(), "Placed"),
        "False RollingOut"
    );
    let events = hub.events("DistributionPolicy", "p");
    assert!(
        events.contains(&"RolloutImpossible".to_owned()),
        "{events:?}"
    );
    // An edit of another policy takes from a cluster.
    other["spec"]["placement"]["clusterAffinity"]["clusterNames"] = json!(["a", "b"]);
    hub.apply(other).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["one", "one", ""]);
    hub.delete(&deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: gone, b: gone, c: gone");
}

#[tokio::test(start_paused = true)]
async fn objects_of_users_own_kinds_go_out_too() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    let version = json!({
        "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    });
    hub.apply(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced", "versions": [version],
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
        },
    }))
    .await;
    let mut widgets = policy(canary());
    widgets["spec"]["resourceSelectors"] =
        json!([{"apiVersion": "example.org/v1", "kind": "Widget"}]);
    hub.apply(widgets).await;
    hub.settle().await;
    hub.apply(json!({
        "apiVersion": "example.org/v1", "kind": "Widget",
        "metadata": {"name": "web", "namespace": "default"}, "spec": {"size": 1},
    }))
    .await;
    hub.settle().await;
    assert_eq!(hub.phase("p-1"), "Progressing canary");
    let snapshot = hub.store.snapshot();
    let given = snapshot.range(LEDGER_PREFIX);
    let given = given.filter(|entry| entry.key.as_str().contains("Widget"));
    assert_eq!(given.count(), 1);
}

/// The rollout is taken out and put in again before anybody looks: as the API does it, how it stood goes
/// with the write.
#[tokio::test(start_paused = true)]
async fn who_has_a_rollout_again_at_once_goes_on_with_nothing() {
    let hub = Hub::running(canary()).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.healthy(&["a"]).await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:2");
    assert_eq!(hub.phase("p-1"), "Progressing rest");
    hub.apply(plain(canary())).await;
    let key = rollout_key("distributionpolicy-p").unwrap();
    hub.store.commit(Txn::new().delete(key)).await.unwrap();
    hub.apply(policy(canary())).await;
    hub.settle().await;
    assert_eq!(hub.phase("p-1"), "Aborted -");
    assert_eq!(
        hub.message("p-1"),
        "its policy was without a rollout meanwhile"
    );
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:2");
    assert!(hub.rollout("p-2").is_none(), "what runs is good");
    hub.apply(deployment(2, "web:3")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:3, b: 2 web:2, c: 2 web:2");
    assert_eq!(hub.phase("p-2"), "Progressing canary");
}
