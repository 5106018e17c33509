//! What is published is what people wrote.

use serde_json::{Value, json};

use crate::render::{identity, seal, strip};

use super::yaml;

fn check(before: &str, after: &Value) {
    let object = yaml(before).pop().unwrap();
    assert_eq!(strip(&object), *after);
}

#[test]
fn what_the_hub_added_goes() {
    check(
        "
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  namespace: default
  uid: abc
  generation: 3
  creationTimestamp: '2026-01-01T00:00:00Z'
  managedFields: [{manager: kubectl}]
  finalizers: [x/y]
  ownerReferences: [{name: x}]
  labels: {app: web, roadstead.dev/template: 'true'}
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{}'
    roadstead.dev/confirm-removal: '2'
data: {a: b}
status: {x: y}
",
        &json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
            "data": {"a": "b"},
        }),
    );
}

#[test]
fn what_a_cluster_allocated_goes_and_a_headless_service_stays() {
    check(
        "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.0.0.7, clusterIPs: [10.0.0.7], ports: [{port: 80, nodePort: 30080}]}
",
        &json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"ports": [{"port": 80, "nodePort": 30080}]},
        }),
    );
    check(
        "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None}
",
        &json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"clusterIP": "None"},
        }),
    );
}

#[test]
fn a_content_is_canonical_and_keeps_its_identity() {
    let object =
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "b": 1});
    let key = identity(&object).unwrap();
    let content = seal(&object, &key).unwrap();
    assert_eq!(
        std::str::from_utf8(&content.bytes).unwrap(),
        r#"{"apiVersion":"v1","b":1,"kind":"ConfigMap","metadata":{"name":"a"}}"#
    );
    let other = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}});
    assert!(seal(&other, &key).is_err());
}
