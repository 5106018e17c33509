//! Users end what is held by reconciling: listing, taking the hub's word, adopting, releasing, deleting.

use roadstead_protocol::wire::Meta;
use roadstead_protocol::wire::frame::features;
use roadstead_protocol::wire::item::Propagation;
use roadstead_protocol::wire::report::ItemState;
use roadstead_store::records::{
    FetchRequest, FetchResult, Liveness, decode, fetched_key, liveness_key, parse_fetch_key,
};

use super::held::{CLUSTERS, foreign, key, map};
use super::*;

impl Hub {
    /// What a cluster's ledger says about an item.
    fn ordered(&self, cluster: &str, item: &ItemKey) -> Option<LedgerEntry> {
        let snapshot = self.store.snapshot();
        let entry = snapshot.get(ledger_key(cluster, item).unwrap().as_str());
        entry.map(|entry| decode(entry).unwrap())
    }

    async fn reconcile(&self, spec: Value) -> (u16, Value) {
        let body = json!({
            "apiVersion": "roadstead.dev/v1alpha1", "kind": "Reconciliation", "spec": spec,
        });
        self.call("POST", &format!("{CLUSTERS}/edge/reconcile"), &body)
            .await
    }

    /// Asks, is refused, and gives the words.
    async fn refused(&self, spec: Value) -> String {
        let (code, status) = self.reconcile(spec).await;
        assert_eq!(code, 409, "{status}");
        status["message"].as_str().unwrap().to_owned()
    }
}

