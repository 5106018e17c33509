//! A cluster that was joined anew behind the hub's back.

use roadstead_store::Txn;
use roadstead_store::records::{self, Liveness, SeenRecord, TOKENS_PREFIX};

use super::*;

/// How long an agent has to call here.
const CALLS_WITHIN: Duration = Duration::from_secs(2);

fn connected(hub: &Hub, uid: &str) -> bool {
    let snapshot = hub.volatile.snapshot();
    let entry = snapshot.get(records::liveness_key(uid).unwrap().as_str());
    entry.is_some_and(|e| records::decode::<Liveness>(e).unwrap().connected)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(WITHIN, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hosted_agent_whose_identity_was_replaced_joins_again_with_one_string() {
    let mut stage = Stage::start(&["a"]).await;
    stage.secret("s", &kubeconfig("a")).await;
    stage.attach("one", "s").await;
    stage.ready("one").await;
    let hub = stage.hub.take().unwrap();
    let tokens = hub.store.snapshot().range(TOKENS_PREFIX).count();
    let one = stage.api.get(&format!("{CLUSTERS}/one")).await.unwrap();
    let uid = one["metadata"]["uid"].as_str().unwrap().to_owned();
    // Certificates are dated in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let key = records::seen_key(&uid).unwrap();
    let mut seen: SeenRecord =
        records::decode(hub.store.snapshot().get(key.as_str()).unwrap()).unwrap();
    seen.since = Some(os::env().clock.now());
    let replaced = Txn::new().put(key, records::encode(&seen).unwrap());
    hub.store.commit(replaced).await.unwrap();
    hub.stop().await;

    let short = (HOSTED_MAX, CALLS_WITHIN);
    let (hub, api) = begin(&stage.folder, &stage.servers, short).await;
    stage.api = api;
    let turned = records::turned_away_key(&uid).unwrap();
    let is_turned = || hub.volatile.snapshot().get(turned.as_str()).is_some();
    until("it is turned away", is_turned).await;
    until("it is let in", || connected(&hub, &uid)).await;
    // A slow machine may take longer to join than the hub waits here, and then gets a second one.
    let more = hub.store.snapshot().range(TOKENS_PREFIX).count() - tokens;
    assert!((1..=2).contains(&more), "{more} join strings");
    stage.hub = Some(hub);
    stage.ready("one").await;
    stage.end().await;
}
