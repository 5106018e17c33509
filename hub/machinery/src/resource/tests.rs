use super::*;

fn member() -> Registry {
    Registry::member().unwrap()
}

#[test]
fn the_core_group_comes_first_and_versions_are_ordered() {
    let registry = member();
    let groups = registry.groups();
    assert_eq!(groups.first(), Some(&("", vec!["v1"])));
    assert_eq!(groups.get(1), Some(&("apps", vec!["v1"])));
    assert!(groups.contains(&("autoscaling", vec!["v2"])));
    let mut versions = ["foo", "v1alpha1", "v1", "v2beta1", "v10", "v1beta2", "v2"];
    versions.sort_by(|a, b| build::version_order(a, b));
    assert_eq!(
        versions,
        ["v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]
    );
}

#[test]
fn resources_are_found_by_path_and_by_kind() {
    let registry = member();
    let deployment = registry.lookup("apps", "v1", "deployments").unwrap();
    assert_eq!(deployment.api_version(), "apps/v1");
    assert_eq!(deployment.qualified(), "deployments.apps");
    assert_eq!(deployment.short_names, ["deploy"]);
    assert_eq!(deployment.categories, ["all"]);
    assert!(deployment.namespaced && deployment.status && deployment.generation);
    assert!(deployment.scale.is_some() && deployment.smp && !deployment.template);
    assert!(deployment.schema.field(deployment.ty, "spec").is_some());
    let found = registry.by_kind("apps", "Deployment").unwrap();
    assert!(Arc::ptr_eq(found, deployment));
    assert!(registry.lookup("apps", "v2", "deployments").is_none());
    assert!(
        registry
            .by_kind("", "ConfigMap")
            .is_some_and(|r| !r.generation)
    );
}

#[test]
fn reviews_can_only_be_created() {
    let registry = member();
    let review = registry.by_kind("authorization.k8s.io", "SelfSubjectAccessReview");
    assert!(review.is_some_and(|r| r.is_review() && !r.namespaced));
}

#[test]
fn workloads_are_templates_on_the_hub_and_events_are_not() {
    let hub = Registry::hub(&[]).unwrap();
    assert!(hub.by_kind("apps", "Deployment").unwrap().template);
    assert!(!hub.by_kind("", "Event").unwrap().template);
}

#[test]
fn both_event_kinds_share_a_store() {
    let registry = member();
    let new = registry.by_kind("events.k8s.io", "Event").unwrap();
    let old = registry.by_kind("", "Event").unwrap();
    assert_eq!(new.storage, old.storage);
}
