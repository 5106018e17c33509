//! From a template and a policy to ledgers, and back out of them.

use super::*;

async fn seed() -> Hub {
    let hub = Hub::new(&["prod", "dr", "edge"]).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10)])).await;
    hub.settle().await;
    hub
}

fn on(hub: &Hub, clusters: &[&str]) -> Vec<String> {
    clusters.iter().map(|c| hub.ledger(c)).collect()
}

/// An override that pins the replicas on dr to one.
pub(super) fn one_on_dr() -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "OverridePolicy",
        "metadata": {"name": "o", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}],
            "overrideRules": [{
                "targetClusters": {"clusterNames": ["dr"]},
                "overrides": [{"path": "/spec/replicas", "value": 1}],
            }],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn the_seed_is_divided_and_changes_move_only_what_must() {
    let hub = seed().await;
    assert_eq!(
        on(&hub, &["prod", "dr", "edge"]),
        ["18 web:1", "2 web:1", "-"]
    );
    let before = hub.entry("dr").unwrap().0;
    hub.apply(deployment(21, "web:1")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["19 web:1", "2 web:1"]);
    assert_eq!(hub.entry("dr").unwrap().0, before);
    let decision = hub.decision().unwrap();
    assert_eq!(decision["spec"]["policy"]["name"], "p");
    assert_eq!(decision["metadata"]["generation"], 2);
    assert_eq!(condition(&decision, "Placed"), "True Placed");
    assert_eq!(hub.events("Deployment", "web"), ["Placed"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_change_writes_nothing() {
    let hub = seed().await;
    hub.settle().await;
    let (durable, volatile) = (hub.store.revision(), hub.volatile.revision());
    tokio::time::sleep(Duration::from_secs(3000)).await;
    assert_eq!(
        (hub.store.revision(), hub.volatile.revision()),
        (durable, volatile)
    );
}

#[tokio::test(start_paused = true)]
async fn an_override_changes_one_cluster() {
    let hub = seed().await;
    let before = hub.entry("prod").unwrap().0;
    hub.apply(one_on_dr()).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["18 web:1", "1 web:1"]);
    assert_eq!(hub.entry("prod").unwrap().0, before);
    let policy = hub
        .get("/objects/policy.kurator.dev/overridepolicies/default/o")
        .unwrap();
    assert_eq!(condition(&policy, "Applied"), "True Applied");
    assert_eq!(
        (&policy["status"]["claimed"], &policy["status"]["clusters"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn deleting_the_template_removes_it_and_then_the_decision() {
    let hub = seed().await;
    hub.delete(&deployment(20, "web:1")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["gone", "gone"]);
    assert_eq!(
        condition(&hub.decision().unwrap(), "Applied"),
        "False NoCluster"
    );
    assert_eq!(
        condition(&hub.decision().unwrap(), "Placed"),
        "False Removing"
    );
    hub.acknowledge("prod").await;
    hub.acknowledge("dr").await;
    hub.settle().await;
    assert_eq!(hub.decision(), None);
}

#[tokio::test(start_paused = true)]
async fn a_template_that_vanishes_without_a_record_is_kept() {
    let hub = seed().await;
    let key = Hub::key(&deployment(20, "web:1"));
    hub.store.commit(Txn::new().delete(key)).await.unwrap();
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["18 web:1", "2 web:1"]);
    assert_eq!(
        condition(&hub.decision().unwrap(), "Placed"),
        "False TemplateMissing"
    );
    let said = hub.decision().unwrap().to_string();
    assert!(!said.contains("annotate"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn deleting_the_policy_removes_and_another_that_claims_it_keeps() {
    let hub = seed().await;
    hub.apply(weighted("q", &[("prod", 1), ("edge", 1)])).await;
    hub.settle().await;
    assert_eq!(
        condition(&hub.policy("q"), "Placed"),
        "False ClaimedByAnother"
    );
    hub.delete(&weighted("p", &[])).await;
    hub.settle().await;
    assert_eq!(
        on(&hub, &["prod", "dr", "edge"]),
        ["18 web:1", "2 web:1", "10 web:1"],
        "what another takes on stays until it is replaced"
    );
    for (cluster, count) in [("dr", 2), ("edge", 10)] {
        let status = json!({"replicas": count, "readyReplicas": count});
        hub.report(cluster, ItemState::Applied, Health::Healthy, status)
            .await;
    }
    hub.settle().await;
    assert_eq!(
        on(&hub, &["prod", "dr", "edge"]),
        ["10 web:1", "gone", "10 web:1"]
    );
    hub.delete(&weighted("q", &[])).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr", "edge"]), ["gone", "gone", "gone"]);
}

#[tokio::test(start_paused = true)]
async fn deleted_and_made_again_the_object_stays_where_it_is_wanted() {
    let hub = seed().await;
    hub.delete(&deployment(20, "web:1")).await;
    hub.settle().await;
    hub.apply(deployment(10, "web:2")).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["9 web:2", "1 web:2"]);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_leaves_no_cluster_is_held_until_confirmed() {
    let hub = seed().await;
    let mut none = weighted("p", &[("prod", 90), ("dr", 10)]);
    none["spec"]["placement"]["clusterAffinity"]["exclude"] = json!(["prod", "dr"]);
    hub.apply(none).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["18 web:1", "2 web:1"]);
    let decision = hub.decision().unwrap();
    assert_eq!(
        condition(&decision, "Placed"),
        "False RemovalNeedsConfirmation"
    );
    assert_eq!(decision["spec"]["clusters"][0]["held"], true);
    let mut confirmed = deployment(20, "web:1");
    confirmed["metadata"]["annotations"] =
        json!({"roadstead.dev/confirm-removal": token(&decision)});
    hub.apply(confirmed).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["gone", "gone"]);
}

/// The token for the object that the condition Placed names.
fn token(decision: &Value) -> String {
    let conditions = decision["status"]["conditions"].as_array().unwrap();
    let placed = conditions.iter().find(|c| c["type"] == "Placed").unwrap();
    let message = placed["message"].as_str().unwrap();
    let rest = message.split_once("confirm-removal=").unwrap().1;
    rest.split(';').next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_misspelt_cluster_removes_nothing() {
    let hub = seed().await;
    hub.apply(weighted("p", &[("prod", 90), ("rd", 10)])).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["dr"]), ["2 web:1"]);
    assert_eq!(
        condition(&hub.decision().unwrap(), "Placed"),
        "False UnknownNames"
    );
    hub.join("rd").await;
    hub.connect("rd").await;
    hub.settle().await;
    assert_eq!(on(&hub, &["dr", "rd"]), ["2 web:1", "2 web:1"]);
    let two = json!({"replicas": 2, "readyReplicas": 2});
    let most = json!({"replicas": 20, "readyReplicas": 20});
    for (cluster, status) in [("prod", most), ("rd", two)] {
        hub.report(cluster, ItemState::Applied, Health::Healthy, status)
            .await;
    }
    hub.settle().await;
    assert_eq!(on(&hub, &["dr", "rd"]), ["gone", "2 web:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_someone_deletes_comes_back_and_nothing_moves() {
    let hub = seed().await;
    let before = hub.entry("prod").unwrap().0;
    let key = Key::parse("/objects/roadstead.dev/decisions/default/deployment.apps.web").unwrap();
    hub.store.commit(Txn::new().delete(key)).await.unwrap();
    hub.settle().await;
    assert_eq!(hub.decision().unwrap()["spec"]["policy"]["name"], "p");
    assert_eq!(hub.entry("prod").unwrap().0, before);
}

#[tokio::test(start_paused = true)]
async fn a_detached_cluster_loses_nothing_and_is_forgotten() {
    let hub = seed().await;
    let cluster = hub
        .get("/objects/cluster.kurator.dev/attachedclusters/default/dr")
        .unwrap();
    hub.delete(&cluster).await;
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["20 web:1", "-"]);
}

#[tokio::test(start_paused = true)]
async fn contents_that_nothing_names_go_and_equal_ones_are_one() {
    let hub = seed().await;
    hub.apply(deployment(20, "web:2")).await;
    hub.settle().await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let snapshot = hub.store.snapshot();
    assert_eq!(snapshot.range("/content/").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_controller_finds_everything_as_it_should_be() {
    let mut hub = seed().await;
    hub.handle.take().unwrap().stop().await;
    hub.apply(deployment(30, "web:3")).await;
    hub.settle().await;
    assert_eq!(hub.ledger("prod"), "18 web:1");
    hub.start();
    hub.settle().await;
    assert_eq!(on(&hub, &["prod", "dr"]), ["27 web:3", "3 web:3"]);
}
