//! Where objects are in the store, and in what form.
//!
//! An object is stored as JSON in the form of its kind's storage version, without
//! `metadata.resourceVersion`: that is the revision of its entry.

use bytes::Bytes;
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::Revision;
use roadstead_store::records::{self, object_key, objects_namespace_prefix, objects_prefix};
use roadstead_store::{Entry, Key, Snapshot};
use serde_json::Value;

use crate::{events, meta};

/// The key of an object.
pub(crate) fn key(resource: &Resource, namespace: Option<&str>, name: &str) -> Result<Key, Status> {
    let (group, plural) = &resource.storage;
    let namespace = namespace
        .filter(|_| resource.namespaced)
        .unwrap_or_default();
    object_key(group, plural, namespace, name).map_err(|e| Status::bad_request(e.to_string()))
}

/// What the keys of a kind begin with, in one namespace or in all.
pub(crate) fn prefix(resource: &Resource, namespace: Option<&str>) -> String {
    let (group, plural) = &resource.storage;
    match namespace {
        Some(namespace) if resource.namespaced => {
            objects_namespace_prefix(group, plural, namespace)
        }
        Some(_) | None => objects_prefix(group, plural),
    }
}

/// The object of an entry, as `resource` shows it, with its revision.
pub(crate) fn decode(resource: &Resource, entry: &Entry) -> Result<Value, Status> {
    decode_at(resource, entry, entry.revision)
}

/// The object of an entry with another revision: the last state of something that is gone.
pub(crate) fn decode_at(
    resource: &Resource,
    entry: &Entry,
    revision: Revision,
) -> Result<Value, Status> {
    let parsed: Result<Value, _> = serde_json::from_slice(&entry.value);
    let mut object = parsed.map_err(|e| {
        tracing::error!(key = %entry.key, error = %e, "stored object is no JSON");
        Status::internal(format!("stored object {} is no JSON", entry.key))
    })?;
    if events::is_new_form(resource) {
        object = events::to_new_form(object);
    }
    let map = meta::root(&mut object);
    map.insert("apiVersion".to_owned(), resource.api_version().into());
    map.insert("kind".to_owned(), resource.kind.clone().into());
    meta::set_revision(&mut object, revision);
    Ok(object)
}

/// What is stored of an object.
pub(crate) fn encode(resource: &Resource, object: &Value) -> Bytes {
    let mut stored = object.clone();
    if events::is_new_form(resource) {
        stored = events::to_old_form(stored);
    }
    meta::set(&mut stored, "resourceVersion", None);
    // Of what is JSON already this does not fail.
    records::encode(&stored).unwrap_or_default()
}

/// An object and its revision, if it is there.
pub(crate) fn read(
    snapshot: &Snapshot,
    resource: &Resource,
    key: &Key,
) -> Result<Option<(Value, Revision)>, Status> {
    let Some(entry) = snapshot.get(key.as_str()) else {
        return Ok(None);
    };
    Ok(Some((decode(resource, entry)?, entry.revision)))
}
