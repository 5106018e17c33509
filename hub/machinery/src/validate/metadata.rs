//! Metadata of any object: names, labels, annotations, owners, finalizers.

use serde_json::Value;

use super::names;
use crate::resource::Resource;
use crate::status::{FieldError, FieldErrorKind};
use crate::tables::extras;

/// Total size of an object's annotations, keys and values, in bytes.
pub const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// Faults of an object's metadata. The name must be there already if it was to be generated, or
/// `generateName` must be.
pub fn metadata(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let Some(meta) = object.get("metadata") else {
        let why = "name or generateName is required";
        return vec![FieldError::required("metadata.name", why)];
    };
    let mut errors = Vec::new();
    name(resource, meta, &mut errors);
    namespace(resource, meta, &mut errors);
    labels(meta, &mut errors);
    annotations(meta, &mut errors);
    owners(meta, &mut errors);
    finalizers(meta, &mut errors);
    errors
}

/// Faults of a change of metadata from `old` to `new`: what may not change, and finalizers that
/// come too late.
pub fn metadata_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (none, get) = (Value::Null, |object: &Value, key: &str| {
        object.get("metadata").and_then(|m| m.get(key)).cloned()
    });
    for key in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        let (was, is) = (get(old, key), get(new, key));
        if was != is {
            let shown = is.as_ref().unwrap_or(&none);
            let field = format!("metadata.{key}");
            errors.push(FieldError::invalid(field, shown, "field is immutable"));
        }
    }
    if get(old, "deletionTimestamp").is_some() {
        let (was, is) = (get(old, "finalizers"), get(new, "finalizers"));
        let known = texts(was.as_ref());
        let mut added = texts(is.as_ref());
        added.retain(|f| !known.contains(f));
        added.sort_unstable();
        if !added.is_empty() {
            let listed: Vec<String> = added.iter().map(|f| format!("{f:?}")).collect();
            let listed = listed.join(", ");
            errors.push(FieldError::new(
                "metadata.finalizers",
                FieldErrorKind::Forbidden,
                format!(
                    "no new finalizers can be added if the object is being deleted, \
                     found new finalizers []string{{{listed}}}"
                ),
            ));
        }
    }
    errors
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|v| Some(v.as_str()?.to_owned())).collect()
}

fn text<'a>(meta: &'a Value, key: &str) -> &'a str {
    meta.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn name(resource: &Resource, meta: &Value, errors: &mut Vec<FieldError>) {
    let (name, prefix) = (text(meta, "name"), text(meta, "generateName"));
    let qualified = resource.qualified();
    let rule = if extras::NAMED_BY_SEGMENT.contains(&qualified.as_str()) {
        names::segment
    } else if extras::NAMED_BY_LABEL.contains(&qualified.as_str()) {
        names::label
    } else {
        names::subdomain
    };
    if !prefix.is_empty() {
        // What is generated ends in letters and digits, so a dash at the end is none.
        let masked = prefix.strip_suffix('-').map(|p| format!("{p}a"));
        let faults = rule(masked.as_deref().unwrap_or(prefix));
        let shown = Value::from(prefix);
        let invalid = |why: String| FieldError::invalid("metadata.generateName", &shown, &why);
        errors.extend(faults.into_iter().map(invalid));
    }
    if !name.is_empty() {
        let shown = Value::from(name);
        let invalid = |why: String| FieldError::invalid("metadata.name", &shown, &why);
        errors.extend(rule(name).into_iter().map(invalid));
    } else if prefix.is_empty() {
        let why = "name or generateName is required";
        errors.push(FieldError::required("metadata.name", why));
    }
}

