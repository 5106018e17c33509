use super::*;

const MANIFEST: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.harbour.example.io}
spec:
  group: harbour.example.io
  scope: Namespaced
  names: {plural: boats, kind: Boat}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          description: Something that floats.
          properties: {spec: {type: object, description: What it should be.}}
";

fn registry() -> Registry {
    Registry::hub(&[MANIFEST]).unwrap()
}

fn of_group(group: &str, version: &str) -> Value {
    document(&registry(), group, version).unwrap().unwrap()
}

/// What kubectl looks for before it sends a write.
fn check_writes(document: &Value, path: &str, strategic: bool) {
    let patch = &document["paths"][path]["patch"];
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|p| p["name"] == "fieldValidation"));
    let content = patch["requestBody"]["content"].as_object().unwrap();
    let offered = content.contains_key("application/strategic-merge-patch+json");
    assert_eq!(offered, strategic, "{path}");
}

/// Every reference of a document leads somewhere in it.
fn check_references(document: &Value, at: &Value) {
    match at {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                let name = reference.strip_prefix("#/components/schemas/").unwrap();
                let found = document["components"]["schemas"].get(name);
                assert!(found.is_some_and(Value::is_object), "{name}");
            }
            map.values().for_each(|v| check_references(document, v));
        }
        Value::Array(items) => items.iter().for_each(|v| check_references(document, v)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_index_names_every_document_with_a_hash() {
    let index = index(&registry());
    let apps = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    assert!(apps.starts_with("/openapi/v3/apis/apps/v1?hash="), "{apps}");
    assert!(index["paths"]["api/v1"].is_object());
    assert!(index["paths"]["apis/harbour.example.io/v1"].is_object());
}

#[test]
fn the_hash_changes_with_the_schema() {
    let other = MANIFEST.replace("Something that floats.", "Anything that floats.");
    let other = Registry::hub(&[&other]).unwrap();
    let of = |registry: &Registry| hash(registry, "harbour.example.io", "v1");
    assert_ne!(of(&registry()), of(&other));
    assert_eq!(of(&registry()), of(&registry()));
}

#[test]
fn documents_tell_kubectl_how_to_write() {
    let item = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    check_writes(&of_group("apps", "v1"), item, true);
    let item = "/apis/harbour.example.io/v1/namespaces/{namespace}/boats/{name}";
    check_writes(&of_group("harbour.example.io", "v1"), item, false);
    check_writes(&of_group("", "v1"), "/api/v1/namespaces/{name}", true);
}

#[test]
fn documents_hold_all_they_refer_to() {
    let registry = registry();
    for (group, versions) in registry.groups() {
        for version in versions {
            let document = document(&registry, group, version).unwrap().unwrap();
            check_references(&document, &document);
        }
    }
}

#[test]
fn schemas_carry_what_explain_shows() {
    let document = of_group("harbour.example.io", "v1");
    let boat = &document["components"]["schemas"]["io.example.harbour.v1.Boat"];
    assert_eq!(boat["description"], "Something that floats.");
    assert_eq!(
        boat["properties"]["spec"]["description"],
        "What it should be."
    );
    assert_eq!(boat["x-kubernetes-group-version-kind"][0]["kind"], "Boat");
    let document = of_group("apps", "v1");
    let spec = &document["components"]["schemas"]["io.k8s.api.apps.v1.DeploymentSpec"];
    assert_eq!(spec["required"], json!(["selector", "template"]));
    assert_eq!(spec["properties"]["replicas"]["type"], "integer");
}

#[test]
fn what_is_not_served_has_no_document() {
    assert_eq!(document(&registry(), "apps", "v2").unwrap(), None);
}
