//! What a rollout does while something is not known: of a policy, of a cluster, of what goes along.

use roadstead_protocol::api::Facts;
use roadstead_protocol::api::facts::Problem;

use super::super::around::report;
use super::*;

/// An override policy that gives `app: web` an image of another registry; as it should not be where it
/// is not `readable`.
fn overriding(readable: bool) -> Value {
    let selectors = json!([{"apiVersion": "apps/v1", "kind": "Deployment"}]);
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "OverridePolicy",
        "metadata": {"name": "o", "namespace": "default"},
        "spec": {
            "resourceSelectors": if readable { selectors } else { json!("all") },
            "overrideRules": [{"overriders": {"imageOverrider": [
                {"component": "Tag", "operator": "replace", "value": "special"},
            ]}}],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn an_override_policy_that_cannot_be_read_for_a_while_is_not_taken_out() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    hub.apply(overriding(true)).await;
    let mut plain = policy(canary());
    plain["spec"].as_object_mut().unwrap().remove("rollout");
    hub.apply(plain).await;
    hub.apply(deployment(2, "web:1")).await;
    hub.settle().await;
    hub.healthy(&["a", "b", "c"]).await;
    hub.apply(policy(canary())).await;
    hub.settle().await;
    let special = "a: 2 web:special, b: 2 web:special, c: 2 web:special";
    assert_eq!(hub.all(), special);
    hub.apply(overriding(false)).await;
    hub.settle().await;
    assert_eq!(hub.all(), special);
    let problem = hub.get("/rollout/distributionpolicy-p").unwrap()["problem"].clone();
    assert!(
        problem.as_str().unwrap().contains("cannot be read"),
        "{problem}"
    );
    hub.apply(overriding(true)).await;
    hub.settle().await;
    assert_eq!(hub.all(), special);
    assert!(hub.rollout("p-1").is_none(), "nothing changed");
    // That it goes is a change.
    hub.delete(&overriding(true)).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:special, c: 2 web:special");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_to_which_dispatching_is_suspended_holds_up_nobody() {
    let rollout = json!({"progressDeadlineSeconds": 60, "onFailure": "Rollback"});
    let hub = Hub::running(rollout.clone()).await;
    let mut suspended = policy(rollout.clone());
    suspended["spec"]["suspension"] = json!({"dispatchingOnClusters": {"clusterNames": ["c"]}});
    hub.apply(suspended).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.healthy(&["a", "b"]).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:1");
    hub.apply(policy(rollout)).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:2");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_api_does_not_answer_after_the_change_is_not_well() {
    let rollout = json!({"stages": [{"name": "rest", "maxConcurrent": 1}]});
    let hub = Hub::running(rollout).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
    let facts = Facts {
        problem: Some(Problem {
            reason: "ApiUnreachable".to_owned(),
            message: "no answer".to_owned(),
        }),
        ..Facts::default()
    };
    hub.facts("a", &facts).await;
    hub.settle().await;
    assert_eq!(hub.phase("p-1"), "Progressing rest");
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(hub.phase("p-1"), "Halted rest");
    // One that falls silent holds up the others too, and is not blamed.
    hub.liveness("a", false).await;
    hub.say("p-1", "/spec/paused", json!(false)).await;
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(hub.phase("p-1"), "Progressing rest");
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
}

/// A policy that sends what is needed along, with a rollout or without, that can be read or not.
fn along(rolls: bool, readable: bool) -> Value {
    let mut along = policy(canary());
    along["spec"]["propagateDeps"] = json!(true);
    if !rolls {
        along["spec"].as_object_mut().unwrap().remove("rollout");
    }
    if !readable {
        along["spec"]["placement"]["clusterAffinity"]["clusterNames"] = json!("a");
    }
    along
}

#[tokio::test(start_paused = true)]
async fn what_goes_along_is_kept_while_the_policy_cannot_be_read() {
    let hub = Hub::going_along().await;
    hub.apply(along(true, true)).await;
    hub.settle().await;
    hub.apply(config("two")).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["two", "one", "one"]);
    hub.apply(along(true, false)).await;
    hub.settle().await;
    hub.apply(config("three")).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["two", "one", "one"]);
    hub.apply(along(true, true)).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["three", "one", "one"]);
}

