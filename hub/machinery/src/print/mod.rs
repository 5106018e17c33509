//! Table columns: what `kubectl get` shows of an object, without and with `-o wide`.
//!
//! Built-in kinds have printers of their own here, custom kinds the columns of their manifest,
//! everything else a name and an age. Makes cells, not requests or bytes.

mod age;
mod core;
mod workloads;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::jsonpath::JsonPath;
use crate::resource::{Column, Resource};

pub use age::{age, duration};

/// Longest cell, in characters; longer text is cut.
pub const CELL_CHARS_MAX: usize = 512;

/// A column's heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// As shown.
    pub name: String,
    /// OpenAPI type of the cells.
    pub ty: String,
    /// OpenAPI format; `name` marks the object's name.
    pub format: String,
    /// What it shows.
    pub description: String,
    /// 0 is always shown, anything above only with `-o wide`.
    pub priority: i32,
}

/// One column of a built-in kind: heading, type, priority, and how a cell is made.
struct Printer(
    &'static str,
    &'static str,
    i32,
    fn(&Value, Timestamp) -> Value,
);

/// The columns of a resource.
pub fn headings(resource: &Resource) -> Vec<Heading> {
    let last = name_is_last(resource);
    let name = Heading {
        name: "Name".into(),
        ty: "string".into(),
        format: "name".into(),
        description: "Name of the object, unique in its namespace.".into(),
        priority: i32::from(last),
    };
    let mut out = Vec::new();
    match columns(resource) {
        Columns::BuiltIn(printers) => out.extend(printers.iter().map(|p| Heading {
            name: p.0.into(),
            ty: p.1.into(),
            format: String::new(),
            description: format!("{} of the object.", p.0),
            priority: p.2,
        })),
        Columns::Custom(columns) => out.extend(columns.iter().map(|c| Heading {
            name: c.name.clone(),
            ty: c.ty.clone(),
            format: c.format.clone(),
            description: c.description.clone(),
            priority: c.priority,
        })),
    }
    out.insert(if last { out.len() } else { 0 }, name);
    out
}

/// Whether the name comes last and only in wide output: nobody reads the names of events.
fn name_is_last(resource: &Resource) -> bool {
    resource.kind == "Event" && matches!(resource.group.as_str(), "" | "events.k8s.io")
}

/// The cells of an object, in the order of the headings.
pub fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Vec<Value> {
    let name = json!(text(object, "/metadata/name"));
    let mut out = Vec::new();
    match columns(resource) {
        Columns::BuiltIn(printers) => out.extend(printers.iter().map(|p| (p.3)(object, now))),
        Columns::Custom(columns) => out.extend(columns.iter().map(|c| custom(c, object, now))),
    }
    out.insert(if name_is_last(resource) { out.len() } else { 0 }, name);
    for cell in &mut out {
        if let Value::String(s) = cell
            && s.chars().count() > CELL_CHARS_MAX
        {
            *s = s.chars().take(CELL_CHARS_MAX).collect();
        }
    }
    out
}

/// The columns as the `columnDefinitions` of a `meta.k8s.io/v1` Table.
pub fn column_definitions(resource: &Resource) -> Value {
    let columns = headings(resource).into_iter().map(|h| {
        json!({
            "name": h.name,
            "type": h.ty,
            "format": h.format,
            "description": h.description,
            "priority": h.priority,
        })
    });
    Value::Array(columns.collect())
}

enum Columns<'a> {
    BuiltIn(&'static [Printer]),
    Custom(&'a [Column]),
}

fn columns(resource: &Resource) -> Columns<'_> {
    if !resource.columns.is_empty() {
        return Columns::Custom(&resource.columns);
    }
    let printers = match (resource.group.as_str(), resource.kind.as_str()) {
        ("apps", "Deployment") => workloads::DEPLOYMENT,
        ("apps", "ReplicaSet") => workloads::REPLICA_SET,
        ("apps", "StatefulSet") => workloads::STATEFUL_SET,
        ("apps", "DaemonSet") => workloads::DAEMON_SET,
        ("batch", "Job") => workloads::JOB,
        ("batch", "CronJob") => workloads::CRON_JOB,
        ("", "Pod") => workloads::POD,
        ("", "Namespace") => core::NAMESPACE,
        ("", "Node") => core::NODE,
        ("", "Service") => core::SERVICE,
        ("", "ConfigMap") => core::CONFIG_MAP,
        ("", "Secret") => core::SECRET,
        ("", "ServiceAccount") => core::SERVICE_ACCOUNT,
        ("", "PersistentVolumeClaim") => core::CLAIM,
        ("" | "events.k8s.io", "Event") => core::EVENT,
        ("coordination.k8s.io", "Lease") => core::LEASE,
        ("networking.k8s.io", "Ingress") => core::INGRESS,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => core::CRD,
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => core::ROLE,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => core::BINDING,
        _ => core::PLAIN,
    };
    Columns::BuiltIn(printers)
}

fn custom(column: &Column, object: &Value, now: Timestamp) -> Value {
    let Ok(path) = JsonPath::parse(&column.json_path) else {
        return Value::Null;
    };
    let found = path.find(object);
    let Some(first) = found.first() else {
        return Value::Null;
    };
    match column.ty.as_str() {
        "date" => match first.as_str() {
            Some(when) => json!(age(when, now)),
            None => Value::Null,
        },
        "string" if first.is_string() && found.len() == 1 => (*first).clone(),
        "string" => {
            let all: Vec<String> = found
                .iter()
                .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                .collect();
            json!(all.join(","))
        }
        _ => (*first).clone(),
    }
}

/// The text at a JSON pointer; empty where there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The number at a JSON pointer; 0 where there is none.
fn number(object: &Value, pointer: &str) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// The list at a JSON pointer; empty where there is none.
fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// How many entries the map or list at a JSON pointer has.
fn count(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Object(map)) => map.len(),
        Some(Value::Array(list)) => list.len(),
        _ => 0,
    }
}

/// `<none>` for nothing, as kubectl shows it.
fn or_none(text: String) -> Value {
    if text.is_empty() {
        json!("<none>")
    } else {
        Value::String(text)
    }
}

/// The object's age.
fn created(object: &Value, now: Timestamp) -> Value {
    json!(age(text(object, "/metadata/creationTimestamp"), now))
}

/// The labels at a JSON pointer, as `a=b,c=d`.
fn labels(object: &Value, pointer: &str) -> String {
    let map = object.pointer(pointer).and_then(Value::as_object);
    let pairs = map
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
