//! The rules one by one.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::resource::{Origin, Registry};

fn builtin(group: &str, kind: &str) -> Arc<Resource> {
    let registry = Registry::member().unwrap();
    Arc::clone(registry.by_kind(group, kind).unwrap())
}

/// A kind whose `spec` has this schema.
fn custom(spec: Value) -> Resource {
    let manifest = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.io"},
        "spec": {
            "group": "example.io",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
            }]
        }
    });
    crate::crd::resources(&manifest, Origin::Custom)
        .unwrap()
        .remove(0)
}

fn thing(spec: Value) -> Value {
    json!({
        "apiVersion": "example.io/v1", "kind": "Thing",
        "metadata": {"name": "t", "namespace": "n"}, "spec": spec
    })
}

/// The faults of a spec under a schema, as text.
fn check(schema: Value, spec: Value, expected: &[&str]) {
    let errors = object(&custom(schema), &thing(spec));
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, expected);
}

fn check_unknown(resource: &Resource, mut object: Value, unknown: &[&str], left: Value) {
    assert_eq!(fit(resource, &mut object).unwrap(), unknown);
    assert_eq!(object, left);
}

fn check_mismatch(resource: &Resource, mut object: Value, expected: &str) {
    assert_eq!(fit(resource, &mut object).unwrap_err().0, expected);
}

#[test]
fn types_are_checked() {
    let schema = || {
        json!({"type": "object", "properties": {
            "a": {"type": "string"}, "b": {"type": "integer", "format": "int32"},
            "c": {"x-kubernetes-int-or-string": true}, "d": {"type": "array", "items": {"type": "boolean"}}
        }})
    };
    check(
        schema(),
        json!({"a": "x", "b": 1.0, "c": "http", "d": [true]}),
        &[],
    );
    check(
        schema(),
        json!({"a": 1, "b": 3_000_000_000_u32, "c": 1.5, "d": ["x"]}),
        &[
            "spec.a: Invalid value: \"integer\": spec.a in body must be of type string: \"integer\"",
            "spec.b: Invalid value: \"integer\": spec.b in body must be of type integer: \"integer\"",
            "spec.c: Invalid value: \"number\": spec.c in body must be of type integer,string: \"number\"",
            "spec.d[0]: Invalid value: \"string\": spec.d[0] in body must be of type boolean: \"string\"",
        ],
    );
}

#[test]
fn rules_of_texts_and_numbers_are_checked() {
    let schema = json!({"type": "object", "required": ["need"], "properties": {
        "need": {"type": "string"},
        "p": {"type": "string", "pattern": "^a+$", "minLength": 2, "maxLength": 3},
        "n": {"type": "integer", "minimum": 1, "maximum": 3, "multipleOf": 2},
        "x": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
        "f": {"type": "string", "format": "ipv4"},
        "e": {"type": "string", "enum": ["one", "two"]}
    }});
    check(
        schema.clone(),
        json!({"p": "b", "n": 5, "x": 0, "f": "x", "e": "three"}),
        &[
            "spec.need: Required value",
            "spec.e: Unsupported value: \"three\": supported values: \"one\", \"two\"",
            "spec.f: Invalid value: \"x\": spec.f in body must be of type ipv4: \"x\"",
            "spec.n: Invalid value: 5: spec.n in body should be less than or equal to 3",
            "spec.n: Invalid value: 5: spec.n in body should be a multiple of 2",
            "spec.p: Invalid value: \"b\": spec.p in body should be at least 2 chars long",
            "spec.p: Invalid value: \"b\": spec.p in body should match '^a+$'",
            "spec.x: Invalid value: 0: spec.x in body should be greater than 0",
        ],
    );
    check(
        schema,
        json!({"need": "", "p": "aaaa", "n": 0}),
        &[
            "spec.n: Invalid value: 0: spec.n in body should be greater than or equal to 1",
            "spec.p: Too long: may not be more than 3 bytes",
        ],
    );
}

#[test]
fn rules_of_lists_and_maps_are_checked() {
    let schema = json!({"type": "object", "properties": {
        "s": {"type": "array", "x-kubernetes-list-type": "set", "maxItems": 2, "items": {"type": "string"}},
        "m": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
              "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
        "l": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
    }});
    check(
        schema,
        json!({"s": ["a", "b", "a"], "m": [{"k": "x"}, {"k": "x"}], "l": {}}),
        &[
            "spec.l: Invalid value: 0: spec.l in body should have at least 1 properties",
            "spec.m[1]: Duplicate value: {\"k\":\"x\"}",
            "spec.s: Too many: 3: must have at most 2 items",
            "spec.s[2]: Duplicate value: \"a\"",
        ],
    );
}

