//! Users answer what is held by writing the object or its policy, and freeze clusters.

use roadstead_protocol::wire::frame::Freeze;
use roadstead_protocol::wire::report::ItemState;
use roadstead_protocol::wire::{Epoch, Revision, Stamp};
use roadstead_store::records::{
    Answer, FreezeRecord, HoldRecord, answer_key, decode, freeze_key, hold_key,
};

use super::*;

pub(super) const CLUSTERS: &str =
    "/apis/cluster.kurator.dev/v1alpha1/namespaces/n/attachedclusters";

pub(super) fn foreign(revision: u64) -> Stamp {
    Stamp {
        epoch: Epoch(7),
        revision: Revision(revision),
    }
}

pub(super) fn map(name: &str) -> ItemKey {
    key("", "ConfigMap", "n", name)
}

pub(super) fn key(group: &str, kind: &str, namespace: &str, name: &str) -> ItemKey {
    let [group, kind, namespace, name] = [group, kind, namespace, name].map(str::to_owned);
    ItemKey {
        group,
        kind,
        namespace,
        name,
    }
}

impl Hub {
    pub(super) async fn hold(&self, cluster: &str, item: &ItemKey, state: ItemState, stamp: Stamp) {
        let record = HoldRecord {
            state,
            reason: "OtherHistory".to_owned(),
            message: "as the agent says".to_owned(),
            stamp,
        };
        let key = hold_key(cluster, item).unwrap();
        let txn = Txn::new().put(key, encode(&record).unwrap());
        self.volatile.commit(txn).await.unwrap();
    }

    /// The stamps that were answered, as revisions.
    pub(super) fn answered(&self, cluster: &str, item: &ItemKey) -> Vec<u64> {
        let snapshot = self.store.snapshot();
        let entry = snapshot.get(answer_key(cluster, item).unwrap().as_str());
        let answer: Answer = entry.map(|e| decode(e).unwrap()).unwrap_or_default();
        answer.replaces.iter().map(|s| s.revision.0).collect()
    }

