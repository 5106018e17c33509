//! A pinned number of replicas, from the decision to the status that people see.

use super::placing::one_on_dr;
use super::*;

#[tokio::test(start_paused = true)]
async fn it_is_judged_by_what_is_pinned() {
    let hub = Hub::new(&["prod", "dr"]).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10)])).await;
    hub.apply(one_on_dr()).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("prod"), hub.ledger("dr")),
        ("18 web:1".into(), "1 web:1".into())
    );
    let spec = &hub.decision().unwrap()["spec"];
    assert_eq!(spec["replicas"], 19);
    let shares = spec["clusters"].as_array().unwrap();
    let shares: Vec<Value> = shares
        .iter()
        .map(|c| json!([c["name"], c["replicas"], c["pinned"]]))
        .collect();
    assert_eq!(shares, [json!(["dr", 2, 1]), json!(["prod", 18, null])]);
    for (cluster, count) in [("prod", 18), ("dr", 1)] {
        let status = json!({
            "observedGeneration": 1, "replicas": count, "updatedReplicas": count,
            "readyReplicas": count, "availableReplicas": count,
            "conditions": [{"type": "Available", "status": "True"}],
        });
        hub.report(cluster, ItemState::Applied, Health::Healthy, status)
            .await;
    }
    hub.settle().await;
    let decision = hub.decision().unwrap();
    assert_eq!(condition(&decision, "Ready"), "True Ready");
    assert_eq!(decision["status"]["readyReplicas"], 19);
    let web = hub.get("/objects/apps/deployments/default/web").unwrap();
    assert_eq!(web["status"]["readyReplicas"], 19);
    // Who waits for the 20 that stand in the object does not wait for the one that is left out.
    assert_eq!(web["status"]["updatedReplicas"], 20);
    assert_eq!(web["status"]["availableReplicas"], 20);
    assert_eq!(condition(&web, "Available").split(' ').next(), Some("True"));
    // The total changes: the shares do, the pin does not.
    hub.apply(deployment(30, "web:1")).await;
    hub.settle().await;
    assert_eq!(
        (hub.ledger("prod"), hub.ledger("dr")),
        ("27 web:1".into(), "1 web:1".into())
    );
    assert_eq!(hub.decision().unwrap()["spec"]["replicas"], 28);
}
