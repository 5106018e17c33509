//! What is said beside what clusters get: what is wrong with policies themselves.

use super::*;

const OVERRIDES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/overridepolicies";

fn overriding(name: &str, clusters: &[&str]) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": "other"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": name}],
            "overrideRules": [{
                "targetClusters": {"clusterNames": clusters},
                "overrides": [{"path": "/data/hello", "value": "there"}],
            }],
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_policy_itself_is_told() {
    let stage = Stage::start(&["a"]).await;
    stage.api.post(MAPS, &map("world")).await.unwrap();
    stage.api.post(POLICIES, &policy(&["a"])).await.unwrap();
    stage
        .until("a has it", async || !stage.given("a").await.is_empty())
        .await;
    stage.quiet().await;
    let said = async |object: Value| stage.preview(&[object]).await.notes;
    assert_eq!(
        said(overriding("greeting", &["aa"])).await,
        [
            "OverridePolicy default/other: no cluster of this name is there, or allows this namespace: aa"
        ]
    );
    assert_eq!(
        said(overriding("nothing", &["a"])).await,
        ["OverridePolicy default/other: it selects no object"]
    );
    let mut idle = policy(&["a"]);
    idle["metadata"]["name"] = "idle".into();
    idle["spec"]["resourceSelectors"][0]["name"] = "nothing".into();
    assert_eq!(
        said(idle.clone()).await,
        ["DistributionPolicy default/idle: it selects no object"]
    );
    idle["spec"]["resourceSelectors"][0]["name"] = "greeting".into();
    assert_eq!(
        said(idle).await,
        [
            "DistributionPolicy default/idle: ConfigMap default/greeting is held by DistributionPolicy \
             default/all"
        ]
    );
    // Of what an object says it is not said again, and neither is what was so before.
    let misspelt = stage.preview(&[policy(&["a", "aa"])]).await;
    assert_eq!(misspelt.notes, [""; 0]);
    assert!(misspelt.templates[0].says.contains("aa"), "{misspelt:?}");
    let wrong = overriding("greeting", &["aa"]);
    stage.api.post(OVERRIDES, &wrong).await.unwrap();
    stage.quiet().await;
    assert_eq!(said(wrong).await, [""; 0]);
    stage.hub.stop().await;
}
