//! A release: what a policy's objects are, with what goes along and what overrides it, at one time.
//!
//! Numbers of replicas are left out: scaling is no change that waits for anybody.

use std::collections::BTreeMap;

use bytes::Bytes;
use roadstead_protocol::api::ObjectMeta;
use roadstead_protocol::wire::{Digest, ItemKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pointer::Pointer;
use crate::policy::Overrides;
use crate::render::{self, Content};
use crate::template::selected;

/// Most objects of a release.
pub const ITEMS_MAX: usize = 1000;
/// Most override policies of a release.
pub const OVERRIDES_MAX: usize = 200;
/// Most bytes of what is written down of a release, its contents left out.
pub const RECORD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most bytes of the contents of a release: two releases are written at once.
pub const CONTENTS_BYTES_MAX: usize = 48 * 1024 * 1024;
/// How many hexadecimal digits tell a release from others.
pub const DIGITS: usize = 20;

/// What a policy's objects are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Release {
    /// The objects.
    pub items: Vec<Item>,
    /// The override policies that change any of them: group, kind, namespace, name, UID and spec, in the
    /// order of their names.
    pub overrides: Vec<Value>,
    /// The labels of the objects, known only where the release was just made.
    #[serde(skip)]
    pub(crate) labels: BTreeMap<ItemKey, BTreeMap<String, String>>,
}

/// One object of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Item {
    /// Group; empty for the core group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for a cluster-scoped object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Of its content: what people wrote, as JSON, without its number of replicas.
    pub content: String,
    /// Whether the policy holds it; what only goes along it does not.
    pub own: bool,
}

impl Item {
    /// The object's key.
    pub fn key(&self) -> ItemKey {
        ItemKey {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// A release with what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// What tells it from others.
    pub id: String,
    /// The release.
    pub release: Release,
    /// The contents, by their digests.
    pub contents: BTreeMap<Digest, Bytes>,
}

/// An object that a release is made of.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// What names it.
    pub key: ItemKey,
    /// The object as it is on the hub.
    pub object: &'a Value,
    /// Where its number of replicas stands, as a JSON path; `None` for a kind without.
    pub replicas_path: Option<&'a str>,
    /// Whether the policy holds it.
    pub own: bool,
}

/// Why no release can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are too many objects.
    #[error(
        "it has {0} objects, with what goes along: a rollout is of at most {ITEMS_MAX}; give some of them \
         a policy of their own"
    )]
    Items(usize),
    /// There are too many override policies.
    #[error("{0} override policies change its objects: a rollout is of at most {OVERRIDES_MAX}")]
    Overrides(usize),
    /// The override policies and the names of the objects are too large.
    #[error(
        "its override policies have {0} bytes, with the names of its objects: a rollout is of at most \
         {RECORD_BYTES_MAX}; write shorter ones, or give some objects a policy of their own"
    )]
    Record(usize),
    /// The objects are too large together.
    #[error(
        "its objects have {0} bytes, with what goes along: a rollout is of at most {CONTENTS_BYTES_MAX}; \
         give some of them a policy of their own"
    )]
    Contents(usize),
    /// A policy that concerns the objects cannot be read.
    #[error("{policy} cannot be read, and it is not known what it says of its objects: {problem}")]
    Unreadable {
        /// Which.
        policy: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An object cannot be published.
    #[error("{0}: {1}")]
    Content(Box<ItemKey>, render::Error),
}

