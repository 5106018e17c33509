//! What a cluster is given: what people wrote, less what belongs to the hub's copy of it.
//!
//! Nothing is added here: no defaults, no owner, no stamp.

use bytes::Bytes;
use roadstead_protocol::api::names::OWN_PREFIX;
use roadstead_protocol::wire::limits::CONTENT_BYTES_MAX;
use roadstead_protocol::wire::{Digest, ItemKey};
use serde_json::{Map, Value};

/// A content as it is published: canonical JSON (keys sorted, no white space) and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The JSON.
    pub bytes: Bytes,
    /// Its digest.
    pub digest: Digest,
}

/// Why an object cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has become another object.
    #[error("an override changes what the object is: it would be {0}")]
    Identity(Box<ItemKey>),
    /// It is not an object with a kind and a name.
    #[error("it is not an object with apiVersion, kind and metadata.name")]
    Malformed,
    /// It is too large for the wire.
    #[error("it has {0} bytes, more than the {CONTENT_BYTES_MAX} that an item may have")]
    TooLarge(usize),
}

/// `metadata` fields that the hub's API gave its own copy.
const METADATA: &[&str] = &[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "generateName",
];

/// Annotations that tools and controllers leave on one cluster's copy.
const ANNOTATIONS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
];

/// What people wrote of `object`.
pub fn strip(object: &Value) -> Value {
    let mut object = object.clone();
    strip_hubs(&mut object);
    object
}

/// Takes away what belongs to the hub's copy of `object`, or to one cluster's.
pub(crate) fn strip_hubs(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    fields.remove("status");
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        for field in METADATA {
            metadata.remove(*field);
        }
        strip_keys(metadata, "annotations", |key| {
            key.starts_with(OWN_PREFIX) || ANNOTATIONS.contains(&key)
        });
        strip_keys(metadata, "labels", |key| key.starts_with(OWN_PREFIX));
    }
    strip_allocated(fields);
}

fn strip_keys(metadata: &mut Map<String, Value>, field: &str, drop: impl Fn(&str) -> bool) {
    let Some(Value::Object(map)) = metadata.get_mut(field) else {
        return;
    };
    map.retain(|key, _| !drop(key));
    if map.is_empty() {
        metadata.remove(field);
    }
}

/// Takes away what a cluster allocates for its own copy, so that an object that was read from one
/// cluster can be given to another.
fn strip_allocated(fields: &mut Map<String, Value>) {
    let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
    let core = text(fields.get("apiVersion")) == "v1";
    let kind = text(fields.get("kind"));
    let Some(Value::Object(spec)) = fields.get_mut("spec") else {
        if core && kind == "ServiceAccount" {
            fields.remove("secrets");
        }
        return;
    };
    match kind.as_str() {
        "Service" if core => {
            if text(spec.get("clusterIP")) != "None" {
                spec.remove("clusterIP");
                spec.remove("clusterIPs");
            }
            spec.remove("healthCheckNodePort");
        }
        "PersistentVolume" if core => {
            spec.remove("claimRef");
        }
        "Job" if spec.get("manualSelector") != Some(&Value::Bool(true)) => {
            strip_job(spec);
        }
        _ => {}
    }
}

/// Labels by which a member's job controller finds the pods of its own copy.
const JOB_LABELS: &[&str] = &[
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
];

fn strip_job(spec: &mut Map<String, Value>) {
    let ours = spec.get("selector").and_then(|s| s.get("matchLabels"));
    let allocated = ours
        .and_then(Value::as_object)
        .is_some_and(|labels| labels.keys().any(|key| JOB_LABELS.contains(&key.as_str())));
    if allocated {
        spec.remove("selector");
    }
    let labels = spec.get_mut("template").and_then(|t| t.get_mut("metadata"));
    if let Some(Value::Object(metadata)) = labels {
        strip_keys(metadata, "labels", |key| JOB_LABELS.contains(&key));
    }
}

/// Makes `object` publishable under `key`.
///
/// # Errors
/// When it is another object by now, or too large.
pub fn seal(object: &Value, key: &ItemKey) -> Result<Content, Error> {
    let is = identity(object).ok_or(Error::Malformed)?;
    if is != *key {
        return Err(Error::Identity(Box::new(is)));
    }
    let bytes = serde_json::to_vec(object).map_err(|_| Error::Malformed)?;
    if bytes.len() > CONTENT_BYTES_MAX {
        return Err(Error::TooLarge(bytes.len()));
    }
    let digest = Digest::of(&bytes);
    Ok(Content {
        bytes: bytes.into(),
        digest,
    })
}

/// What names an object.
pub fn identity(object: &Value) -> Option<ItemKey> {
    let version = object.get("apiVersion")?.as_str()?;
    let metadata = object.get("metadata")?;
    Some(ItemKey {
        group: version
            .split_once('/')
            .map_or("", |(group, _)| group)
            .to_owned(),
        kind: object.get("kind")?.as_str()?.to_owned(),
        namespace: metadata
            .get("namespace")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        name: metadata.get("name")?.as_str()?.to_owned(),
    })
}
