//! A decision is carried out only where nothing that it was made from changed meanwhile, and counts
//! of removals are of the very snapshot.

use roadstead_protocol::wire::Meta;
use roadstead_protocol::wire::item::Propagation;
use roadstead_store::records::world_key;
use roadstead_store::{CommitError, Snapshot};

use super::*;
use crate::placement::attempt;
use crate::reconciler::Reconciler;

/// A hub whose controllers are stopped, and a reconciler to be called by hand.
async fn by_hand() -> (Hub, Reconciler) {
    let mut hub = Hub::new(&["prod", "dr"]).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10)])).await;
    hub.settle().await;
    hub.handle.take().unwrap().stop().await;
    let reconciler = Reconciler::new(hub.parts());
    (hub, reconciler)
}

async fn overtaken(hub: &Hub, reconciler: &Reconciler, seen: &Snapshot) -> bool {
    let txn = attempt(reconciler, seen, &web()).unwrap().unwrap();
    assert!(!txn.ops.is_empty());
    let done = hub.store.commit(txn).await;
    matches!(done, Err(CommitError::Conflict { .. }))
}

#[tokio::test(start_paused = true)]
async fn what_changed_in_the_world_meanwhile_overtakes_a_decision() {
    let (hub, reconciler) = by_hand().await;
    hub.apply(deployment(30, "web:1")).await;
    let seen = hub.store.snapshot();
    let bump = || Txn::new().put(world_key().unwrap(), &b"{}"[..]);
    // For the first time, and again.
    for _ in 0..2 {
        let seen = hub.store.snapshot();
        hub.store.commit(bump()).await.unwrap();
        assert!(overtaken(&hub, &reconciler, &seen).await);
    }
    assert!(overtaken(&hub, &reconciler, &seen).await);
    assert!(!overtaken(&hub, &reconciler, &hub.store.snapshot()).await);
}

#[tokio::test(start_paused = true)]
async fn a_template_that_came_back_meanwhile_overtakes_its_removal() {
    let (hub, reconciler) = by_hand().await;
    hub.delete(&deployment(20, "web:1")).await;
    let seen = hub.store.snapshot();
    hub.apply(deployment(20, "web:1")).await;
    assert!(overtaken(&hub, &reconciler, &seen).await);
    assert_eq!(hub.ledger("prod"), "18 web:1");
}

#[tokio::test(start_paused = true)]
async fn a_review_counts_what_is_decided_now() {
    let (hub, reconciler) = by_hand().await;
    let review = || {
        let snapshot = hub.store.snapshot();
        let world = reconciler.world(&snapshot).unwrap();
        reconciler.review(&snapshot, &world).unwrap()
    };
    hub.apply(weighted("p", &[("prod", 1)])).await;
    let before = review();
    assert_eq!(before, review());
    // The world stays, and the decision is carried out.
    let snapshot = hub.store.snapshot();
    let txn = attempt(&reconciler, &snapshot, &web()).unwrap().unwrap();
    hub.store.commit(txn).await.unwrap();
    let all = json!({"replicas": 20, "readyReplicas": 20});
    hub.report("prod", ItemState::Applied, Health::Healthy, all)
        .await;
    let snapshot = hub.store.snapshot();
    let txn = attempt(&reconciler, &snapshot, &web()).unwrap().unwrap();
    hub.store.commit(txn).await.unwrap();
    assert_eq!(hub.ledger("dr"), "gone");
    assert_ne!(before, review());
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_is_left_over_lets_nothing_else_go() {
    let hub = Hub::new(&["prod", "dr"]).await;
    hub.apply(deployment(20, "web:1")).await;
    hub.apply(weighted("p", &[("prod", 90), ("dr", 10)])).await;
    hub.settle().await;
    let mut none = weighted("p", &[("prod", 90), ("dr", 10)]);
    none["spec"]["placement"]["clusterAffinity"]["exclude"] = json!(["prod", "dr"]);
    for old in ["2", "99", "2-00000000"] {
        let mut annotated = deployment(20, "web:1");
        annotated["metadata"]["annotations"] = json!({"roadstead.dev/confirm-removal": old});
        hub.apply(annotated).await;
        hub.apply(none.clone()).await;
        hub.settle().await;
        assert_eq!(hub.ledger("prod"), "18 web:1", "{old}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_with_its_contents_where_its_template_said_so() {
    for (said, expected) in [
        ("true", Meta::Propagation(Propagation::Background)),
        ("false", Meta::Release),
    ] {
        let hub = Hub::new(&["prod"]).await;
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {
                "name": "shop",
                "labels": {"roadstead.dev/template": "true"},
                "annotations": {"roadstead.dev/delete-contents": said},
            },
        });
        hub.apply(namespace.clone()).await;
        hub.apply(json!({
            "apiVersion": "policy.kurator.dev/v1alpha1",
            "kind": "ClusterDistributionPolicy",
            "metadata": {"name": "p"},
            "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "Namespace", "name": "shop"}]},
        }))
        .await;
        hub.settle().await;
        hub.delete(&namespace).await;
        hub.settle().await;
        let key = "/ledger/attachedcluster-prod/core/Namespace/_/shop";
        let record: LedgerEntry = decode(hub.store.snapshot().get(key).unwrap()).unwrap();
        assert_eq!(record.state, LedgerState::Tombstone);
        assert_eq!(record.meta, [expected]);
    }
}
