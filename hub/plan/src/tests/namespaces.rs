//! In which namespaces policies select objects.

use serde_json::json;

use super::*;

/// A Deployment in a namespace.
fn web_in(namespace: &str) -> String {
    let namespaced = format!("namespace: {namespace}");
    deployment(1).replace("namespace: default", &namespaced)
}

/// A policy that selects Deployments, with more about which.
fn selecting(more: &str) -> Vec<Value> {
    policy(
        "p",
        &format!("{{resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment{more}}}]}}"),
    )
}

fn cluster_scoped(mut policy: Vec<Value>) -> Vec<Value> {
    for object in &mut policy {
        object["kind"] = json!("ClusterDistributionPolicy");
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.remove("namespace");
    }
    policy
}

#[test]
fn a_cluster_scoped_policy_selects_in_the_namespace_that_it_names_or_in_all() {
    let joined = clusters(&["a"]);
    let all = cluster_scoped(selecting(""));
    let shop = cluster_scoped(selecting(", namespace: shop"));
    for (policy, namespace, expected) in [
        (&all, "default", "a"),
        (&all, "shop", "a"),
        (&shop, "shop", "a"),
        (&shop, "default", "! NoPolicy"),
    ] {
        check(&Case::new(&[&joined, policy], &web_in(namespace)), expected);
    }
}

#[test]
fn a_policy_selects_in_its_own_namespace_only() {
    let joined = clusters(&["a allow=All"]);
    for (more, namespace, expected) in [
        ("", "default", "a"),
        ("", "shop", "! NoPolicy"),
        // Naming another one does not reach it.
        (", namespace: shop", "shop", "! NoPolicy"),
        (", namespace: shop", "default", "! NoPolicy"),
    ] {
        let case = Case::new(&[&joined, &selecting(more)], &web_in(namespace));
        check(&case, expected);
    }
}
