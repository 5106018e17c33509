//! Both forms of discovery, and paths.

use serde_json::json;

use super::*;

#[test]
fn both_forms_say_the_same() {
    let aggregated_form = json!({"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
        {"resource": "deployments", "responseKind": {"kind": "Deployment"}, "scope": "Namespaced", "verbs": ["get"],
         "subresources": [{"subresource": "scale"}]},
    ]}]});
    let legacy_form = json!({"resources": [
        {"name": "deployments", "kind": "Deployment", "namespaced": true, "verbs": ["get"]},
        {"name": "deployments/scale", "kind": "Scale", "namespaced": true, "verbs": ["get"]},
    ]});
    let (mut a, mut b, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    aggregated(&aggregated_form, &mut a, &mut versions);
    resource_list("apps/v1", &legacy_form, &mut b);
    assert_eq!(a, b);
    assert_eq!(versions, ["apps/v1"]);
}

#[test]
fn the_preferred_version_comes_first() {
    let root = json!({"groups": [{"preferredVersion": {"groupVersion": "x/v2"}, "versions": [{"groupVersion": "x/v1"}, {"groupVersion": "x/v2"}]}]});
    assert_eq!(listed_versions(&root), ["x/v2", "x/v1"]);
    assert_eq!(listed_versions(&json!({"versions": ["v1"]})), ["v1"]);
}

#[test]
fn paths() {
    let check = |group: &str, namespaced, namespace: &str, name: &str, expected: &str| {
        let resource = Resource {
            group: group.into(),
            version: "v1".into(),
            kind: "X".into(),
            plural: "xs".into(),
            namespaced,
            verbs: vec![],
        };
        assert_eq!(resource.object_path(namespace, name), expected);
    };
    check("", true, "a", "b", "/api/v1/namespaces/a/xs/b");
    check("", false, "", "b", "/api/v1/xs/b");
    check("g.io", true, "a", "b", "/apis/g.io/v1/namespaces/a/xs/b");
    check(
        "g.io",
        false,
        "",
        "system:a/b?c",
        "/apis/g.io/v1/xs/system:a%2Fb%3Fc",
    );
}
