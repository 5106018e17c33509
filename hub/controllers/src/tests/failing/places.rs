//! A place that becomes free is found at once by what had none to be failed over to.

use super::super::dividing::{aggregated, asking, room};
use super::*;

#[tokio::test(start_paused = true)]
async fn room_that_comes_is_found_at_once() {
    let hub = Hub::new(&["a", "b"]).await;
    hub.facts("a", &room(8, 4)).await;
    hub.facts("b", &room(8, 1)).await;
    hub.settle().await;
    hub.apply(asking(2)).await;
    let mut policy = aggregated("web");
    policy["spec"]["failover"] = silence();
    hub.apply(policy).await;
    hub.settle().await;
    well(&hub, "a", 2).await;
    assert_eq!(ledgers(&hub), pair("2 web:1", "-"));
    hub.facts("b", &room(8, 0)).await;
    wait(310).await;
    hub.liveness("a", false).await;
    wait(37 + 62).await;
    assert!(failed_over(&hub).is_empty());
    let said = hub.decision().unwrap()["status"]["conditions"].to_string();
    let words = "not failed over from 1 cluster (default/a), since there is no other place for it";
    assert!(said.contains(words), "{said}");
    assert_eq!(placed(&hub), "False FailoverHeld");
    let before = hub.store.revision();
    wait(20).await;
    assert_eq!(hub.store.revision(), before, "waiting writes nothing");
    // What is merely free is written down at once, since somebody waits for it.
    hub.facts("b", &room(8, 4)).await;
    wait(3).await;
    assert_eq!(failed_over(&hub), [pair("a", "Silent")]);
    assert_eq!(hub.ledger("b"), "2 web:1");
}
