//! What the phases apply.

/// The policy that people find in the tree.
pub(crate) const POLICY: &str = include_str!("../../../deploy/examples/policy.yaml");
/// The app that people find in the tree.
pub(crate) const APP: &str = include_str!("../../../deploy/examples/app.yaml");

/// Where the app is on a member, and on the hub.
pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/example-app";
/// The app's decision.
pub(crate) const DECISION: (&str, &str) = ("default", "deployment.apps.example-app");

/// A policy that sends everything of a kind with `phase: NAME` to clusters.
pub(crate) fn policy(name: &str, kind: (&str, &str), clusters: &[&str]) -> String {
    let (api_version, kind) = kind;
    let clusters = clusters.join(", ");
    format!(
        "---
apiVersion: policy.kurator.dev/v1alpha1
kind: DistributionPolicy
metadata:
  name: {name}
spec:
  resourceSelectors:
    - apiVersion: {api_version}
      kind: {kind}
      labelSelector:
        matchLabels: {{phase: {name}}}
  placement:
    clusterAffinity:
      clusterNames: [{clusters}]
"
    )
}

/// A ConfigMap of a phase.
pub(crate) fn config_map(phase: &str, name: &str, value: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  labels: {{phase: {phase}}}
data:
  key: {value}
"
    )
}

/// Where a ConfigMap is.
pub(crate) fn config_map_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/configmaps/{name}")
}
