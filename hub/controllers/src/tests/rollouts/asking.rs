//! What people ask of rollouts beside stages: to pause, to wait for who is away, to keep so much history,
//! to leave so many clusters as they are.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_paused_goes_no_further_and_does_not_fail_meanwhile() {
    let rollout = json!({
        "stages": [{"name": "canary", "share": 1}], "progressDeadlineSeconds": 60, "onFailure": "Rollback",
    });
    let hub = Hub::running(rollout).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.say("p-1", "/spec/paused", json!(true)).await;
    assert_eq!(hub.phase("p-1"), "Paused canary");
    hub.healthy(&["a"]).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(hub.phase("p-1"), "Paused canary");
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
    // Numbers do not wait for it either.
    hub.apply(deployment(3, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 3 web:2, b: 3 web:1, c: 3 web:1");
    hub.healthy(&["a", "b", "c"]).await;
    hub.say("p-1", "/spec/paused", json!(false)).await;
    assert_eq!(hub.all(), "a: 3 web:2, b: 3 web:2, c: 3 web:2");
    hub.healthy(&["b", "c"]).await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_neither_tried_again_by_a_start_nor_by_another_number() {
    let rollout = json!({
        "stages": [{"name": "canary", "share": 1}],
        "progressDeadlineSeconds": 60, "onFailure": "Rollback",
    });
    let mut hub = Hub::running(rollout).await;
    hub.apply(deployment(2, "web:bad")).await;
    hub.settle().await;
    let (applied, degraded) = (ItemState::Applied, Health::Degraded);
    hub.report("a", applied, degraded, json!({})).await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(hub.phase("p-1"), "RolledBack -");
    hub.handle.take().unwrap().stop().await;
    hub.start();
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:1, b: 2 web:1, c: 2 web:1");
    hub.apply(deployment(5, "web:bad")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 5 web:1, b: 5 web:1, c: 5 web:1");
    assert!(hub.rollout("p-2").is_none());
    // A cluster that joins gets what is good, and not what failed.
    let mut wider = hub.policy("p");
    wider["spec"]["placement"] = json!({});
    hub.apply(wider).await;
    hub.join("d").await;
    hub.connect("d").await;
    hub.settle().await;
    assert_eq!(hub.ledger("d"), "5 web:1");
}

#[tokio::test(start_paused = true)]
async fn who_is_away_is_waited_for_where_that_is_asked() {
    let hub = Hub::running(json!({"waitForAway": true})).await;
    hub.liveness("c", false).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    hub.healthy(&["a", "b"]).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(hub.phase("p-1"), "Progressing rest");
    hub.connect("c").await;
    hub.settle().await;
    hub.healthy(&["c"]).await;
    assert_eq!(hub.phase("p-1"), "Succeeded -");
}

#[tokio::test(start_paused = true)]
async fn so_many_clusters_as_may_be_unavailable_are_changed_at_a_time() {
    let hub = Hub::running(json!({"maxUnavailable": 1})).await;
    hub.apply(deployment(2, "web:2")).await;
    hub.settle().await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:1, c: 2 web:1");
    hub.healthy(&["a"]).await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:1");
    // One of those that are through is not well any more: it is as unavailable as any.
    let (applied, degraded) = (ItemState::Applied, Health::Degraded);
    hub.report("a", applied, degraded, json!({})).await;
    hub.healthy(&["b"]).await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:1");
    hub.healthy(&["a"]).await;
    assert_eq!(hub.all(), "a: 2 web:2, b: 2 web:2, c: 2 web:2");
}

#[tokio::test(start_paused = true)]
async fn as_many_runs_are_kept_as_the_policy_says() {
    let hub = Hub::running(json!({"revisionHistoryLimit": 2})).await;
    for turn in 2..6 {
        hub.apply(deployment(2, &format!("web:{turn}"))).await;
        hub.settle().await;
        hub.healthy(&["a", "b", "c"]).await;
    }
    assert_eq!(hub.phase("p-4"), "Succeeded -");
    let kept = |n: u32| hub.rollout(&format!("p-{n}")).is_some();
    let kept: Vec<u32> = (1..=4).filter(|n| kept(*n)).collect();
    assert_eq!(kept, [3, 4]);
    // What they can go back to is kept, and nothing older.
    tokio::time::sleep(Duration::from_secs(1300)).await;
    let snapshot = hub.store.snapshot();
    assert_eq!(
        snapshot.range("/releases/").count(),
        3,
        "4, 3, and 2 before it"
    );
}
