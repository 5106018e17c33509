//! An item's content as it goes to the member: labelled with its owner, annotated with its stamp.

use roadstead_protocol::api::names::{OWNER_LABEL, STAMP_ANNOTATION};
use roadstead_protocol::wire::item::{Digest, ItemKey, Meta};
use roadstead_protocol::wire::{Epoch, Revision, Stamp};
use serde_json::{Map, Value};

use super::leave;
use crate::store::record::Item;

/// Annotation on a namespace that the agent made because an item needed it: the owner.
pub const CREATED_ANNOTATION: &str = "roadstead.dev/created-by";
/// The name under which the agent owns fields.
pub const FIELD_MANAGER: &str = "roadstead";

/// Who owns what an agent applies: a label value made of a hub's and a cluster's identity; and who the
/// same member was to the same hub before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    label: String,
    former: Vec<String>,
}

impl Owner {
    /// The owner of what `hub` has `cluster` run. Hashed: a label value holds 63 characters.
    pub fn new(hub: &str, cluster: &str) -> Self {
        Self {
            label: label(hub, cluster),
            former: Vec::new(),
        }
    }

    /// The same, of a member that was attached to `hub` as these clusters before.
    #[must_use]
    pub fn after(mut self, hub: &str, clusters: &[String]) -> Self {
        #[cfg(planted)]
        if roadstead_protocol::planted::is("past-forgotten") {
            return self;
        }
        let labels = clusters.iter().map(|cluster| label(hub, cluster));
        self.former = labels.filter(|former| *former != self.label).collect();
        self
    }

    /// The value of the owner label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether this is the value of the label of an owner that this member had before.
    pub fn was(&self, label: &str) -> bool {
        self.former.iter().any(|former| former == label)
    }

    /// The label selector of what is this owner's, and of what was left by those before; as it stands
    /// in a query.
    pub fn selector(&self) -> String {
        let name = OWNER_LABEL.replace('/', "%2F");
        if self.former.is_empty() {
            return format!("{name}%3D{}", self.label);
        }
        let all: Vec<&str> = std::iter::once(&self.label)
            .chain(&self.former)
            .map(String::as_str)
            .collect();
        format!("{name}%20in%20%28{}%29", all.join("%2C"))
    }
}

fn label(hub: &str, cluster: &str) -> String {
    let digest = Digest::of(format!("{hub}\n{cluster}").as_bytes());
    let short = digest.0.iter().take(16);
    short.map(|b| format!("{b:02x}")).collect()
}

/// Why a content cannot be applied, whatever the member says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is not JSON.
    #[error("the content is not JSON: {0}")]
    Json(String),
    /// It is not an object with an API version and a kind.
    #[error("the content is not a Kubernetes object: {0} is missing")]
    Missing(&'static str),
    /// It is another object than its key says.
    #[error("the content is of {found}, its key says {key}")]
    OtherKey {
        /// What the content says.
        found: String,
        /// What the key says.
        key: String,
    },
}

/// A content, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Its API version's version part.
    pub version: String,
    /// The object.
    pub object: Value,
}

/// Reads the content of `key`.
///
/// # Errors
/// Where it is not an object of that key.
pub fn read(key: &ItemKey, bytes: &[u8]) -> Result<Content, ContentError> {
    let object: Value =
        serde_json::from_slice(bytes).map_err(|e| ContentError::Json(e.to_string()))?;
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let api_version = text("/apiVersion");
    if api_version.is_empty() {
        return Err(ContentError::Missing("apiVersion"));
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let found = ItemKey {
        group: group.to_owned(),
        kind: text("/kind").to_owned(),
        namespace: text("/metadata/namespace").to_owned(),
        name: text("/metadata/name").to_owned(),
    };
    // The key's namespace is the truth; the content may leave it out.
    let namespace_differs = !found.namespace.is_empty() && found.namespace != key.namespace;
    if found.group != key.group
        || found.kind != key.kind
        || found.name != key.name
        || namespace_differs
    {
        return Err(ContentError::OtherKey {
            found: found.to_string(),
            key: key.to_string(),
        });
    }
    let version = version.to_owned();
    Ok(Content { version, object })
}

/// The configuration to apply over `live`, where anything is there: the content with owner and stamp,
/// and the fields that are left to others as they are there.
pub fn config(
    key: &ItemKey,
    content: &Value,
    (owner, stamp): (&Owner, Stamp),
    meta: &[Meta],
    live: Option<&Value>,
) -> Value {
    let mut config = content.clone();
    leave::settle(&mut config, live, meta);
    let metadata = object_field(&mut config, "metadata");
    metadata.insert("name".to_owned(), Value::from(key.name.as_str()));
    if !key.namespace.is_empty() {
        metadata.insert("namespace".to_owned(), Value::from(key.namespace.as_str()));
    }
    let labels = map_entry(metadata, "labels");
    labels.insert(OWNER_LABEL.to_owned(), Value::from(owner.label()));
    let annotations = map_entry(metadata, "annotations");
    annotations.insert(STAMP_ANNOTATION.to_owned(), Value::from(stamp.to_string()));
    config
}

/// What of `content` is given over `live`: without owner and stamp, and the fields that are left to others
/// as they are there.
pub fn given(content: &Value, meta: &[Meta], live: &Value) -> Value {
    let mut given = content.clone();
    leave::settle(&mut given, Some(live), meta);
    given
}

/// The digest of what is applied of `item`: of its content, and of what of it is left to others.
pub fn effective(item: &Item) -> Option<Digest> {
    let digest = item.digest?;
    let mut left_out = leave::fields(&item.meta).peekable();
    if left_out.peek().is_none() {
        return Some(digest);
    }
    let mut bytes = digest.0.to_vec();
    for pointer in left_out {
        bytes.push(0);
        bytes.extend(pointer.as_bytes());
    }
    Some(Digest::of(&bytes))
}

/// The stamp that an annotation's value names.
pub fn parse_stamp(text: &str) -> Option<Stamp> {
    let (epoch, revision) = text.split_once('/')?;
    if epoch.len() != 16 {
        return None;
    }
    let epoch = Epoch(u64::from_str_radix(epoch, 16).ok()?);
    Some(Stamp {
        epoch,
        revision: Revision(revision.parse().ok()?),
    })
}

fn object_field<'a>(value: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map_entry(map, field),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("made an object above")
        }
    }
}

fn map_entry<'a>(map: &'a mut Map<String, Value>, field: &str) -> &'a mut Map<String, Value> {
    let entry = map
        .entry(field)
        .or_insert_with(|| Value::Object(Map::new()));
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    match entry {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("made an object above")
        }
    }
}

#[cfg(test)]
mod tests;
