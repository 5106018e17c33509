//! The schemas of a document: built-in types from the tables, custom ones as their CRD wrote them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::resource::Resource;
use crate::tables::{Field, ListRule, Ref, Shape, Tables, Type, TypeIx};

/// Collects schemas and what they refer to.
pub(super) struct Schemas<'t> {
    tables: &'t Tables,
    out: Map<String, Value>,
    wanted: BTreeSet<TypeIx>,
}

impl<'t> Schemas<'t> {
    pub(super) fn new(tables: &'t Tables) -> Self {
        Self {
            tables,
            out: Map::new(),
            wanted: BTreeSet::new(),
        }
    }

    /// Adds the schemas of a resource and of its list; answers with the name of the first.
    pub(super) fn add(&mut self, resource: &Resource) -> String {
        let builtin = self
            .tables
            .kind(&resource.group, &resource.version, &resource.kind)
            .filter(|_| resource.structural.is_none());
        let (name, mut schema) = match builtin {
            Some(ix) => {
                let ty = self.tables.ty(ix);
                (definition(ty.name), self.of_type(ty))
            }
            None => (custom_name(resource), self.of_custom(resource)),
        };
        let gvk = |kind: &str| {
            json!([{
                "group": resource.group, "version": resource.version, "kind": kind
            }])
        };
        if let Value::Object(map) = &mut schema {
            map.insert(
                "x-kubernetes-group-version-kind".to_owned(),
                gvk(&resource.kind),
            );
        }
        let items = json!({"type": "array", "items": reference(&name)});
        let list = json!({
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "items": items,
            },
            "x-kubernetes-group-version-kind": gvk(&resource.list_kind),
        });
        if !resource.is_review() {
            self.out.insert(format!("{name}List"), list);
        }
        self.out.insert(name.clone(), schema);
        name
    }

    /// All schemas, with those that others refer to.
    pub(super) fn done(mut self) -> Value {
        while let Some(ix) = self.wanted.pop_first() {
            let ty = self.tables.ty(ix);
            let name = definition(ty.name);
            if !self.out.contains_key(&name) {
                // Taken before it is filled: types may refer to themselves.
                self.out.insert(name.clone(), Value::Null);
                let schema = self.of_type(ty);
                self.out.insert(name, schema);
            }
        }
        Value::Object(self.out)
    }

    fn of_custom(&mut self, resource: &Resource) -> Value {
        let structural = resource.structural.as_ref();
        let mut schema = structural.map_or_else(|| json!({}), |s| s.written.clone());
        let metadata = self.tables.named("meta.v1.ObjectMeta");
        let metadata = metadata.map(|ix| self.of_ref(&Ref::Type(ix)));
        if let Value::Object(map) = &mut schema {
            let properties = map.entry("properties").or_insert_with(|| json!({}));
            if let Value::Object(properties) = properties {
                for name in ["apiVersion", "kind"] {
                    properties
                        .entry(name)
                        .or_insert_with(|| json!({"type": "string"}));
                }
                properties.insert("metadata".to_owned(), metadata.unwrap_or_default());
            }
        }
        schema
    }

    fn of_type(&mut self, ty: &Type) -> Value {
        match ty.shape {
            Shape::Object => self.of_object(ty),
            Shape::Time | Shape::MicroTime => json!({"type": "string", "format": "date-time"}),
            Shape::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            Shape::IntOrString => json!({
                "format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]
            }),
            Shape::Fields | Shape::Extension | Shape::Free => json!({"type": "object"}),
            Shape::Strings => json!({"type": "array", "items": {"type": "string"}}),
            Shape::Json | Shape::SchemaOrArray | Shape::SchemaOrBool | Shape::SchemaOrStrings => {
                json!({})
            }
        }
    }

    fn of_object(&mut self, ty: &Type) -> Value {
        let mut properties = Map::new();
        for field in &ty.fields {
            properties.insert(field.name.to_owned(), self.of_field(field));
        }
        let required = ty.fields.iter().filter(|f| f.required).map(|f| f.name);
        let required: Vec<&str> = required.collect();
        let mut out = json!({"type": "object", "properties": properties});
        if let Value::Object(map) = &mut out {
            if !required.is_empty() {
                map.insert("required".to_owned(), required.into());
            }
            if ty.atomic {
                map.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
            }
        }
        out
    }

    fn of_field(&mut self, field: &Field) -> Value {
        let mut schema = self.of_ref(&field.ty);
        let Value::Object(map) = &mut schema else {
            return schema;
        };
        let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
        match &field.list {
            Some(ListRule::Atomic) => drop(set("x-kubernetes-list-type", "atomic".into())),
            Some(ListRule::Set) => drop(set("x-kubernetes-list-type", "set".into())),
            Some(ListRule::Map(keys)) => {
                set("x-kubernetes-list-type", "map".into());
                set("x-kubernetes-list-map-keys", json!(keys));
            }
            None => {}
        }
        if let Some(atomic) = field.map_atomic {
            let kind = if atomic { "atomic" } else { "granular" };
            set("x-kubernetes-map-type", kind.into());
        }
        if let Some((strategy, key)) = field.patch {
            set("x-kubernetes-patch-strategy", strategy.into());
            if !key.is_empty() {
                set("x-kubernetes-patch-merge-key", key.into());
            }
        }
        if let Some(default) = field.default.and_then(|d| serde_json::from_str(d).ok()) {
            set("default", default);
        }
        schema
    }

    fn of_ref(&mut self, ty: &Ref) -> Value {
        match ty {
            Ref::String => json!({"type": "string"}),
            Ref::Bytes => json!({"type": "string", "format": "byte"}),
            Ref::Int32 => json!({"type": "integer", "format": "int32"}),
            Ref::Int64 => json!({"type": "integer", "format": "int64"}),
            Ref::Number => json!({"type": "number", "format": "double"}),
            Ref::Bool => json!({"type": "boolean"}),
            Ref::Any => json!({}),
            Ref::Free => json!({"type": "object"}),
            Ref::Type(ix) => {
                self.wanted.insert(*ix);
                json!({"allOf": [reference(&definition(self.tables.ty(*ix).name))]})
            }
            Ref::List(item) => json!({"type": "array", "items": self.of_ref(item)}),
            Ref::Map(value) => {
                json!({"type": "object", "additionalProperties": self.of_ref(value)})
            }
        }
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The name that Kubernetes' documents give a type of the tables.
fn definition(name: &str) -> String {
    let package = match name.split('.').next() {
        Some("meta") => "apimachinery.pkg.apis",
        Some("resource") if name == "resource.Quantity" => "apimachinery.pkg.api",
        Some("intstr") => "apimachinery.pkg.util",
        Some("runtime") => "apimachinery.pkg",
        Some("apiextensions") => "apiextensions-apiserver.pkg.apis",
        _ => "api",
    };
    format!("io.k8s.{package}.{name}")
}

fn custom_name(resource: &Resource) -> String {
    let labels: Vec<&str> = resource.group.split('.').rev().collect();
    let group = labels.join(".");
    format!("{group}.{}.{}", resource.version, resource.kind)
}
