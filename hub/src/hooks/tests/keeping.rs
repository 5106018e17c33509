//! Deletion protection, and what a deletion record says about what is to stay.

use roadstead_protocol::api::decision::{Decision, PolicyRef};
use roadstead_store::records::{DELETIONS_PREFIX, DeletionRecord, decode, object_key};

use super::*;

const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/n/distributionpolicies";
const PROTECTED: &str = "roadstead.dev/deletion-protected";

impl Hub {
    /// Whether the record of the deletion of this name says that things stay.
    fn preserved(&self, name: &str) -> bool {
        let snapshot = self.store.snapshot();
        let mut records = snapshot
            .range(DELETIONS_PREFIX)
            .map(|entry| decode::<DeletionRecord>(entry).unwrap());
        records.find(|r| r.name == name).unwrap().preserve
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_protected_is_not_deleted_alone_among_others_or_with_its_namespace() {
    let hub = Hub::new().await;
    let map = |name: &str, labels: Value| json!({"metadata": {"name": name, "labels": labels}});
    hub.call("POST", MAPS, &map("safe", json!({PROTECTED: "true"})))
        .await;
    hub.call("POST", MAPS, &map("other", json!({PROTECTED: "false"})))
        .await;
    let safe = format!("{MAPS}/safe");
    for path in [safe.as_str(), MAPS, "/api/v1/namespaces/n"] {
        let (code, status) = hub.call("DELETE", path, &Value::Null).await;
        assert_eq!(code, 403, "{path}: {status}");
        let message = status["message"].as_str().unwrap();
        assert!(
            message.contains("protected from deletion by its label"),
            "{message}"
        );
    }
    let (_, status) = hub.call("DELETE", &safe, &Value::Null).await;
    let message = status["message"].as_str().unwrap();
    let way_out = "kubectl label configmaps safe -n n roadstead.dev/deletion-protected-";
    assert!(message.contains(way_out), "{message}");
    assert_eq!(
        hub.call("GET", &format!("{MAPS}/other"), &Value::Null)
            .await
            .0,
        200
    );
    let patch = json!({"metadata": {"labels": {PROTECTED: null}}});
    assert_eq!(hub.call("PATCH", &safe, &patch).await.0, 200);
    assert_eq!(hub.call("DELETE", MAPS, &Value::Null).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_record_says_what_the_policy_said_at_that_moment() {
    let hub = Hub::new().await;
    let policy = |name: &str, preserve: bool| {
        json!({
            "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
            "metadata": {"name": name},
            "spec": {
                "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}],
                "placement": {}, "preserveResourcesOnDeletion": preserve,
            },
        })
    };
    for (name, preserve) in [("keeps", true), ("lets", false)] {
        let (code, made) = hub.call("POST", POLICIES, &policy(name, preserve)).await;
        assert_eq!(code, 201, "{made}");
        let map = json!({"metadata": {"name": format!("map-{name}")}});
        hub.call("POST", MAPS, &map).await;
        let mut decision = Decision::default();
        decision.spec.policy = Some(PolicyRef {
            kind: "DistributionPolicy".to_owned(),
            namespace: "n".to_owned(),
            name: name.to_owned(),
            ..PolicyRef::default()
        });
        let at = format!("configmap.map-{name}");
        let key = object_key("roadstead.dev", "decisions", "n", &at).unwrap();
        let txn = Txn::new().put(key, encode(&decision).unwrap());
        hub.store.commit(txn).await.unwrap();
    }
    for name in ["keeps", "lets"] {
        let map = format!("{MAPS}/map-{name}");
        assert_eq!(hub.call("DELETE", &map, &Value::Null).await.0, 200);
        let policy = format!("{POLICIES}/{name}");
        assert_eq!(hub.call("DELETE", &policy, &Value::Null).await.0, 200);
        assert_eq!(hub.preserved(&format!("map-{name}")), name == "keeps");
        assert_eq!(hub.preserved(name), name == "keeps");
    }
}
