//! What is kept in memory of an object on the member.
//!
//! A watch may carry thousands of objects: of each only this remains, made while it is decoded.

use bytes::Bytes;
use roadstead_protocol::wire::Stamp;
use roadstead_protocol::wire::item::Digest;
use roadstead_protocol::wire::limits::STATUS_BYTES_MAX;
use roadstead_protocol::wire::report::Health;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::content::{CREATED_ANNOTATION, FIELD_MANAGER, Owner, parse_stamp};
use super::health;
use roadstead_protocol::api::names::{OWNER_LABEL, STAMP_ANNOTATION};

/// How much of a kind's objects is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Metadata only.
    Metadata,
    /// The whole object, for its health and status.
    Full,
}

/// Most finalizers that are named.
const FINALIZERS_SHOWN: usize = 8;

/// Kinds without a status worth seeing: `group/kind`.
const METADATA_ONLY: &[&str] = &[
    "/ConfigMap",
    "/Endpoints",
    "/LimitRange",
    "/Namespace",
    "/Secret",
    "/ServiceAccount",
    "admissionregistration.k8s.io/MutatingAdmissionPolicy",
    "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/MutatingWebhookConfiguration",
    "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
    "coordination.k8s.io/Lease",
    "discovery.k8s.io/EndpointSlice",
    "networking.k8s.io/IngressClass",
    "networking.k8s.io/NetworkPolicy",
    "node.k8s.io/RuntimeClass",
    "rbac.authorization.k8s.io/ClusterRole",
    "rbac.authorization.k8s.io/ClusterRoleBinding",
    "rbac.authorization.k8s.io/Role",
    "rbac.authorization.k8s.io/RoleBinding",
    "scheduling.k8s.io/PriorityClass",
    "storage.k8s.io/CSIDriver",
    "storage.k8s.io/StorageClass",
];

impl Depth {
    /// How much of `kind` is watched.
    pub fn of(group: &str, kind: &str) -> Self {
        let name = format!("{group}/{kind}");
        if METADATA_ONLY.contains(&name.as_str()) {
            Self::Metadata
        } else {
            Self::Full
        }
    }
}

/// A short hash of that part of an object whose change may be drift: its labels and annotations, and
/// its generation where it has one, else its body, else its resource version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(pub [u8; 16]);

/// An object on the member, reduced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its uid.
    pub uid: String,
    /// Its resource version.
    pub version: String,
    /// Its generation; 0 where it has none.
    pub generation: i64,
    /// Whether it carries this agent's owner label.
    pub owned: bool,
    /// Whether it carries the label of an owner that this member had at the same hub before: it is ours
    /// from then.
    pub former: bool,
    /// Whether it carries the label of another owner.
    pub others: bool,
    /// The stamp it carries, if it can be read.
    pub stamp: Option<Stamp>,
    /// Whether it is a namespace that this agent made because something needed it.
    pub made_here: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What its deletion waits for: the first few finalizers. Empty while it is not being deleted.
    pub finalizers: Vec<String>,
    /// Whether another object controls it.
    pub controlled: bool,
    /// See [`Mark`].
    pub mark: Mark,
    /// A hash of the fields that the agent owns; they shrink when somebody changes one of them.
    pub fields: Mark,
    /// How it is.
    pub health: Health,
    /// Why, for people; empty where there is nothing to say.
    pub why: String,
    /// Its raw `.status`; empty where there is none or it exceeds its bound.
    pub status: Bytes,
}

impl Live {
    /// Whether it is ours by its label, from this attachment or from one before.
    pub fn is_ours(&self) -> bool {
        self.owned || self.former
    }
}

/// Reduces `object`, which is whole or metadata only as `depth` says.
pub fn reduce(object: &Value, kind: (&str, &str), depth: Depth, owner: &Owner) -> Live {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let entry = |map: &str, key: &str| {
        object
            .pointer("/metadata")?
            .get(map)?
            .get(key)?
            .as_str()
            .map(str::to_owned)
    };
    let owner_label = entry("labels", OWNER_LABEL).unwrap_or_default();
    let made_by = entry("annotations", CREATED_ANNOTATION).unwrap_or_default();
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let controlled = owners.is_some_and(|o| {
        o.iter()
            .any(|o| o.get("controller") == Some(&Value::Bool(true)))
    });
    let deleting = !text("/metadata/deletionTimestamp").is_empty();
    let (health, why) = match depth {
        Depth::Metadata => (Health::Healthy, String::new()),
        Depth::Full => health::of(kind.0, kind.1, object),
    };
    Live {
        uid: text("/metadata/uid").to_owned(),
        version: text("/metadata/resourceVersion").to_owned(),
        generation,
        owned: owner_label == owner.label(),
        former: owner.was(&owner_label),
        others: !(owner_label.is_empty()
            || owner_label == owner.label()
            || owner.was(&owner_label)),
        stamp: entry("annotations", STAMP_ANNOTATION)
            .as_deref()
            .and_then(parse_stamp),
        made_here: made_by == owner.label() || owner.was(&made_by),
        deleting,
        finalizers: if deleting {
            finalizers(object)
        } else {
            Vec::new()
        },
        controlled,
        mark: mark(object, generation, depth),
        fields: owned_fields(object),
        health: if deleting {
            Health::Progressing
        } else {
            health
        },
        why,
        status: match depth {
            Depth::Metadata => Bytes::new(),
            Depth::Full => raw_status(object),
        },
    }
}

