//! Reads the types from the OpenAPI v3 documents.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::names;
use crate::sources::{GROUP_VERSIONS, Sources};

/// One type as OpenAPI tells it.
pub(crate) struct Schema {
    /// `object`, or how the JSON looks when it is no object with fields.
    pub(crate) shape: String,
    /// Whether the whole object is one value to server-side apply.
    pub(crate) atomic: bool,
    /// Fields by JSON name.
    pub(crate) fields: BTreeMap<String, Field>,
}

/// One field as OpenAPI tells it.
pub(crate) struct Field {
    /// Type expression: `string`, `[]core.v1.Container`, `{}string`.
    pub(crate) ty: String,
    /// Whether it must be present.
    pub(crate) required: bool,
    /// `list=`, `map=`, `patch=` and `default=` attributes.
    pub(crate) attributes: Vec<String>,
}

/// All types of the wanted group versions, by short name.
pub(crate) fn read(sources: &Sources) -> anyhow::Result<BTreeMap<String, Schema>> {
    let mut all = BTreeMap::new();
    for gv in GROUP_VERSIONS {
        let file = match gv.split_once('/') {
            None => format!("api__{gv}_openapi.json"),
            Some((group, version)) => format!("apis__{group}__{version}_openapi.json"),
        };
        let path = sources.kubernetes.join("api/openapi-spec/v3").join(file);
        let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let document: Value = serde_json::from_slice(&text)?;
        let schemas = document["components"]["schemas"].as_object();
        for (definition, schema) in schemas.context("no schemas")? {
            let Some(name) = names::of_openapi(definition) else {
                continue;
            };
            let read = of(schema).with_context(|| format!("failed to read {definition}"))?;
            all.insert(name, read);
        }
    }
    Ok(all)
}

fn of(schema: &Value) -> anyhow::Result<Schema> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut fields = BTreeMap::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let read = Field {
            ty: expression(field).with_context(|| format!("failed to read field {name}"))?,
            required: required.contains(&name.as_str()),
            attributes: attributes(field),
        };
        fields.insert(name.clone(), read);
    }
    Ok(Schema {
        shape: shape(schema),
        atomic: schema["x-kubernetes-map-type"] == "atomic",
        fields,
    })
}

fn shape(schema: &Value) -> String {
    if schema["properties"].is_object() {
        return "object".to_owned();
    }
    let format = schema["format"].as_str().unwrap_or_default();
    match (schema["type"].as_str(), format) {
        (Some("string"), "date-time") => "time",
        (_, "int-or-string") => "intstr",
        (Some("object"), _) => "free",
        (None, _) if schema["oneOf"].is_array() => "quantity",
        _ => "any",
    }
    .to_owned()
}

/// The type expression of a field's schema.
fn expression(schema: &Value) -> anyhow::Result<String> {
    let reference = schema["$ref"]
        .as_str()
        .or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(reference) = reference {
        let definition = reference.rsplit('/').next().unwrap_or_default();
        return names::of_openapi(definition).with_context(|| format!("unknown {definition}"));
    }
    let format = schema["format"].as_str().unwrap_or_default();
    Ok(match (schema["type"].as_str(), format) {
        (Some("string"), "byte") => "bytes".to_owned(),
        (Some("string"), _) => "string".to_owned(),
        (Some("boolean"), _) => "bool".to_owned(),
        (Some("integer"), "int32") => "int32".to_owned(),
        (Some("integer"), _) => "int64".to_owned(),
        (Some("number"), _) => "number".to_owned(),
        (Some("array"), _) => format!("[]{}", expression(&schema["items"])?),
        (Some("object"), _) if schema["additionalProperties"].is_object() => {
            format!("{{}}{}", expression(&schema["additionalProperties"])?)
        }
        (Some("object"), _) => "free".to_owned(),
        (None, _) => "any".to_owned(),
        (Some(other), _) => bail!("unknown type {other}"),
    })
}

fn attributes(field: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let text = |key: &str| field[key].as_str();
    let keys: Vec<&str> = field["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match text("x-kubernetes-list-type") {
        Some("map") => out.push(format!("list=map:{}", keys.join(","))),
        Some(kind) => out.push(format!("list={kind}")),
        None => {}
    }
    if let Some(kind) = text("x-kubernetes-map-type") {
        out.push(format!("map={kind}"));
    }
    if let Some(strategy) = text("x-kubernetes-patch-strategy") {
        let key = text("x-kubernetes-patch-merge-key").unwrap_or_default();
        out.push(format!("patch={strategy}:{key}"));
    }
    // Zero values count too where the field is the key of a list's items. An empty struct is no
    // default of anything.
    let default = &field["default"];
    if !default.is_null() && !default.is_object() {
        out.push(format!("default={default}"));
    }
    out
}
