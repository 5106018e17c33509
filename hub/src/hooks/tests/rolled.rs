//! How a policy's rollouts stood goes with its rollout, in the same write.

use roadstead_store::records::rollout_key;

use super::*;

const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/n/distributionpolicies";

#[tokio::test(start_paused = true)]
async fn how_rollouts_stood_goes_in_the_write_that_takes_the_rollout_out() {
    let hub = Hub::new().await;
    let policy = json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}],
            "placement": {}, "rollout": {"paused": false},
        },
    });
    let (code, made) = hub.call("POST", POLICIES, &policy).await;
    assert_eq!(code, 201, "{made}");
    let key = rollout_key(made["metadata"]["uid"].as_str().unwrap()).unwrap();
    let txn = Txn::new().put(key.clone(), encode(&json!({"good": "x"})).unwrap());
    hub.store.commit(txn).await.unwrap();
    let there = || hub.store.snapshot().get(key.as_str()).is_some();
    let path = format!("{POLICIES}/p");
    for (patch, stays) in [
        (json!({"metadata": {"labels": {"a": "b"}}}), true),
        (json!({"spec": {"rollout": {"paused": true}}}), true),
        (json!({"spec": {"rollout": null}}), false),
        (json!({"spec": {"rollout": {}}}), false),
    ] {
        let (code, answer) = hub.call("PATCH", &path, &patch).await;
        assert_eq!((code, there()), (200, stays), "{patch}: {answer}");
    }
}
