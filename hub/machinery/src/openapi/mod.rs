//! OpenAPI v3 as kubectl reads it: an index, and one document per group and version.
//!
//! kubectl takes three things from a document: whether `fieldValidation` is a parameter of a kind's
//! writes, whether its patches may be strategic merge patches, and the fields of the kind for
//! `explain`. A document holds these, and leaves out what nobody reads (parameters of lists,
//! responses, descriptions of built-in fields).

mod schemas;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::resource::{Registry, Resource};
use crate::tables;

/// The index at `/openapi/v3`. Each document's address carries a hash that changes when the
/// document does, so clients may keep documents for good.
pub fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = path(group, version);
            let hash = hash(registry, group, version);
            let url = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    json!({"paths": paths})
}

/// The document of a group and version; `None` where nothing is served there.
///
/// # Errors
/// When the tables of the built-in kinds cannot be read.
pub fn document(
    registry: &Registry,
    group: &str,
    version: &str,
) -> Result<Option<Value>, tables::Error> {
    if !registry.serves(group, version) {
        return Ok(None);
    }
    let mut schemas = schemas::Schemas::new(tables::get()?);
    let mut paths = Map::new();
    let served = registry
        .iter()
        .filter(|r| r.group == group && r.version == version);
    for resource in served {
        let kind = schemas.add(resource);
        add_paths(&mut paths, resource, &kind);
    }
    Ok(Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": concat!("v", env!("CARGO_PKG_VERSION"))},
        "paths": paths,
        "components": {"schemas": schemas.done()},
    })))
}

/// Changes with everything that a document is made from.
pub fn hash(registry: &Registry, group: &str, version: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(&tables::fingerprint());
    for resource in registry
        .iter()
        .filter(|r| r.group == group && r.version == version)
    {
        let flags = (
            resource.namespaced,
            resource.status,
            resource.scale.is_some(),
        );
        hasher.update(format!("{}/{}{flags:?}", resource.plural, resource.kind).as_bytes());
        if let Some(structural) = &resource.structural {
            hasher.update(structural.written.to_string().as_bytes());
        }
    }
    hasher.finalize().to_hex().to_uppercase()
}

/// A group and version as the index names it, as in `apis/apps/v1`.
pub fn path(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

/// Forms of a patch: JSON merge and server-side apply for all kinds, strategic merge for some.
fn patch_types(resource: &Resource) -> Vec<&'static str> {
    let mut types = vec![
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ];
    if resource.smp {
        types.push("application/strategic-merge-patch+json");
    }
    types
}

fn add_paths(paths: &mut Map<String, Value>, resource: &Resource, kind: &str) {
    let root = format!("/{}", path(&resource.group, &resource.version));
    let plural = &resource.plural;
    let collection = if resource.namespaced {
        format!("{root}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("{root}/{plural}")
    };
    let has = |verb: &str| resource.verbs.contains(&verb);
    let write = |verb, media: &[&str]| Some((verb, operation(resource, verb, Some((kind, media)))));
    let read = |verb, action| Some((verb, operation(resource, action, None)));
    let json = ["application/json", "application/yaml"];
    let operations = [
        has("list").then(|| read("get", "list")).flatten(),
        has("create").then(|| write("post", &json)).flatten(),
    ];
    paths.insert(collection.clone(), of(operations));
    if has("list") && resource.namespaced {
        let operations = [read("get", "list")];
        paths.insert(format!("{root}/{plural}"), of(operations));
    }
    if !has("get") {
        return;
    }
    let item = || {
        of([
            read("get", "get"),
            write("put", &json),
            write("patch", &patch_types(resource)),
            read("delete", "delete"),
        ])
    };
    paths.insert(format!("{collection}/{{name}}"), item());
    if resource.status {
        let operations = [
            read("get", "get"),
            write("put", &json),
            write("patch", &patch_types(resource)),
        ];
        paths.insert(format!("{collection}/{{name}}/status"), of(operations));
    }
}

fn of<const N: usize>(operations: [Option<(&'static str, Value)>; N]) -> Value {
    let named = operations.into_iter().flatten();
    Value::Object(named.map(|(verb, op)| (verb.to_owned(), op)).collect())
}

/// One operation; a write says what its body is and in which forms it may come.
fn operation(resource: &Resource, action: &str, body: Option<(&str, &[&str])>) -> Value {
    let gvk = json!({
        "group": resource.group, "version": resource.version, "kind": resource.kind
    });
    let parameter = |name: &str| {
        json!({
            "name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}
        })
    };
    let mut out = json!({
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk,
    });
    let (Some((kind, media)), Value::Object(map)) = (body, &mut out) else {
        return out;
    };
    let mut parameters = vec![
        parameter("dryRun"),
        parameter("fieldManager"),
        parameter("fieldValidation"),
    ];
    let schema = if action == "patch" {
        parameters.push(json!({
            "name": "force", "in": "query", "schema": {"type": "boolean", "uniqueItems": true}
        }));
        json!({"schema": {"type": "object"}})
    } else {
        json!({"schema": {"$ref": format!("#/components/schemas/{kind}")}})
    };
    let content = media.iter().map(|&m| (m.to_owned(), schema.clone()));
    let content: Map<String, Value> = content.collect();
    map.insert("parameters".to_owned(), parameters.into());
    map.insert(
        "requestBody".to_owned(),
        json!({"content": content, "required": true}),
    );
    out
}