/// Makes the release of these objects and override policies (as they are on the hub). The order in which
/// they are given does not matter.
///
/// # Errors
/// When there are too many, they are too large, or an object cannot be published.
pub fn make(parts: &[Part<'_>], overrides: &[Value]) -> Result<Made, Error> {
    if parts.len() > ITEMS_MAX {
        return Err(Error::Items(parts.len()));
    }
    if overrides.len() > OVERRIDES_MAX {
        return Err(Error::Overrides(overrides.len()));
    }
    let mut made = Made::default();
    let mut items = BTreeMap::new();
    for part in parts {
        let object = base(part.object, part.replicas_path);
        let sealed = render::seal(&object, &part.key);
        let Content { bytes, digest } =
            sealed.map_err(|error| Error::Content(Box::new(part.key.clone()), error))?;
        made.contents.insert(digest, bytes);
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let labels = ObjectMeta::deserialize(metadata).unwrap_or_default().labels;
        made.release.labels.insert(part.key.clone(), labels);
        let item = Item {
            group: part.key.group.clone(),
            kind: part.key.kind.clone(),
            namespace: part.key.namespace.clone(),
            name: part.key.name.clone(),
            content: digest.to_string(),
            own: part.own,
        };
        items.insert(part.key.clone(), item);
    }
    made.release.items = items.into_values().collect();
    made.release.overrides = overrides.iter().map(said).collect();
    made.release.overrides.sort_by_key(ToString::to_string);
    made.id = id(&made.release);
    let record = serde_json::to_vec(&made.release).map_or(usize::MAX, |bytes| bytes.len());
    fits(record, made.contents.values().map(Bytes::len).sum())?;
    Ok(made)
}

/// Whether a release can be written down.
pub(crate) fn fits(record: usize, contents: usize) -> Result<(), Error> {
    if record > RECORD_BYTES_MAX {
        return Err(Error::Record(record));
    }
    if contents > CONTENTS_BYTES_MAX {
        return Err(Error::Contents(contents));
    }
    Ok(())
}

/// What tells a release from others.
pub fn id(release: &Release) -> String {
    let items: Vec<Value> = release
        .items
        .iter()
        .map(|i| json!([i.group, i.kind, i.namespace, i.name, i.content]))
        .collect();
    let text = json!([items, release.overrides]).to_string();
    let digest = Digest::of(text.as_bytes()).to_string();
    digest.chars().take(DIGITS).collect()
}

/// What people wrote of `object`, without its number of replicas.
pub(crate) fn base(object: &Value, replicas_path: Option<&str>) -> Value {
    let mut object = render::strip(object);
    if let Some(place) = place(replicas_path) {
        place.remove(&mut object);
    }
    object
}

/// Gives `object`, which has none, the number of replicas that `live` has.
pub(crate) fn count(object: &mut Value, live: &Value, replicas_path: Option<&str>) {
    let Some(place) = place(replicas_path) else {
        return;
    };
    if let Some(number) = place.get(live) {
        // What has no place for it has none to be given.
        let _none = place.set(object, number.clone());
    }
}

/// Where the number of replicas stands.
pub(crate) fn place(replicas_path: Option<&str>) -> Option<Pointer> {
    Pointer::parse(&replicas_path?.replace('.', "/")).ok()
}

/// What of an override policy matters.
fn said(object: &Value) -> Value {
    let part = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let mut metadata = serde_json::Map::new();
    for field in ["name", "namespace", "uid"] {
        if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    json!({
        "apiVersion": part("/apiVersion"),
        "kind": part("/kind"),
        "metadata": metadata,
        "spec": part("/spec"),
    })
}

impl Release {
    /// Whether it is `other` with objects, and what overrode only these, left out. What overrode an object
    /// that is not left out is a part of the change: that it is gone changes the object.
    pub fn is_less_than(&self, other: &Self) -> bool {
        let has = |item: &Item| other.items.contains(item);
        let gone = other
            .overrides
            .iter()
            .filter(|o| !self.overrides.contains(o));
        self.items.iter().all(has)
            && self.overrides.iter().all(|o| other.overrides.contains(o))
            && (self.items.len(), self.overrides.len())
                != (other.items.len(), other.overrides.len())
            && !gone.into_iter().any(|o| self.is_overridden(o))
    }

    /// Whether an override policy may change any of the objects.
    fn is_overridden(&self, object: &Value) -> bool {
        let Ok(overrides) = Overrides::read(object) else {
            return true;
        };
        self.items.iter().any(|item| {
            let key = item.key();
            let selects = |labels| {
                selected(&overrides.identity, &overrides.selectors, &key, labels).is_some()
            };
            self.labels.get(&key).is_none_or(selects)
        })
    }

    /// Whether it says the same of an object as `other`: who is let from one to the other gets nothing new
    /// of it.
    pub fn says_same(&self, other: &Self, key: &ItemKey) -> bool {
        let item = self.item(key);
        item.is_some() && item == other.item(key) && self.overrides == other.overrides
    }

    /// The object of a key.
    pub fn item(&self, key: &ItemKey) -> Option<&Item> {
        let name = |i: &Item| (i.name == key.name) && (i.namespace == key.namespace);
        let kind = |i: &Item| (i.kind == key.kind) && (i.group == key.group);
        self.items.iter().find(|item| name(item) && kind(item))
    }
}