/// What keeps an object that is being deleted: of its metadata, and of a namespace's spec.
fn finalizers(object: &Value) -> Vec<String> {
    let lists = ["/metadata/finalizers", "/spec/finalizers"].map(|at| object.pointer(at));
    let all = lists
        .into_iter()
        .flatten()
        .filter_map(Value::as_array)
        .flatten();
    let names = all.filter_map(Value::as_str).take(FINALIZERS_SHOWN);
    names.map(str::to_owned).collect()
}

fn raw_status(object: &Value) -> Bytes {
    let Some(status) = object
        .get("status")
        .filter(|s| s.as_object().is_some_and(|m| !m.is_empty()))
    else {
        return Bytes::new();
    };
    match serde_json::to_vec(status) {
        // Boxed, so that what was allocated beyond the status does not stay with it.
        Ok(bytes) if bytes.len() <= STATUS_BYTES_MAX => Bytes::from(bytes.into_boxed_slice()),
        Ok(_) | Err(_) => Bytes::new(),
    }
}

fn mark(object: &Value, generation: i64, depth: Depth) -> Mark {
    let mut parts = Map::new();
    for field in ["labels", "annotations"] {
        let value = object
            .pointer("/metadata")
            .and_then(|m| m.get(field))
            .cloned()
            .unwrap_or_default();
        parts.insert(field.to_owned(), value);
    }
    let spec = match depth {
        _ if generation > 0 => Value::from(generation),
        Depth::Full => {
            let fields = object.as_object().into_iter().flatten();
            let body = fields.filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status"));
            Value::Object(
                body.map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            )
        }
        Depth::Metadata => object
            .pointer("/metadata/resourceVersion")
            .cloned()
            .unwrap_or_default(),
    };
    parts.insert("spec".to_owned(), spec);
    short_hash(&Value::Object(parts))
}

fn owned_fields(object: &Value) -> Mark {
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let ours = entries.into_iter().flatten().find(|entry| {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        text("manager") == FIELD_MANAGER
            && text("operation") == "Apply"
            && text("subresource").is_empty()
    });
    ours.and_then(|entry| entry.get("fieldsV1"))
        .map(short_hash)
        .unwrap_or_default()
}

fn short_hash(value: &Value) -> Mark {
    let Digest(bytes) = Digest::of(value.to_string().as_bytes());
    let mut short = [0; 16];
    short
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = from);
    Mark(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(object: &Value, depth: Depth) -> Live {
        reduce(
            object,
            ("apps", "Deployment"),
            depth,
            &Owner::new("hub", "cluster"),
        )
    }

    #[test]
    fn a_status_does_not_move_the_mark_and_a_label_does() {
        let base = json!({"metadata": {"generation": 2, "resourceVersion": "5"}, "status": {"replicas": 1}});
        let status = json!({"metadata": {"generation": 2, "resourceVersion": "6"}, "status": {"replicas": 2}});
        let label =
            json!({"metadata": {"generation": 2, "resourceVersion": "6", "labels": {"a": "b"}}});
        assert_eq!(
            live(&base, Depth::Full).mark,
            live(&status, Depth::Full).mark
        );
        assert_ne!(
            live(&base, Depth::Full).mark,
            live(&label, Depth::Full).mark
        );
    }

    #[test]
    fn without_a_generation_the_body_or_the_version_counts() {
        let a = json!({"metadata": {"resourceVersion": "5"}, "spec": {"x": 1}});
        let b = json!({"metadata": {"resourceVersion": "6"}, "spec": {"x": 1}});
        assert_eq!(live(&a, Depth::Full).mark, live(&b, Depth::Full).mark);
        assert_ne!(
            live(&a, Depth::Metadata).mark,
            live(&b, Depth::Metadata).mark
        );
    }

    #[test]
    fn a_status_beyond_its_bound_is_left_out() {
        let object = json!({"metadata": {}, "status": {"long": "x".repeat(STATUS_BYTES_MAX)}});
        assert!(live(&object, Depth::Full).status.is_empty());
    }
}
