//! Kinds that people define: their objects go to clusters, are divided where somebody says how, and have
//! the health and the status that they are told to have.

use roadstead_store::records::LEDGER_PREFIX;

use super::*;

pub(super) fn definition() -> Value {
    let version = json!({
        "name": "v1alpha1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
        "subresources": {"status": {}},
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "clonesets.apps.kruise.io"},
        "spec": {
            "group": "apps.kruise.io", "scope": "Namespaced", "versions": [version],
            "names": {"kind": "CloneSet", "plural": "clonesets", "singular": "cloneset", "listKind": "CloneSetList"},
        },
    })
}

pub(super) fn clone_set(pods: u32) -> Value {
    json!({
        "apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"pods": pods},
    })
}

pub(super) fn policy() -> Value {
    let mut policy = weighted("p", &[("a", 2), ("b", 1)]);
    policy["spec"]["resourceSelectors"][0] =
        json!({"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet"});
    policy
}

pub(super) fn interpreter() -> Value {
    json!({
        "apiVersion": "roadstead.dev/v1alpha1", "kind": "ResourceInterpreter",
        "metadata": {"name": "cloneset.apps.kruise.io"},
        "spec": {
            "target": {"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet"},
            "customizations": {
                "replicaRevision": {"path": "/spec/pods"},
                "healthInterpretation": {"expression": "object.status.up == object.spec.pods"},
                "statusAggregation": {"expression": "{'up': statuses.map(s, s.up).sum()}"},
            },
        },
    })
}

fn item() -> ItemKey {
    ItemKey {
        group: "apps.kruise.io".to_owned(),
        kind: "CloneSet".to_owned(),
        ..web()
    }
}

/// What each cluster is given, by the name of the cluster.
pub(super) fn contents(hub: &Hub) -> Vec<(String, Value)> {
    let snapshot = hub.store.snapshot();
    let mut all = Vec::new();
    for entry in snapshot
        .range(LEDGER_PREFIX)
        .filter(|e| e.key.as_str().contains("CloneSet"))
    {
        let record: LedgerEntry = decode(entry).unwrap();
        let cluster = entry.key.as_str().split('/').nth(2).unwrap();
        let LedgerState::Put { digest, .. } = record.state else {
            continue;
        };
        let content = hub.get(content_key(&digest).unwrap().as_str()).unwrap();
        let name = cluster.trim_start_matches("attachedcluster-");
        all.push((name.to_owned(), content));
    }
    all
}

/// What clusters are given, as `a 6, b 3`.
pub(super) fn given(hub: &Hub) -> String {
    let shown = contents(hub).into_iter();
    let shown = shown.map(|(name, content)| format!("{name} {}", content["spec"]["pods"]));
    shown.collect::<Vec<_>>().join(", ")
}

async fn report(hub: &Hub, cluster: &str, status: Value) {
    let uid = format!("attachedcluster-{cluster}");
    let snapshot = hub.store.snapshot();
    let entry = snapshot.get(ledger_key(&uid, &item()).unwrap().as_str());
    let stamp = hub.store.lineage().stamp(entry.unwrap().revision).unwrap();
    let report = ItemReport {
        key: item(),
        stamp,
        state: ItemState::Applied,
        reason: "Applied".to_owned(),
        message: String::new(),
        generation: 1,
        health: Health::Healthy,
        status: serde_json::to_vec(&status).unwrap().into(),
    };
    let record = ReportRecord::new(report, hub.env.clock.now());
    let key = report_key(&uid, &item()).unwrap();
    let txn = Txn::new().put(key, encode(&record).unwrap());
    hub.volatile.commit(txn).await.unwrap();
    hub.settle().await;
}

fn decision(hub: &Hub) -> Value {
    let at = "/objects/roadstead.dev/decisions/default/cloneset.apps.kruise.io.web";
    hub.get(at).unwrap()
}

pub(super) async fn hub() -> Hub {
    let hub = Hub::new(&["a", "b"]).await;
    for name in ["a", "b"] {
        let mut facts = Facts {
            version: "v1.36.3".to_owned(),
            nodes: 1,
            ready_nodes: 1,
            ..Facts::default()
        };
        facts.api_groups = ["v1", "apps/v1", "apps.kruise.io/v1alpha1"]
            .map(str::to_owned)
            .to_vec();
        hub.facts(name, &facts).await;
    }
    hub.settle().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn objects_of_users_kinds_go_to_clusters_and_divide_where_it_is_told_how() {
    let hub = hub().await;
    hub.apply(policy()).await;
    // The object may be there before its definition, as after a restore.
    hub.apply(clone_set(9)).await;
    hub.settle().await;
    assert_eq!(given(&hub), "");
    hub.apply(definition()).await;
    hub.settle().await;
    assert_eq!(given(&hub), "a 9, b 9");
    hub.apply(interpreter()).await;
    hub.settle().await;
    assert_eq!(given(&hub), "a 6, b 3");
    hub.apply(clone_set(3)).await;
    hub.settle().await;
    assert_eq!(given(&hub), "a 2, b 1");
}

#[tokio::test(start_paused = true)]
async fn health_and_status_are_what_it_tells() {
    let hub = hub().await;
    for object in [definition(), interpreter(), policy(), clone_set(9)] {
        hub.apply(object).await;
    }
    hub.settle().await;
    report(&hub, "a", json!({"up": 6})).await;
    report(&hub, "b", json!({"up": 2})).await;
    let seen = decision(&hub);
    let health: Vec<&Value> = (0..2)
        .map(|n| &seen["status"]["clusters"][n]["health"])
        .collect();
    assert_eq!(health, ["Healthy", "Progressing"]);
    assert_eq!(condition(&seen, "Ready"), "False Progressing");
    let key = "/objects/apps.kruise.io/clonesets/default/web";
    assert_eq!(hub.get(key).unwrap()["status"], json!({"up": 8}));
    report(&hub, "b", json!({"up": 3})).await;
    assert_eq!(condition(&decision(&hub), "Ready"), "True Ready");
    assert_eq!(hub.get(key).unwrap()["status"], json!({"up": 9}));
}

#[tokio::test(start_paused = true)]
async fn a_kind_whose_definition_says_where_its_replicas_are_divides_by_itself() {
    let hub = hub().await;
    let mut scales = definition();
    scales["spec"]["versions"][0]["subresources"]["scale"] =
        json!({"specReplicasPath": ".spec.pods", "statusReplicasPath": ".status.pods"});
    for object in [scales, policy(), clone_set(9)] {
        hub.apply(object).await;
    }
    hub.settle().await;
    assert_eq!(given(&hub), "a 6, b 3");
}