#[test]
fn alternatives_are_checked() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    check(schema.clone(), json!({"a": ""}), &[]);
    check(
        schema.clone(),
        json!({}),
        &[
            "spec: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found none valid",
        ],
    );
    check(
        schema,
        json!({"a": "", "b": ""}),
        &[
            "spec: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ],
    );
}

#[test]
fn defaults_fill_what_is_absent_and_null_counts_as_absent() {
    let resource = custom(json!({"type": "object", "properties": {
        "a": {"type": "integer", "default": 1},
        "n": {"type": "string", "nullable": true, "default": "x"},
        "o": {"type": "object", "default": {}, "properties": {"in": {"type": "string", "default": "y"}}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"z": {"type": "integer", "default": 7}}}}
    }}));
    let mut object = thing(json!({"a": null, "n": null, "l": [{}]}));
    defaults(&resource, &mut object);
    assert_eq!(
        object.get("spec"),
        Some(&json!({"a": 1, "n": null, "o": {"in": "y"}, "l": [{"z": 7}]}))
    );
}

#[test]
fn unknown_fields_are_found_and_removed() {
    let resource = custom(json!({"type": "object", "properties": {
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}
    }}));
    let mut object = thing(json!({"free": {"x": 1}, "list": [{"a": "", "b": 1}], "plugin": 1}));
    object["bar"] = json!(1);
    object["metadata"]["foo"] = json!(1);
    check_unknown(
        &resource,
        object,
        &["metadata.foo", "bar", "spec.plugin", "spec.list[0].b"],
        thing(json!({"free": {"x": 1}, "list": [{"a": ""}]})),
    );
}

