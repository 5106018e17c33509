//! What may be said about failing over, as the API takes it.

use super::*;

const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
const ABOVE: &str = "/apis/policy.kurator.dev/v1alpha1/clusterdistributionpolicies";

#[tokio::test(start_paused = true)]
async fn the_example_of_a_failover_is_taken_and_what_it_may_not_say_is_not() {
    let hub = Hub::new().await;
    let text = include_str!("../../../../deploy/examples/failover.yaml");
    let example: Value = serde_saphyr::from_str(text).unwrap();
    let (code, object) = hub.call("POST", POLICIES, &example).await;
    assert_eq!(code, 201, "{object}");
    let failover = roadstead_plan::policy::Policy::read(&object)
        .unwrap()
        .failover;
    let seconds = [failover.stopped, failover.silent].map(|t| t.unwrap().as_secs());
    assert_eq!(seconds, [120, 300]);
    for (pointer, value, word) in [
        ("/cluster/allowDuplicates", Value::Null, "allowDuplicates"),
        ("/cluster/tolerationSeconds", json!(59), "tolerationSeconds"),
        (
            "/application/decisionConditions/tolerationSeconds",
            json!(86_401),
            "tolerationSeconds",
        ),
        ("/application/purgeMode", json!("Immediately"), "purgeMode"),
    ] {
        for (path, kind) in [
            (POLICIES, "DistributionPolicy"),
            (ABOVE, "ClusterDistributionPolicy"),
        ] {
            let mut slip = example.clone();
            slip["kind"] = kind.into();
            slip["metadata"] = json!({"name": "slip"});
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            let parent = format!("/spec/failover{parent}");
            let parent = slip.pointer_mut(&parent).and_then(Value::as_object_mut);
            let parent = parent.unwrap();
            if value.is_null() {
                parent.remove(field);
            } else {
                parent.insert(field.to_owned(), value.clone());
            }
            let (code, status) = hub
                .call("POST", &format!("{path}?fieldValidation=Strict"), &slip)
                .await;
            let said = status["message"].as_str().unwrap_or_default();
            assert!(
                (400..=422).contains(&code) && said.contains(word),
                "{code} {status}"
            );
        }
    }
}
