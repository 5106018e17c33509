//! What may be said in an override policy, as the API takes it.

use super::*;

const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/n/overridepolicies";

fn policy(name: &str, rule: Value) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
        "metadata": {"name": name},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "overrideRules": [rule],
        },
    })
}

#[tokio::test(start_paused = true)]
async fn every_overrider_is_kept_as_it_was_written() {
    let hub = Hub::new().await;
    let rule = json!({
        "targetClusters": {"clusterNames": ["dr"]},
        "overriders": {
            "imageOverrider": [
                {"component": "Registry", "operator": "replace", "value": "mirror.example"},
                {"predicate": {"path": "/spec/server/image"}, "component": "Tag", "operator": "remove"},
            ],
            "commandOverrider": [{"containerName": "web", "operator": "replace", "value": ["sh"]}],
            "argsOverrider": [{"containerName": "web", "operator": "add", "value": ["-v"]}],
            "envOverrider": [{"operator": "add", "value": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}],
            "labelsOverrider": [{"operator": "add", "value": {"site": "${cluster.name}"}}],
            "annotationsOverrider": [{"operator": "remove", "value": {"a/b": ""}}],
            "mergePatch": {"spec": {"strategy": null, "paused": true}},
        },
        "overrides": [{"path": "/spec/replicas", "value": 1}],
    });
    let (code, made) = hub
        .call("POST", POLICIES, &policy("all", rule.clone()))
        .await;
    assert_eq!(code, 201, "{made}");
    let (_, read) = hub
        .call("GET", &format!("{POLICIES}/all"), &Value::Null)
        .await;
    assert_eq!(read["spec"]["overrideRules"][0], rule);
    let understood = roadstead_plan::policy::Overrides::read(&read).unwrap();
    assert_eq!(understood.rules[0].changes.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_meant_is_refused_at_once() {
    let hub = Hub::new().await;
    let cases = [
        ("nothing", json!({}), "anyOf"),
        (
            "path",
            json!({"overrides": [{"path": "spec", "value": 1}]}),
            "overrides[0].path",
        ),
        (
            "part",
            json!({"overriders": {"imageOverrider": [{"component": "Nose", "operator": "add"}]}}),
            "imageOverrider[0].component",
        ),
        (
            "container",
            json!({"overriders": {"argsOverrider": [{"operator": "add", "value": ["x"]}]}}),
            "argsOverrider[0].containerName",
        ),
        (
            "name",
            json!({"overriders": {"envOverrider": [{"operator": "add", "value": [{"value": "x"}]}]}}),
            "envOverrider[0].value[0].name",
        ),
        (
            "patch",
            json!({"overriders": {"mergePatch": [1]}}),
            "mergePatch",
        ),
    ];
    for (name, rule, expected) in cases {
        let (code, status) = hub.call("POST", POLICIES, &policy(name, rule)).await;
        assert_eq!(code, 422, "{name}: {status}");
        let message = status["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
}
