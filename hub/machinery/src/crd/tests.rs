use serde_json::json;

use super::*;
use crate::resource::Registry;
use crate::schema::ListRel;

const MANIFEST: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: boats.harbour.example.io
spec:
  group: harbour.example.io
  scope: Namespaced
  names: {plural: boats, kind: Boat, shortNames: [bo], categories: [all]}
  versions:
    - name: v1beta1
      served: true
      storage: false
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    - name: v1
      served: true
      storage: true
      subresources:
        status: {}
        scale: {specReplicasPath: .spec.crew, statusReplicasPath: .status.crew}
      selectableFields: [{jsonPath: .spec.colour}]
      additionalPrinterColumns:
        - {name: Colour, type: string, jsonPath: .spec.colour, priority: 1, description: Paint.}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                colour: {type: string}
                crew: {type: integer}
                sails:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [name]
                  items:
                    type: object
                    required: [name]
                    properties:
                      name: {type: string, default: main}
---
";

fn manifest() -> Value {
    documents(MANIFEST).unwrap().remove(0)
}

#[test]
fn a_manifest_becomes_a_resource_for_each_served_version() {
    let found = resources(&manifest(), Origin::Custom).unwrap();
    assert_eq!(found.len(), 2);
    let boat = found.last().unwrap();
    assert_eq!(boat.qualified(), "boats.harbour.example.io");
    assert_eq!((&*boat.singular, &*boat.list_kind), ("boat", "BoatList"));
    assert_eq!(boat.selectable_fields, [".spec.colour"]);
    assert!(boat.status && boat.template && !boat.smp);
    assert_eq!(boat.scale.as_ref().unwrap().spec_replicas, ".spec.crew");
    let column = boat.columns.first().unwrap();
    assert_eq!((&*column.name, column.priority), ("Colour", 1));
}

#[test]
fn types_of_a_kind_know_its_lists_and_metadata() {
    let found = resources(&manifest(), Origin::Own).unwrap();
    let boat = found.last().unwrap();
    let schema = &boat.schema;
    let spec = schema.field(boat.ty, "spec").unwrap();
    let sails = schema.get(schema.field(spec, "sails").unwrap());
    let list = sails.list.as_ref().unwrap();
    assert_eq!(
        list.relation,
        ListRel::Map {
            keys: vec!["name".into()]
        }
    );
    let item = schema.get(list.element).map.as_ref().unwrap();
    assert_eq!(item.field("name").unwrap().default, Some(json!("main")));
    let metadata = schema.field(boat.ty, "metadata").unwrap();
    let finalizers = schema.get(schema.field(metadata, "finalizers").unwrap());
    assert_eq!(finalizers.list.as_ref().unwrap().relation, ListRel::Set);
    assert!(!boat.template);
}

#[test]
fn a_registry_takes_a_kind_in_and_lets_it_go() {
    let before = Registry::member().unwrap();
    let with = before.with_crd(&manifest()).unwrap();
    let boat = with.by_kind("harbour.example.io", "Boat").unwrap();
    assert_eq!(boat.version, "v1", "the stable version is preferred");
    assert!(
        with.lookup("harbour.example.io", "v1beta1", "boats")
            .is_some()
    );
    assert!(before.by_kind("harbour.example.io", "Boat").is_none());
    assert!(!boat.template, "on a member nothing is a template");
    let hub = Registry::hub(&[]).unwrap().with_crd(&manifest()).unwrap();
    assert!(hub.by_kind("harbour.example.io", "Boat").unwrap().template);
    let own = Registry::hub(&[MANIFEST]).unwrap();
    assert!(
        own.with_crd(&manifest()).is_err(),
        "what is ours is not replaced"
    );
    let twice = with.with_crd(&manifest()).unwrap();
    assert_eq!(twice.iter().count(), with.iter().count());
    let without = twice.without_crd("harbour.example.io", "boats");
    assert_eq!(without.iter().count(), before.iter().count());
}

fn check_refused(pointer: &str, value: Value, expected: &str) {
    let mut manifest = manifest();
    *manifest.pointer_mut(pointer).unwrap() = value;
    let error = resources(&manifest, Origin::Custom).unwrap_err();
    let source = std::error::Error::source(&error).map(|s| format!(": {s}"));
    assert_eq!(format!("{error}{}", source.unwrap_or_default()), expected);
}

#[test]
fn manifests_that_cannot_be_served_are_refused() {
    check_refused(
        "/kind",
        json!("Boat"),
        "kind: must be CustomResourceDefinition",
    );
    check_refused(
        "/spec/names/plural",
        json!("ships"),
        "metadata.name: must be spec.names.plural+\".\"+spec.group",
    );
    check_refused(
        "/spec/versions/0/storage",
        json!(true),
        "spec.versions: must have exactly one storage version",
    );
    check_refused(
        "/spec/versions/1/schema/openAPIV3Schema/properties/spec",
        json!({"type": "strnig"}),
        "failed to read the schema of version v1: openAPIV3Schema.properties[spec]: \
         unknown type \"strnig\"",
    );
    check_refused(
        "/spec/versions/1/schema/openAPIV3Schema/properties/spec",
        json!({"type": "object", "properties": {"a": {"description": "Of what?"}}}),
        "failed to read the schema of version v1: \
         openAPIV3Schema.properties[spec].properties[a]: needs a type",
    );
    let mut deep = json!({"type": "object"});
    for _ in 0..150 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    let mut manifest = manifest();
    manifest["spec"]["versions"][1]["schema"]["openAPIV3Schema"] = deep;
    assert!(resources(&manifest, Origin::Custom).is_err());
    assert!(documents("a: [").is_err());
}

#[test]
fn the_manifests_of_this_project_are_served() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../protocol/src/api/crds");
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let registry = Registry::hub(&texts).unwrap();
    let own = registry.iter().filter(|r| r.origin == Origin::Own).count();
    assert_eq!(own, texts.len());
    assert!(
        registry
            .by_kind("policy.kurator.dev", "DistributionPolicy")
            .is_some()
    );
}