    pub(super) async fn join(&self, name: &str) -> String {
        let cluster = json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
            "metadata": {"name": name}, "spec": {},
        });
        let (code, made) = self.call("POST", CLUSTERS, &cluster).await;
        assert_eq!(code, 201);
        made["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    fn freeze(&self, uid: &str) -> Option<(bool, String, Option<Stamp>)> {
        let snapshot = self.store.snapshot();
        let entry = snapshot.get(freeze_key(uid).unwrap().as_str())?;
        let record: FreezeRecord = decode(entry).unwrap();
        Some((record.frozen, record.reason, record.replaces))
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_an_object_that_is_held_answers_it() {
    let hub = Hub::new().await;
    hub.runs("web", 0).await;
    let web = format!("{MAPS}/web");
    let data = |value: &str| json!({"data": {"a": value}});
    // Before it is shown, nothing is answered.
    assert_eq!(hub.call("PATCH", &web, &data("1")).await.0, 200);
    hub.hold("c1", &map("web"), ItemState::Held, foreign(5))
        .await;
    hub.hold("c1", &map("other"), ItemState::Held, foreign(6))
        .await;
    hub.hold("c2", &map("web"), ItemState::Pending, foreign(7))
        .await;
    hub.hold("c3", &map("web"), ItemState::Unclaimed, foreign(8))
        .await;
    assert!(hub.answered("c1", &map("web")).is_empty());
    // A trial and a status say nothing.
    let trial = format!("{web}?dryRun=All");
    assert_eq!(hub.call("PATCH", &trial, &data("2")).await.0, 200);
    assert!(hub.answered("c1", &map("web")).is_empty());
    assert_eq!(hub.call("PATCH", &web, &data("2")).await.0, 200);
    assert_eq!(hub.answered("c1", &map("web")), [5]);
    assert_eq!(hub.answered("c3", &map("web")), [8]);
    assert!(hub.answered("c2", &map("web")).is_empty());
    assert!(hub.answered("c1", &map("other")).is_empty());
    // The same again is a word, too; where nothing is held, it writes nothing.
    hub.hold("c1", &map("web"), ItemState::Held, foreign(9))
        .await;
    assert_eq!(hub.call("PATCH", &web, &data("2")).await.0, 200);
    assert_eq!(hub.answered("c1", &map("web")), [5, 9]);
    hub.runs("calm", 0).await;
    let before = hub.store.revision();
    assert_eq!(
        hub.call("PATCH", &format!("{MAPS}/calm"), &json!({}))
            .await
            .0,
        200
    );
    assert_eq!(hub.store.revision(), before);
    // Made, and deleted.
    hub.hold("c1", &map("new"), ItemState::Unclaimed, foreign(10))
        .await;
    hub.runs("new", 0).await;
    assert_eq!(hub.answered("c1", &map("new")), [10]);
    hub.hold("c1", &map("new"), ItemState::Held, foreign(11))
        .await;
    assert_eq!(
        hub.call("DELETE", &format!("{MAPS}/new"), &Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(hub.answered("c1", &map("new")), [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_its_policy_answers_what_it_sends() {
    let hub = Hub::new().await;
    hub.runs("web", 0).await;
    hub.runs("db", 0).await;
    let policies = "/apis/policy.kurator.dev/v1alpha1/namespaces/n/distributionpolicies";
    let policy = |name: &str, selects: &str| {
        json!({
            "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
            "metadata": {"name": name},
            "spec": {"resourceSelectors": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": selects},
            ]},
        })
    };
    assert_eq!(hub.call("POST", policies, &policy("p", "web")).await.0, 201);
    assert_eq!(hub.call("POST", policies, &policy("q", "db")).await.0, 201);
    hub.hold("c1", &map("web"), ItemState::Held, foreign(5))
        .await;
    hub.hold("c1", &map("db"), ItemState::Held, foreign(6))
        .await;
    let touched = json!({"metadata": {"labels": {"seen": "yes"}}});
    let one = format!("{policies}/p");
    assert_eq!(hub.call("PATCH", &one, &touched).await.0, 200);
    assert_eq!(hub.answered("c1", &map("web")), [5]);
    assert!(hub.answered("c1", &map("db")).is_empty());
    assert_eq!(
        hub.call("DELETE", &format!("{policies}/q"), &Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(hub.answered("c1", &map("db")), [6]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_removes_nothing() {
    let hub = Hub::new().await;
    // The ledgers of cluster-0 and cluster-1 want it.
    hub.runs("web", 2).await;
    let web = format!("{MAPS}/web");
    let policies = "/apis/policy.kurator.dev/v1alpha1/namespaces/n/distributionpolicies";
    let policy = json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": "p"},
        "spec": {"resourceSelectors": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "web"},
        ]},
    });
    assert_eq!(hub.call("POST", policies, &policy).await.0, 201);
    // By now that of cluster-1 says that it goes.
    let key = ledger_key("cluster-1", &map("web")).unwrap();
    let entry = hub.store.snapshot().get(key.as_str()).cloned().unwrap();
    let gone = LedgerEntry {
        state: LedgerState::Tombstone,
        ..decode(&entry).unwrap()
    };
    let txn = Txn::new().put(key, encode(&gone).unwrap());
    hub.store.commit(txn).await.unwrap();
    for (cluster, revision) in [("cluster-0", 5), ("cluster-1", 6)] {
        hub.hold(cluster, &map("web"), ItemState::Held, foreign(revision))
            .await;
    }
    let answered = || {
        ["cluster-0", "cluster-1"]
            .map(|cluster| hub.answered(cluster, &map("web")))
            .concat()
    };
    // A pipeline applies the policy as it is.
    let one = format!("{policies}/p");
    assert_eq!(hub.call("PATCH", &one, &policy).await.0, 200);
    assert!(answered().is_empty());
    // And the object: where the hub wants it, that is a word.
    assert_eq!(hub.call("PATCH", &web, &json!({})).await.0, 200);
    assert_eq!(answered(), [5]);
    // An edit is one everywhere.
    let edit = json!({"data": {"a": "1"}});
    assert_eq!(hub.call("PATCH", &web, &edit).await.0, 200);
    assert_eq!(answered(), [5, 6]);
}

#[tokio::test(start_paused = true)]
async fn the_annotation_freezes_in_the_transaction_that_writes_it() {
    let hub = Hub::new().await;
    let uid = hub.join("edge").await;
    let edge = format!("{CLUSTERS}/edge");
    let say = |frozen: Value, reason: Value| {
        json!({"metadata": {"annotations": {
            "roadstead.dev/freeze": frozen, "roadstead.dev/freeze-reason": reason,
        }}})
    };
    let none = Value::Null;
    assert_eq!(hub.freeze(&uid), None);
    assert_eq!(
        hub.call("PATCH", &edge, &say(json!("yes"), none.clone()))
            .await
            .0,
        422
    );
    assert_eq!(
        hub.call("PATCH", &edge, &say(json!("true"), json!("sale")))
            .await
            .0,
        200
    );
    assert_eq!(hub.freeze(&uid), Some((true, "sale".to_owned(), None)));
    let snapshot = hub.store.snapshot();
    let record = snapshot
        .get(freeze_key(&uid).unwrap().as_str())
        .unwrap()
        .revision;
    let object = snapshot.get("/objects/cluster.kurator.dev/attachedclusters/n/edge");
    assert!(record.0 - object.unwrap().revision.0 <= 2);
    // Another write says nothing about it.
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(hub.call("PATCH", &edge, &labels).await.0, 200);
    let snapshot = hub.store.snapshot();
    assert_eq!(
        snapshot
            .get(freeze_key(&uid).unwrap().as_str())
            .unwrap()
            .revision,
        record
    );
    assert_eq!(
        hub.call("PATCH", &edge, &say(none.clone(), none.clone()))
            .await
            .0,
        200
    );
    assert_eq!(hub.freeze(&uid), Some((false, String::new(), None)));
}

#[tokio::test(start_paused = true)]
async fn what_is_said_about_a_freeze_names_what_another_hub_said() {
    let hub = Hub::new().await;
    let uid = hub.join("edge").await;
    let edge = format!("{CLUSTERS}/edge");
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let lift = json!({"metadata": {"annotations": {"roadstead.dev/freeze": "false"}}});
    // Another hub froze it: what is said here names that, also where it is said again.
    hub.hold(&uid, &Freeze::key(), ItemState::Applied, foreign(5))
        .await;
    assert_eq!(hub.call("PATCH", &edge, &labels).await.0, 200);
    assert_eq!(hub.freeze(&uid), None);
    assert_eq!(hub.call("PATCH", &edge, &lift).await.0, 200);
    let named = |revision| Some((false, String::new(), Some(foreign(revision))));
    assert_eq!(hub.freeze(&uid), named(5));
    hub.hold(&uid, &Freeze::key(), ItemState::Held, foreign(6))
        .await;
    assert_eq!(hub.call("PATCH", &edge, &lift).await.0, 200);
    assert_eq!(hub.freeze(&uid), named(6));
}