#[tokio::test(start_paused = true)]
async fn a_gate_waits_until_what_goes_along_was_given_and_is_there() {
    let hub = Hub::going_along().await;
    hub.tell_config(&["a", "b", "c"]).await;
    hub.apply(along(true, true)).await;
    hub.settle().await;
    hub.apply(config("two")).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["two", "one", "one"]);
    hub.healthy(&["a"]).await;
    assert_eq!(hub.texts(), ["two", "one", "one"], "nobody has seen it yet");
    hub.tell_config(&["a"]).await;
    hub.healthy(&["a"]).await;
    assert_eq!(hub.texts(), ["two", "two", "two"]);
    hub.tell_config(&["b", "c"]).await;
    hub.healthy(&["b", "c"]).await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
}

impl Hub {
    /// The app runs on all clusters with its ConfigMap, which goes along; nothing rolls out yet.
    async fn going_along() -> Self {
        let hub = Self::new(&["a", "b", "c"]).await;
        hub.apply(config("one")).await;
        hub.apply(along(false, true)).await;
        hub.apply(mounting(2, "web:1")).await;
        hub.settle().await;
        hub.healthy(&["a", "b", "c"]).await;
        hub
    }

    /// The agents of these clusters report the ConfigMap as it was given last.
    pub(super) async fn tell_config(&self, clusters: &[&str]) {
        use roadstead_protocol::wire::report::ItemReport;
        use roadstead_store::records::{ReportRecord, ledger_key, report_key};
        let item = roadstead_protocol::wire::ItemKey {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: "default".to_owned(),
            name: "settings".to_owned(),
        };
        for cluster in clusters {
            let uid = format!("attachedcluster-{cluster}");
            let key = ledger_key(&uid, &item).unwrap();
            let revision = self.store.snapshot().get(key.as_str()).unwrap().revision;
            let report = ItemReport {
                key: item.clone(),
                stamp: self.store.lineage().stamp(revision).unwrap(),
                state: ItemState::Applied,
                reason: String::new(),
                message: String::new(),
                generation: 1,
                health: Health::Healthy,
                status: b"{}".to_vec().into(),
            };
            let record = ReportRecord::new(report, self.env.clock.now());
            let key = report_key(&uid, &item).unwrap();
            let txn = Txn::new().put(key, encode(&record).unwrap());
            self.volatile.commit(txn).await.unwrap();
        }
        self.settle().await;
    }
}

/// Where only what goes along changes, its own reports are all that there is to go on by.
#[tokio::test(start_paused = true)]
async fn a_report_of_what_only_goes_along_wakes_the_rollout() {
    let hub = Hub::new(&["a", "b", "c"]).await;
    let mut along = policy(canary());
    along["spec"]["propagateDeps"] = json!(true);
    hub.apply(config("one")).await;
    hub.apply(along).await;
    hub.settle().await;
    hub.apply(mounting(2, "web:1")).await;
    let settings = roadstead_protocol::wire::ItemKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: "default".to_owned(),
        name: "settings".to_owned(),
    };
    for clusters in [&["a"][..], &["b", "c"]] {
        hub.settle().await;
        for cluster in clusters {
            report(&hub, cluster, &settings, Health::Healthy).await;
        }
        hub.healthy(clusters).await;
    }
    assert_eq!(hub.phase("p-1"), "Succeeded -");
    hub.apply(config("two")).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["two", "one", "one"]);
    report(&hub, "a", &settings, Health::Healthy).await;
    hub.settle().await;
    assert_eq!(hub.texts(), ["two", "two", "two"]);
}
