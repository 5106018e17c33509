//! The objects that histories are about.

use roadstead_protocol::wire::ItemKey;
use roadstead_tests::api::text;
use serde_json::{Value, json};

/// The cluster's name on the hub.
pub(crate) const CLUSTER: &str = "member";
/// Where clusters stand on the hub.
pub(crate) const CLUSTERS: &str =
    "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";

/// A ConfigMap that the policy [`sends`] sends.
pub(crate) fn map(name: &str, value: &str) -> Value {
    map_in("default", name, value)
}

/// As [`map`], in a namespace.
pub(crate) fn map_in(namespace: &str, name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": {"fleet": "yes"}},
        "data": {"key": value},
    })
}

/// A namespace that the policy [`sends_everywhere`] sends.
pub(crate) fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {"fleet": "yes", "roadstead.dev/template": "true"},
        },
    })
}

/// A policy that sends a kind's objects with the label `fleet: yes` to the cluster.
pub(crate) fn sends(name: &str, (api_version, kind): (&str, &str)) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "DistributionPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec(api_version, kind),
    })
}

/// As [`sends`], for objects of all namespaces and of none.
pub(crate) fn sends_everywhere(name: &str, (api_version, kind): (&str, &str)) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "ClusterDistributionPolicy",
        "metadata": {"name": name},
        "spec": spec(api_version, kind),
    })
}

fn spec(api_version: &str, kind: &str) -> Value {
    json!({
        "resourceSelectors": [{
            "apiVersion": api_version,
            "kind": kind,
            "labelSelector": {"matchLabels": {"fleet": "yes"}},
        }],
        "placement": {"clusterAffinity": {"clusterNames": [CLUSTER]}},
    })
}

/// The path of a policy.
pub(crate) fn policy_path(name: &str) -> String {
    format!("{POLICIES}/{name}")
}

/// The path of a ConfigMap in `default`.
pub(crate) fn map_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/configmaps/{name}")
}

/// The key of a ConfigMap in `default`.
pub(crate) fn map_key(name: &str) -> ItemKey {
    key(("", "ConfigMap"), "default", name)
}

/// The key of an object.
pub(crate) fn key((group, kind): (&str, &str), namespace: &str, name: &str) -> ItemKey {
    ItemKey {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// What a ConfigMap of ours says.
pub(crate) fn value_of(object: &Value) -> String {
    text(object, "/data/key").to_owned()
}

/// The path of an object.
pub(crate) fn path_of(object: &Value) -> String {
    let api_version = text(object, "/apiVersion");
    let plural = match text(object, "/kind") {
        "DistributionPolicy" => "distributionpolicies".to_owned(),
        "ClusterDistributionPolicy" => "clusterdistributionpolicies".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let root = if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    };
    let name = text(object, "/metadata/name");
    match text(object, "/metadata/namespace") {
        "" => format!("{root}/{plural}/{name}"),
        namespace => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
    }
}
