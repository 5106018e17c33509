//! Deletion protection by label: what bears it is not deleted, alone, among others or with its
//! namespace, until somebody takes the label off.

use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_protocol::api::names::DELETION_PROTECTED_LABEL;
use roadstead_rest::{Collection, Write};
use roadstead_store::Snapshot;
use roadstead_store::records::{OBJECTS_PREFIX, parse_object_key};
use serde_json::Value;

/// Refuses the deletion if the object is protected, or something inside the namespace that it is.
pub(super) fn check(write: &Write<'_>, old: &Value) -> Result<(), Status> {
    // What was let begin to end may end: with finalizers that is a write of its own.
    let begun = old.pointer("/metadata/deletionTimestamp").is_some();
    if write.judged || begun {
        return Ok(());
    }
    let (resource, name) = (write.resource, write.name);
    if is_protected(old) {
        return Err(refusal(resource, write.namespace, name));
    }
    let namespace = resource.kind == "Namespace" && resource.group.is_empty();
    match namespace.then(|| inside(write.snapshot, name)).flatten() {
        None => Ok(()),
        Some(inside) => {
            let why = format!(
                "{inside} in it is protected from deletion by its label {DELETION_PROTECTED_LABEL}"
            );
            Err(Status::forbidden(
                &resource.group,
                &resource.plural,
                name,
                &why,
            ))
        }
    }
}

/// Refuses the deletion of a collection if anything in it is protected.
pub(super) fn check_all(collection: &Collection<'_>) -> Result<(), Status> {
    let Some(object) = collection.objects.iter().find(|o| is_protected(o)) else {
        return Ok(());
    };
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or_default();
    Err(refusal(
        collection.resource,
        text("/metadata/namespace"),
        name,
    ))
}

fn is_protected(object: &Value) -> bool {
    let labels = object.pointer("/metadata/labels");
    let label = labels.and_then(|labels| labels.get(DELETION_PROTECTED_LABEL));
    label.is_some_and(|value| value == "true")
}

fn refusal(resource: &Resource, namespace: Option<&str>, name: &str) -> Status {
    let kind = match resource.group.as_str() {
        "" => resource.plural.clone(),
        group => format!("{}.{group}", resource.plural),
    };
    let at = namespace.map(|n| format!(" -n {n}")).unwrap_or_default();
    let why = format!(
        "it is protected from deletion by its label {DELETION_PROTECTED_LABEL}; to allow it: \
         kubectl label {kind} {name}{at} {DELETION_PROTECTED_LABEL}-"
    );
    Status::forbidden(&resource.group, &resource.plural, name, &why)
}

/// Something protected in a namespace, as `<plural>/<name>`.
fn inside(snapshot: &Snapshot, namespace: &str) -> Option<String> {
    snapshot.range(OBJECTS_PREFIX).find_map(|entry| {
        let key = parse_object_key(entry.key.as_str()).filter(|key| key.namespace == namespace)?;
        let object: Value = serde_json::from_slice(&entry.value).ok()?;
        is_protected(&object).then(|| format!("{}/{}", key.plural, key.name))
    })
}
