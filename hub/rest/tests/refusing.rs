//! What users' policies may not say: the API names the field, the value and what is allowed, and stores
//! nothing.

mod support;

use std::sync::Arc;

use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::CRDS;
use roadstead_rest::{NoHooks, Options};
use serde_json::{Value, json};
use support::Client;

const POLICIES: [(&str, &str); 2] = [
    ("policy.kurator.dev/v1alpha1", "distributionpolicies"),
    ("apps.kurator.dev/v1alpha1", "distributionpolicies"),
];
const OVERRIDES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/overridepolicies";

async fn hub() -> Client {
    let registry = Registry::hub(CRDS).expect("the hub's kinds");
    Client::over(registry, Options::default(), Arc::new(NoHooks)).await
}

fn selectors() -> Value {
    json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}])
}

/// Every such policy is refused with these words, in both groups.
async fn refused(client: &Client, placement: Value, words: &[&str]) {
    for (version, plural) in POLICIES {
        let policy = json!({
            "apiVersion": version, "kind": "DistributionPolicy", "metadata": {"name": "p"},
            "spec": {"resourceSelectors": selectors(), "placement": placement},
        });
        let path = format!("/apis/{version}/namespaces/default/{plural}");
        let said = client.post(&path, &policy).await.fails(422);
        for word in words {
            assert!(said.contains(word), "{placement}: {said}");
        }
        client.get(&format!("{path}/p")).await.expect(404);
    }
}

fn weight(weight: Value) -> Value {
    json!({"replicaScheduling": {"weightPreference": {"staticWeightList": [
        {"targetCluster": {"clusterNames": ["a"]}, "weight": weight},
    ]}}})
}

fn quantity(least: Value) -> Value {
    json!({"resourceConstraints": [{"name": "nvidia.com/gpu", "minQuantity": least}]})
}

#[tokio::test]
async fn numbers_that_mean_nothing() {
    let client = hub().await;
    for (number, words) in [
        (json!(-1), "greater than or equal to 0"),
        (json!(1_000_001), "less than or equal to 1000000"),
        (json!(9_999_999_999_999_u64), "must be of type integer"),
        (json!(0.5), "must be of type integer"),
        (json!("heavy"), "must be of type integer"),
    ] {
        let field = "staticWeightList[0].weight";
        refused(&client, weight(number), &[field, words]).await;
    }
    for number in [
        json!(-4),
        json!("-4"),
        json!("many"),
        json!(""),
        json!("1 Gi"),
    ] {
        refused(&client, quantity(number), &["minQuantity", "Invalid value"]).await;
    }
    refused(&client, quantity(json!("9".repeat(65))), &["minQuantity"]).await;
    let groups = |min: i64, max: i64| {
        json!({"spreadConstraints": [
            {"spreadByField": "region", "minGroups": min, "maxGroups": max},
        ]})
    };
    refused(&client, groups(-1, 1), &["minGroups"]).await;
    refused(&client, groups(1, 0), &["maxGroups"]).await;
}

#[tokio::test]
async fn numbers_that_mean_something() {
    let client = hub().await;
    let good = [
        "4", "+4", "1.5", ".5", "2.", "64Gi", "250m", "1e3", "1E3", "25e-2", "0",
    ];
    let good = good.map(|text| json!(text));
    for (i, number) in good.into_iter().chain([json!(0), json!(4)]).enumerate() {
        let (version, plural) = POLICIES[0];
        let policy = json!({
            "apiVersion": version, "kind": "DistributionPolicy",
            "metadata": {"name": format!("p{i}")},
            "spec": {"resourceSelectors": selectors(), "placement": quantity(number)},
        });
        let path = format!("/apis/{version}/namespaces/default/{plural}");
        client.post(&path, &policy).await.expect(201);
    }
}

#[tokio::test]
async fn paths_that_lead_nowhere() {
    let client = hub().await;
    for path in ["", "spec/replicas", "/a~2b", "/a~"] {
        let policy = json!({
            "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "OverridePolicy",
            "metadata": {"name": "o"},
            "spec": {
                "resourceSelectors": selectors(),
                "overrideRules": [{"overrides": [{"path": path, "value": 1}]}],
            },
        });
        let said = client.post(OVERRIDES, &policy).await.fails(422);
        assert!(said.contains("overrides[0].path"), "{path}: {said}");
    }
}