fn namespace(resource: &Resource, meta: &Value, errors: &mut Vec<FieldError>) {
    let namespace = text(meta, "namespace");
    if !resource.namespaced {
        if !namespace.is_empty() {
            errors.push(FieldError::new(
                "metadata.namespace",
                FieldErrorKind::Forbidden,
                "not allowed on this type",
            ));
        }
        return;
    }
    if namespace.is_empty() {
        errors.push(FieldError::required("metadata.namespace", ""));
        return;
    }
    let shown = Value::from(namespace);
    let invalid = |why: String| FieldError::invalid("metadata.namespace", &shown, &why);
    errors.extend(names::label(namespace).into_iter().map(invalid));
}

fn labels(meta: &Value, errors: &mut Vec<FieldError>) {
    let Some(labels) = meta.get("labels").and_then(Value::as_object) else {
        return;
    };
    for (key, value) in labels {
        let mut fault = |shown: &str, why: &str| {
            let shown = Value::from(shown);
            errors.push(FieldError::invalid("metadata.labels", &shown, why));
        };
        for why in names::qualified(key) {
            fault(key, &why);
        }
        let value = value.as_str().unwrap_or_default();
        for why in names::label_value(value) {
            fault(value, &why);
        }
    }
}

fn annotations(meta: &Value, errors: &mut Vec<FieldError>) {
    let Some(annotations) = meta.get("annotations").and_then(Value::as_object) else {
        return;
    };
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.as_str().unwrap_or_default().len();
        for why in names::qualified(&key.to_lowercase()) {
            let shown = Value::from(key.as_str());
            errors.push(FieldError::invalid("metadata.annotations", &shown, &why));
        }
    }
    if size > ANNOTATIONS_BYTES_MAX {
        let detail = format!("may not be more than {ANNOTATIONS_BYTES_MAX} bytes");
        let error = FieldError::new("metadata.annotations", FieldErrorKind::TooLong, detail);
        errors.push(error);
    }
}

fn owners(meta: &Value, errors: &mut Vec<FieldError>) {
    let Some(owners) = meta.get("ownerReferences").and_then(Value::as_array) else {
        return;
    };
    let mut controller: Option<String> = None;
    for owner in owners {
        for (key, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if text(owner, key).is_empty() {
                let field = format!("metadata.ownerReferences.{key}");
                errors.push(FieldError::invalid(field, &Value::from(""), why));
            }
        }
        if owner.get("controller") != Some(&Value::Bool(true)) {
            continue;
        }
        let this = format!("{}/{}", text(owner, "kind"), text(owner, "name"));
        match &controller {
            None => controller = Some(this),
            Some(first) => {
                let why = format!(
                    "Only one reference can have Controller set to true. \
                     Found \"true\" in references for {first} and {this}"
                );
                let detail = format!("{}: {why}", shown_owners(owners));
                let field = "metadata.ownerReferences";
                errors.push(FieldError::new(field, FieldErrorKind::Invalid, detail));
            }
        }
    }
}

/// Owners as JSON with the fields in the order of Go's struct.
fn shown_owners(owners: &[Value]) -> String {
    let keys = [
        "apiVersion",
        "kind",
        "name",
        "uid",
        "controller",
        "blockOwnerDeletion",
    ];
    let shown = owners.iter().map(|owner| {
        let field = |key: &&str| Some(format!("\"{key}\":{}", owner.get(*key)?));
        let fields: Vec<String> = keys.iter().filter_map(field).collect();
        format!("{{{}}}", fields.join(","))
    });
    let shown: Vec<String> = shown.collect();
    format!("[{}]", shown.join(","))
}

fn finalizers(meta: &Value, errors: &mut Vec<FieldError>) {
    let finalizers = texts(meta.get("finalizers"));
    for finalizer in &finalizers {
        let shown = Value::from(finalizer.as_str());
        let invalid = |why: String| FieldError::invalid("metadata.finalizers", &shown, &why);
        errors.extend(names::qualified(finalizer).into_iter().map(invalid));
    }
    let has = |name: &str| finalizers.iter().any(|f| f == name);
    if has("orphan") && has("foregroundDeletion") {
        let shown = Value::from(finalizers.clone());
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid("metadata.finalizers", &shown, why));
    }
}
