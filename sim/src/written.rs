//! What users write: the objects and policies of the model as Kubernetes' JSON, and their paths.

use serde_json::{Value, json};

use crate::model::{Kind, Name, Object, Policy};

/// Where policies live.
const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
/// Where those for every namespace live.
const CLUSTER_POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/clusterdistributionpolicies";

/// The path of an object.
pub fn object_path(name: &Name) -> String {
    format!("{}/{}", name.0.path(), name.1)
}

/// The path of a policy.
pub fn policy_path(kind: Kind, group: u64) -> String {
    let all = match kind {
        Kind::ConfigMap | Kind::Deployment => POLICIES,
        Kind::Shop => CLUSTER_POLICIES,
    };
    format!("{all}/{}", policy_name(kind, group))
}

/// The name of a policy.
pub fn policy_name(kind: Kind, group: u64) -> String {
    format!("{}-{group}", kind.name().to_lowercase())
}

/// Whether `found` is what the user wrote.
pub fn same_object(found: &Value, name: &Name, object: &Object) -> bool {
    let wanted = object_json(name, object);
    let at = |v: &Value, p: &str| v.pointer(p).cloned();
    [
        "/metadata/labels/group",
        "/data/version",
        "/spec/replicas",
        "/spec/template/spec/containers/0/image",
    ]
    .iter()
    .all(|p| at(found, p) == at(&wanted, p))
}

/// An object as it is sent.
pub(crate) fn object_json(name: &Name, object: &Object) -> Value {
    let metadata = json!({"name": name.1, "labels": {"group": format!("g{}", object.group)}});
    match name.0 {
        Kind::ConfigMap | Kind::Shop => json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"version": object.version.to_string()},
        }),
        Kind::Deployment => json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": object.replicas,
                "selector": {"matchLabels": {"app": name.1}},
                "template": {
                    "metadata": {"labels": {"app": name.1}},
                    "spec": {"containers": [{"name": "c", "image": format!("image:{}", object.version)}]},
                },
            },
        }),
    }
}

/// A policy as it is sent.
pub(crate) fn policy_json(kind: Kind, group: u64, policy: &Policy) -> Value {
    let names: Vec<&String> = policy.clusters.keys().collect();
    let mut placement = json!({"clusterAffinity": {"clusterNames": names}});
    if kind == Kind::Deployment {
        let weights: Vec<Value> = policy
            .clusters
            .iter()
            .map(|(c, w)| json!({"targetCluster": {"clusterNames": [c]}, "weight": w}))
            .collect();
        placement["replicaScheduling"] = json!({
            "replicaDivisionPreference": "Weighted",
            "weightPreference": {"staticWeightList": weights},
        });
    }
    let mut selector = json!({
        "apiVersion": kind.version(),
        "kind": kind.name(),
        "labelSelector": {"matchLabels": {"group": format!("g{group}")}},
    });
    if kind == Kind::Shop {
        selector["namespace"] = kind.place().2.into();
    }
    let of = match kind {
        Kind::ConfigMap | Kind::Deployment => "DistributionPolicy",
        Kind::Shop => "ClusterDistributionPolicy",
    };
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": of,
        "metadata": {"name": policy_name(kind, group)},
        "spec": {"resourceSelectors": [selector], "placement": placement},
    })
}
