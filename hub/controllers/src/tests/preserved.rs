//! What stays on the members when it is deleted here, also where little is left that says so.

use roadstead_protocol::wire::Meta;

use super::around::{WEB, accompanied, config_map, decision, files, policy, record, with_volume};
use super::*;

/// Says in the record of a deletion that what was deleted stays on the members.
async fn preserve(hub: &Hub, uid: &str) {
    let key = deletion_key(uid).unwrap();
    let snapshot = hub.store.snapshot();
    let record: DeletionRecord = decode(snapshot.get(key.as_str()).unwrap()).unwrap();
    let record = DeletionRecord {
        preserve: true,
        ..record
    };
    let txn = Txn::new().put(key, encode(&record).unwrap());
    hub.store.commit(txn).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_preserved_stays_also_where_its_namespace_goes() {
    let more = json!({"propagateDeps": true, "preserveResourcesOnDeletion": true});
    let hub = accompanied(more).await;
    let uid = hub.get(Hub::key(&with_volume("files")).as_str()).unwrap()["metadata"]["uid"].clone();
    let uid = uid.as_str().unwrap().to_owned();
    hub.apply(json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "default", "deletionTimestamp": "2026-11-21T12:00:00Z"},
    }))
    .await;
    hub.delete(&with_volume("files")).await;
    preserve(&hub, &uid).await;
    hub.delete(&policy("p", WEB, &["a"], json!({}))).await;
    hub.settle().await;
    assert_eq!(decision(&hub, "deployment.apps.web"), Value::Null);
    hub.delete(&config_map()).await;
    hub.settle().await;
    for item in [web(), files()] {
        let record = record(&hub, "a", &item).unwrap();
        assert_eq!(
            (record.state, record.meta),
            (LedgerState::Tombstone, vec![Meta::Release])
        );
    }
}
