//! What becomes of decisions, and what policies say about themselves.

use super::*;

pub(super) async fn seed() -> Hub {
    let hub = Hub::new(&["prod", "dr"]).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10)])).await;
    hub.settle().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn status_comes_back_from_the_agents() {
    let hub = seed().await;
    assert_eq!(
        condition(&hub.decision().unwrap(), "Applied"),
        "False Pending"
    );
    let status = json!({"replicas": 18, "readyReplicas": 18});
    hub.report("prod", ItemState::Applied, Health::Healthy, status)
        .await;
    hub.report(
        "dr",
        ItemState::Applied,
        Health::Progressing,
        json!({"replicas": 2}),
    )
    .await;
    hub.settle().await;
    let decision = hub.decision().unwrap();
    assert_eq!(condition(&decision, "Applied"), "True Applied");
    assert_eq!(condition(&decision, "Ready"), "False Progressing");
    assert_eq!(decision["status"]["replicas"], 20);
    assert_eq!(decision["status"]["readyReplicas"], 18);
    assert_eq!(condition(&hub.policy("p"), "Ready"), "False NotReady");
    hub.report(
        "dr",
        ItemState::Applied,
        Health::Healthy,
        json!({"replicas": 2, "readyReplicas": 2}),
    )
    .await;
    hub.settle().await;
    assert_eq!(condition(&hub.decision().unwrap(), "Ready"), "True Ready");
    assert_eq!(condition(&hub.policy("p"), "Ready"), "True Ready");
    assert_eq!(hub.policy("p")["status"]["clusters"], 2);
    assert!(
        hub.events("DistributionPolicy", "p")
            .contains(&"Ready".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn the_template_counts_replicas_wherever_they_run() {
    let hub = seed().await;
    let there = |n: u32| json!({"observedGeneration": 1, "replicas": n, "readyReplicas": n});
    hub.report("prod", ItemState::Applied, Health::Healthy, there(18))
        .await;
    hub.settle().await;
    let counts = |hub: &Hub| {
        let object = hub.get("/objects/apps/deployments/default/web").unwrap();
        ["replicas", "readyReplicas", "observedGeneration"]
            .map(|field| object["status"][field].as_i64().unwrap())
    };
    assert_eq!(counts(&hub), [18, 18, 0]);
    hub.report("dr", ItemState::Applied, Health::Healthy, there(2))
        .await;
    hub.settle().await;
    assert_eq!(counts(&hub), [20, 20, 1]);
    assert_eq!(hub.ledger("prod"), "18 web:1");
}

#[tokio::test(start_paused = true)]
async fn what_was_reported_of_an_older_revision_is_pending() {
    let hub = seed().await;
    for cluster in ["prod", "dr"] {
        hub.report(cluster, ItemState::Applied, Health::Healthy, json!({}))
            .await;
    }
    hub.settle().await;
    hub.apply(deployment(20, "web:2")).await;
    hub.settle().await;
    let decision = hub.decision().unwrap();
    assert_eq!(condition(&decision, "Applied"), "False Pending");
    assert_eq!(condition(&hub.policy("p"), "Ready"), "False NotReady");
}

#[tokio::test(start_paused = true)]
async fn a_silent_cluster_makes_it_unknown() {
    let hub = seed().await;
    for cluster in ["prod", "dr"] {
        hub.report(cluster, ItemState::Applied, Health::Healthy, json!({}))
            .await;
    }
    hub.settle().await;
    hub.liveness("dr", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        condition(&hub.decision().unwrap(), "Ready"),
        "Unknown Unknown"
    );
    assert_eq!(condition(&hub.policy("p"), "Ready"), "Unknown NoNews");
}

#[tokio::test(start_paused = true)]
async fn a_members_refusal_is_said_in_its_own_words() {
    let hub = seed().await;
    hub.report("prod", ItemState::Failed, Health::Unknown, json!({}))
        .await;
    hub.settle().await;
    let decision = hub.decision().unwrap();
    assert_eq!(condition(&decision, "Applied"), "False Pending");
    let prod = &decision["status"]["clusters"][1];
    assert_eq!(
        (&prod["state"], &prod["message"]),
        (&json!("Failed"), &json!("said the member"))
    );
}

/// What a condition says.
fn message(object: &Value, kind: &str) -> String {
    let all = object["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|c| c["type"] == kind);
    let message = found.and_then(|c| c["message"].as_str());
    message.unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_comes_to_be_served_is_not_said_to_be_missing() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.apply(interpreting::policy()).await;
    hub.settle().await;
    assert_eq!(condition(&hub.policy("p"), "Placed"), "False UnknownKinds");
    hub.apply(interpreting::definition()).await;
    hub.settle().await;
    assert_eq!(
        condition(&hub.policy("p"), "Placed"),
        "False NothingSelected"
    );
}

#[tokio::test(start_paused = true)]
async fn bad_policies_say_what_is_wrong() {
    let hub = Hub::new(&["prod"]).await;
    hub.apply(weighted("nothing", &[("prod", 1)])).await;
    hub.settle().await;
    assert_eq!(
        condition(&hub.policy("nothing"), "Placed"),
        "False NothingSelected"
    );
    let mut misspelt = weighted("nothing", &[("prod", 1)]);
    misspelt["spec"]["resourceSelectors"] = json!([{"apiVersion": "apps/v1", "kind": "Deploymnt"}, {"apiVersion": "v1", "kind": "Job"}]);
    hub.apply(misspelt).await;
    hub.settle().await;
    assert_eq!(
        condition(&hub.policy("nothing"), "Placed"),
        "False UnknownKinds"
    );
    assert_eq!(
        message(&hub.policy("nothing"), "Placed"),
        "no such kind is served: Deploymnt of apps/v1 (is Deployment meant?), Job of v1 (is batch/v1 meant?)"
    );
    hub.apply(weighted("nothing", &[("prod", 1)])).await;
    hub.apply(deployment(4, "web:1")).await;
    hub.settle().await;
    assert_eq!(condition(&hub.policy("nothing"), "Placed"), "True Placed");
    hub.apply(weighted("nothing", &[("prod", 1), ("prods", 1)]))
        .await;
    hub.settle().await;
    let said = message(&hub.policy("nothing"), "Placed");
    assert!(said.contains("prods (is prod meant?)"), "{said}");
    assert_eq!(said.matches("prods").count(), 1, "{said}");
    // Who joins changes what may be meant: the decision keeps the bare name.
    let said = message(&hub.decision().unwrap(), "Placed");
    assert!(said.contains("prods"), "{said}");
    assert!(!said.contains("meant"), "{said}");
    hub.apply(weighted("nothing", &[("prod", 1), ("nowhere", 1)]))
        .await;
    hub.settle().await;
    assert_eq!(
        condition(&hub.policy("nothing"), "Placed"),
        "False UnknownClusters"
    );
    hub.apply(weighted("nothing", &[("prod", 0)])).await;
    hub.settle().await;
    assert_eq!(
        condition(&hub.policy("nothing"), "Placed"),
        "False ZeroWeights"
    );
    assert_eq!(hub.ledger("prod"), "4 web:1");
    let mut broken = weighted("nothing", &[("prod", 1)]);
    broken["spec"]["placement"]["clusterAffinity"]["clusterNames"] = json!("prod");
    hub.apply(broken).await;
    hub.settle().await;
    assert_eq!(
        condition(&hub.policy("nothing"), "Valid"),
        "False Unreadable"
    );
    assert_eq!(hub.ledger("prod"), "4 web:1");
}