#[test]
fn builtin_fields_are_known_by_the_tables() {
    let deployment = builtin("apps", "Deployment");
    check_unknown(
        &deployment,
        json!({"kind": "Deployment", "metadata": {"name": "d", "creationTimestamp": null},
            "spec": {"plugin": 1, "template": {"spec": {"containers": [{"name": "c", "foo": 2}]}}}}),
        &["spec.plugin", "spec.template.spec.containers[0].foo"],
        json!({"kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}),
    );
    check_mismatch(
        &deployment,
        json!({"spec": {"replicas": "3"}}),
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    check_mismatch(
        &deployment,
        json!({"spec": {"template": {"spec": {"containers": {}}}}}),
        "json: cannot unmarshal object into Go struct field \
         PodSpec.spec.template.spec.containers of type []v1.Container",
    );
    check_mismatch(
        &builtin("", "Secret"),
        json!({"data": {"a": "?"}}),
        "illegal base64 data at input byte 0",
    );
    check_mismatch(
        &builtin("", "ConfigMap"),
        json!({"metadata": {"name": true}}),
        "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string",
    );
}

#[test]
fn metadata_of_custom_objects_is_decoded_apart() {
    let resource = custom(json!({"type": "object"}));
    let mut object = thing(json!({}));
    object["metadata"]["name"] = json!(true);
    let expected =
        "json: cannot unmarshal bool into Go struct field ObjectMeta.name of type string";
    check_mismatch(&resource, object, expected);
}

fn check_metadata(resource: &Resource, metadata: Value, expected: &[&str]) {
    let errors = super::metadata(resource, &json!({"metadata": metadata}));
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let starts = errors.iter().zip(expected).all(|(e, x)| e.starts_with(x));
    assert!(starts && errors.len() == expected.len(), "{errors:#?}");
}

#[test]
fn metadata_is_checked() {
    let config = builtin("", "ConfigMap");
    check_metadata(&config, json!({"name": "a.b-1", "namespace": "n"}), &[]);
    check_metadata(
        &config,
        json!({"generateName": "a-", "namespace": "n"}),
        &[],
    );
    check_metadata(
        &config,
        json!({"namespace": "n"}),
        &["metadata.name: Required value: name or generateName is required"],
    );
    check_metadata(
        &config,
        json!({"name": "A", "namespace": "a.b"}),
        &[
            "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain",
            "metadata.namespace: Invalid value: \"a.b\": a lowercase RFC 1123 label",
        ],
    );
    check_metadata(
        &config,
        json!({"name": "a", "namespace": "n", "labels": {"a/b/c": "ok", "ok": "no no", "/x": ""},
            "annotations": {"Up.Case/x": "any thing"}, "finalizers": ["a b"]}),
        &[
            "metadata.labels: Invalid value: \"/x\": prefix part must be non-empty",
            "metadata.labels: Invalid value: \"a/b/c\": a qualified name must consist",
            "metadata.labels: Invalid value: \"no no\": a valid label must be",
            "metadata.finalizers: Invalid value: \"a b\": name part must consist",
        ],
    );
    let long = "x".repeat(ANNOTATIONS_BYTES_MAX);
    check_metadata(
        &config,
        json!({"name": "a", "namespace": "n", "annotations": {"k": long}}),
        &["metadata.annotations: Too long: may not be more than 262144 bytes"],
    );
    let role = builtin("rbac.authorization.k8s.io", "ClusterRole");
    check_metadata(&role, json!({"name": "system:Node"}), &[]);
    check_metadata(
        &role,
        json!({"name": "a/b", "namespace": "n"}),
        &[
            "metadata.name: Invalid value: \"a/b\": may not contain '/'",
            "metadata.namespace: Forbidden: not allowed on this type",
        ],
    );
}

#[test]
fn some_metadata_never_changes() {
    let old = json!({"metadata": {"name": "a", "uid": "1", "deletionTimestamp": "t", "finalizers": ["x.io/a"]}});
    let new = json!({"metadata": {"name": "a", "uid": "2", "deletionTimestamp": "t",
        "finalizers": ["x.io/c", "x.io/a", "x.io/b"]}});
    let errors: Vec<String> = metadata_update(&old, &new)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        errors,
        [
            "metadata.uid: Invalid value: \"2\": field is immutable",
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being \
             deleted, found new finalizers []string{\"x.io/b\", \"x.io/c\"}",
        ]
    );
}

#[test]
fn formats_accept_and_refuse() {
    let check = |name: &str, text: &str, expected: bool| {
        assert_eq!(formats::accepts(name, text), expected, "{name} {text}");
    };
    check("date-time", "2026-01-02T03:04:05Z", true);
    check("date-time", "2026-01-02", false);
    check("date", "2026-01-02", true);
    check("duration", "1h30m", true);
    check("duration", "1.5s", true);
    check("duration", "90", false);
    check("duration", ".s", false);
    check("cidr", "10.0.0.0/8", true);
    check("cidr", "10.0.0.0/33", false);
    check("uuid", "6418b8ca-954c-482d-b813-2dcb5ae3d4ed", true);
    check("uuid", "6418b8ca954c482db8132dcb5ae3d4ed", false);
    check("uri", "https://x/y", true);
    check("uri", "x y", false);
    check("unheard-of", "anything", true);
}

#[test]
fn quantities_are_recognised() {
    for good in ["1", "100m", "2Gi", "1.5", "1e3", "-1", "+.5k"] {
        assert!(names::is_quantity(good), "{good}");
    }
    for bad in ["", "m", "1x", "1 Gi", "1..2"] {
        assert!(!names::is_quantity(bad), "{bad}");
    }
}

/// Any JSON, with names that the kinds below know mixed in.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9.]{0,4}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("metadata"),
        Just("labels"),
        Just("spec"),
        Just("containers"),
        Just("ports"),
        Just("other"),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let pair = (name.clone(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
            prop::collection::vec(pair, 0..4).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_made_to_fit_fits(value in any_json()) {
        let custom = custom(json!({"type": "object", "properties": {
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "ports": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            "containers": {"type": "object", "nullable": true, "default": {},
                "properties": {"ports": {"type": "string", "default": "x"}}}
        }}));
        for resource in [&*builtin("", "Pod"), &custom] {
            let mut object = value.clone();
            if fit(resource, &mut object).is_err() {
                continue;
            }
            let once = object.clone();
            prop_assert_eq!(fit(resource, &mut object).unwrap(), Vec::<String>::new());
            prop_assert_eq!(&object, &once);
            defaults(resource, &mut object);
            let once = object.clone();
            defaults(resource, &mut object);
            prop_assert_eq!(&object, &once);
            super::object(resource, &object);
        }
    }
}
