//! What is special about single kinds.
//!
//! Few kinds are, here: nothing that Kubernetes' controllers or kubelets do happens in this crate.
//! Templates get no defaults, because what members are given is what people wrote.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roadstead_machinery::resource::{Origin, Resource};
use roadstead_machinery::status::{FieldError, FieldErrorKind, Status};
use serde_json::{Value, json};

use crate::meta;

/// The label that every namespace has, with its name.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";
/// The finalizer in the `spec` of every namespace.
const NAMESPACE_FINALIZER: &str = "kubernetes";

/// The kinds that are special.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Namespace,
    Secret,
    ConfigMap,
    Other,
}

fn kind(resource: &Resource) -> Kind {
    if !resource.group.is_empty() || resource.origin != Origin::BuiltIn {
        return Kind::Other;
    }
    match resource.kind.as_str() {
        "Namespace" => Kind::Namespace,
        "Secret" => Kind::Secret,
        "ConfigMap" => Kind::ConfigMap,
        _ => Kind::Other,
    }
}

/// Whether `resource` is the kind of namespaces.
pub(crate) fn is_namespace(resource: &Resource) -> bool {
    kind(resource) == Kind::Namespace
}

/// Completes what a client sent of a new object: it comes to own this too.
pub(crate) fn create(resource: &Resource, object: &mut Value) {
    match kind(resource) {
        Kind::Namespace => namespace_label(object),
        Kind::Secret => secret(object),
        Kind::ConfigMap | Kind::Other => {}
    }
}

/// Puts what the server keeps into a new object.
pub(crate) fn begin(resource: &Resource, object: &mut Value) {
    if !is_namespace(resource) {
        return;
    }
    let root = meta::root(object);
    let finalizers = meta::map(root, "spec")
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut()
        && !list.iter().any(|f| f == NAMESPACE_FINALIZER)
    {
        list.push(NAMESPACE_FINALIZER.into());
    }
    root.insert("status".to_owned(), json!({"phase": "Active"}));
}

/// Puts the status into a new object that a cluster begins with.
pub(crate) fn observe(resource: &Resource, object: &mut Value) {
    if !resource.status || resource.origin != Origin::BuiltIn {
        return;
    }
    let status = meta::map(meta::root(object), "status");
    if resource.kind == "Pod" {
        status.insert("phase".to_owned(), "Pending".into());
        status.insert("qosClass".to_owned(), "BestEffort".into());
    }
}

/// Completes a changed object.
pub(crate) fn update(
    resource: &Resource,
    live: &Value,
    object: &mut Value,
    subresource: Option<&str>,
) {
    match kind(resource) {
        Kind::Namespace => {
            namespace_label(object);
            if subresource != Some("finalize") {
                let kept = live.pointer("/spec/finalizers").cloned();
                let spec = meta::map(meta::root(object), "spec");
                spec.insert("finalizers".to_owned(), kept.unwrap_or_else(|| json!([])));
            }
            let spec = meta::map(meta::root(object), "spec");
            let none = |list: &Value| list.as_array().is_some_and(Vec::is_empty);
            if spec.get("finalizers").is_some_and(none) {
                spec.remove("finalizers");
            }
        }
        Kind::Secret => secret(object),
        Kind::ConfigMap | Kind::Other => {}
    }
}

/// Completes an object whose deletion has begun.
pub(crate) fn deleting(resource: &Resource, object: &mut Value) {
    if is_namespace(resource) {
        let status = meta::map(meta::root(object), "status");
        status.insert("phase".to_owned(), "Terminating".into());
    }
}

/// The namespaces that an API cannot do without.
const NAMESPACES_KEPT: &[&str] = &["default", "kube-system", "kube-public"];

/// Refuses to delete what an API cannot do without.
///
/// # Errors
/// 403 with Kubernetes' wording.
pub(crate) fn may_delete(resource: &Resource, name: &str) -> Result<(), Status> {
    if is_namespace(resource) && NAMESPACES_KEPT.contains(&name) {
        let why = "this namespace may not be deleted";
        return Err(Status::forbidden("", &resource.plural, name, why));
    }
    Ok(())
}

/// Whether nothing keeps an object whose deletion has begun.
pub(crate) fn may_go(resource: &Resource, object: &Value) -> bool {
    let held = is_namespace(resource)
        && object
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|f| !f.is_empty());
    meta::finalizers(object).is_empty() && !held
}

/// Whether objects that are being deleted say how long they have.
pub(crate) fn has_grace(resource: &Resource) -> bool {
    !is_namespace(resource)
}

/// Whether a PUT may leave out the `resourceVersion`.
pub(crate) fn unconditional_update(resource: &Resource) -> bool {
    resource.origin == Origin::BuiltIn && resource.kind != "Lease"
}

/// What is wrong with a change beyond what schemas say.
pub(crate) fn faults(resource: &Resource, old: Option<&Value>, new: &Value) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let Some(old) = old else { return faults };
    let kind = kind(resource);
    if kind == Kind::Secret && old.get("type") != new.get("type") {
        let given = new.get("type").cloned().unwrap_or_default();
        faults.push(FieldError::invalid("type", &given, "field is immutable"));
    }
    let sealed = old
        .get("immutable")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    if sealed && matches!(kind, Kind::Secret | Kind::ConfigMap) {
        for field in ["immutable", "data", "binaryData"] {
            if old.get(field) != new.get(field) {
                let why = "field is immutable when `immutable` is set";
                faults.push(FieldError::new(field, FieldErrorKind::Forbidden, why));
            }
        }
    }
    faults
}

fn namespace_label(object: &mut Value) {
    let name = meta::name(object).to_owned();
    if !name.is_empty() {
        meta::map(meta::of(object), "labels").insert(NAMESPACE_LABEL.to_owned(), name.into());
    }
}

/// Moves `stringData` into `data`, and fills in the type.
fn secret(object: &mut Value) {
    let root = meta::root(object);
    if let Some(Value::Object(plain)) = root.remove("stringData") {
        let data = meta::map(root, "data");
        for (key, value) in plain {
            let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
            data.insert(key, encoded.into());
        }
    }
    let untyped = root
        .get("type")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty);
    if untyped {
        root.insert("type".to_owned(), "Opaque".into());
    }
}
