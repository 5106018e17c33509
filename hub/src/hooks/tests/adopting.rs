//! Policies that take over what is equal.

use super::*;
use roadstead_protocol::api::policy::ConflictResolution;

#[tokio::test(start_paused = true)]
async fn the_example_of_adopting_is_taken_by_all_twins() {
    let hub = Hub::new().await;
    let text = include_str!("../../../../deploy/examples/adopt-policy.yaml");
    let mut example: Value = serde_saphyr::from_str(text).unwrap();
    for (group, kind) in [
        ("policy.kurator.dev", "DistributionPolicy"),
        ("apps.kurator.dev", "DistributionPolicy"),
        ("policy.kurator.dev", "ClusterDistributionPolicy"),
    ] {
        let version = format!("{group}/v1alpha1");
        let mut at = "namespaces/default/distributionpolicies";
        if kind.starts_with("Cluster") {
            at = "clusterdistributionpolicies";
            example["metadata"] = json!({"name": "shop"});
        }
        (example["apiVersion"], example["kind"]) = (version.clone().into(), kind.into());
        let path = format!("/apis/{version}/{at}");
        let (code, object) = hub.call("POST", &path, &example).await;
        assert_eq!(code, 201, "{object}");
        let policy = roadstead_plan::policy::Policy::read(&object).unwrap();
        assert_eq!(policy.conflicts, ConflictResolution::AdoptIfEqual);
    }
}