fn item(key: &ItemKey) -> Value {
    json!({"group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name})
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_listed_with_the_ways_out() {
    let hub = Hub::new().await;
    let uid = hub.join("edge").await;
    hub.hold(&uid, &map("here"), ItemState::Unclaimed, foreign(5))
        .await;
    hub.hold(&uid, &map("gone"), ItemState::Pending, foreign(6))
        .await;
    hub.hold("another", &map("web"), ItemState::Held, foreign(7))
        .await;
    let (code, answer) = hub
        .call("GET", &format!("{CLUSTERS}/edge/reconcile"), &Value::Null)
        .await;
    assert_eq!((code, &answer["kind"]), (200, &json!("Reconciliation")));
    let items: Vec<(&str, &Value)> = answer["status"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["name"].as_str().unwrap(), &item["actions"]))
        .collect();
    let ways = json!(["Adopt", "Release", "Delete"]);
    assert_eq!(items, [("gone", &json!([])), ("here", &ways)]);
    assert_eq!(hub.reconcile(json!({"action": "Burn"})).await.0, 400);
    assert_eq!(hub.reconcile(json!({"action": "Delete"})).await.0, 422);
}

#[tokio::test(start_paused = true)]
async fn release_and_delete_are_orders_that_name_what_they_replace() {
    let hub = Hub::new().await;
    let uid = hub.join("edge").await;
    let check = async |key: ItemKey, spec: Value, expected: &[Meta]| {
        hub.hold(&uid, &key, ItemState::Unclaimed, foreign(5)).await;
        let mut spec = spec;
        spec["items"] = json!([item(&key)]);
        let (code, answer) = hub.reconcile(spec).await;
        assert_eq!(code, 201, "{answer}");
        let order = hub.ordered(&uid, &key).unwrap();
        assert_eq!(order.state, LedgerState::Tombstone);
        assert_eq!(order.meta, expected, "{key}");
        // That a user did it, and who, is on record with it.
        let snapshot = hub.store.snapshot();
        let record = format!("/deletions/{}", order.template_uid);
        assert!(snapshot.get(&record).is_some());
        let mut events = snapshot.range("/objects/core/events/n/edge.");
        let event: Value = decode(events.next().unwrap()).unwrap();
        let message = event["message"].as_str().unwrap();
        assert!(message.contains(" by admin: "), "{message}");
    };
    let replaces = Meta::Replaces(foreign(5));
    let release = json!({"action": "Release"});
    check(map("a"), release, &[Meta::Release, replaces.clone()]).await;
    check(
        map("b"),
        json!({"action": "Delete"}),
        std::slice::from_ref(&replaces),
    )
    .await;
    let shop = key("", "Namespace", "", "shop");
    let contents = json!({"action": "Delete", "deleteContents": true});
    let whole = Meta::Propagation(Propagation::Background);
    check(shop.clone(), contents, &[whole, replaces]).await;
    let words = hub
        .refused(json!({"action": "Delete", "items": [item(&shop)]}))
        .await;
    assert!(words.contains("everything inside"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn what_a_template_wants_there_is_neither_released_nor_deleted() {
    let hub = Hub::new().await;
    let uid = hub.join("edge").await;
    hub.hold(&uid, &map("web"), ItemState::Held, foreign(5))
        .await;
    let spec = |action: &str| json!({"action": action, "items": [item(&map("web"))]});
    let words = hub.refused(spec("TakeHub")).await;
    assert!(
        words.contains("says nothing about ConfigMap/n/web"),
        "{words}"
    );
    let wanted = LedgerEntry {
        state: LedgerState::Put {
            digest: Digest::of(b"{}"),
            size: 2,
        },
        meta: Vec::new(),
        decision: ObjectRef {
            namespace: "n".to_owned(),
            name: "configmap.web".to_owned(),
        },
        template_uid: "t".to_owned(),
        policies: Vec::new(),
    };
    let key = ledger_key(&uid, &map("web")).unwrap();
    hub.store
        .commit(Txn::new().put(key, encode(&wanted).unwrap()))
        .await
        .unwrap();
    for action in ["Release", "Delete"] {
        let words = hub.refused(spec(action)).await;
        assert!(
            words.contains("wanted there by decision n/configmap.web"),
            "{words}"
        );
    }
    assert_eq!(hub.ordered(&uid, &map("web")), Some(wanted));
    // Nothing is done where one of several cannot be.
    hub.hold(&uid, &map("stray"), ItemState::Unclaimed, foreign(6))
        .await;
    let both = json!({"action": "Delete", "items": [item(&map("stray")), item(&map("web"))]});
    hub.refused(both).await;
    assert_eq!(hub.ordered(&uid, &map("stray")), None);
    // What was shown is not what is there by now.
    let mut stale = spec("TakeHub");
    stale["items"][0]["stamp"] = json!("0000000000000007/4");
    let words = hub.refused(stale).await;
    assert!(words.contains("by now"), "{words}");
    assert_eq!(hub.reconcile(spec("TakeHub")).await.0, 201);
    assert_eq!(hub.answered(&uid, &map("web")), [5]);
    let words = hub
        .refused(json!({"action": "Delete", "items": [item(&map("none"))]}))
        .await;
    assert!(words.contains("neither held nor unclaimed"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn deleting_much_waits_for_its_token() {
    let hub = Hub::new().await;
    let uid = hub.join("edge").await;
    let mut items = Vec::new();
    for name in ["a", "b", "c"] {
        hub.hold(&uid, &map(name), ItemState::Unclaimed, foreign(5))
            .await;
        items.push(item(&map(name)));
    }
    let words = hub
        .refused(json!({"action": "Delete", "items": items}))
        .await;
    let token = words.split_once("--confirm ").unwrap().1.to_owned();
    assert!(token.starts_with("3-"), "{token}");
    let fewer = json!({"action": "Delete", "items": &items[..2], "confirm": token});
    assert_eq!(hub.reconcile(fewer).await.0, 201);
    let all = json!({"action": "Delete", "items": items, "confirm": token});
    assert_eq!(hub.reconcile(all).await.0, 201);
}

#[tokio::test(start_paused = true)]
async fn adopting_gives_what_people_wrote_of_the_members_object() {
    let hub = Hub::new().await;
    let uid = hub.join("edge").await;
    hub.hold(&uid, &map("web"), ItemState::Unclaimed, foreign(5))
        .await;
    let spec = json!({"action": "Adopt", "items": [item(&map("web"))]});
    let (code, status) = hub.reconcile(spec.clone()).await;
    assert_eq!(code, 503, "{status}");
    assert!(
        status["message"].as_str().unwrap().contains("is away"),
        "{status}"
    );
    let now = Clock.now();
    let liveness = Liveness {
        connected: true,
        since: now,
        last_heard: now,
        release: String::new(),
        boot: 1,
        remote: String::new(),
        features: features::ALL,
    };
    let txn = Txn::new().put(liveness_key(&uid).unwrap(), encode(&liveness).unwrap());
    hub.volatile.commit(txn).await.unwrap();
    let live = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "web", "namespace": "n", "uid": "u", "resourceVersion": "7",
            "labels": {"app": "web", "roadstead.dev/owner": "o"},
            "annotations": {"roadstead.dev/stamp": "s"},
            "managedFields": [{
                "manager": "roadstead", "operation": "Apply", "apiVersion": "v1",
                "fieldsType": "FieldsV1", "fieldsV1": {
                    "f:data": {"f:a": {}},
                    "f:metadata": {
                        "f:labels": {"f:app": {}, "f:roadstead.dev/owner": {}},
                        "f:annotations": {"f:roadstead.dev/stamp": {}},
                    },
                },
            }],
        },
        "data": {"a": "b"},
    });
    let agent = async || {
        let mut watch = hub
            .volatile
            .watch("/fetches/", hub.volatile.revision())
            .unwrap();
        let asked = watch.next().await.unwrap().new.unwrap();
        let (cluster, id) = parse_fetch_key(asked.key.as_str()).unwrap();
        assert_eq!(cluster, uid);
        assert_eq!(decode::<FetchRequest>(&asked).unwrap().key, map("web"));
        let result = FetchResult::new(Ok(live.to_string().into()));
        let key = fetched_key(&cluster, id).unwrap();
        let txn = Txn::new().put(key, encode(&result).unwrap());
        hub.volatile.commit(txn).await.unwrap();
    };
    let ((code, answer), ()) = tokio::join!(hub.reconcile(spec), agent());
    assert_eq!(code, 201, "{answer}");
    let expected = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "n", "labels": {"app": "web"}},
        "data": {"a": "b"},
    });
    assert_eq!(answer["status"]["items"][0]["object"], expected);
    let left = hub.volatile.snapshot();
    assert_eq!(left.range("/fetche").count(), 0);
    // Written as any object, it answers the hold.
    assert_eq!(hub.call("POST", MAPS, &expected).await.0, 201);
    assert_eq!(hub.answered(&uid, &map("web")), [5]);
}
