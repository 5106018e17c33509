//! `OverridePolicy` and its cluster-scoped twin: what is different about objects on some clusters.
//!
//! The types read leniently; what a value may be is said by the manifests in `crds/`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::meta::ObjectMeta;
use super::policy::{ClusterAffinity, PolicyStatus, ResourceSelector};

/// What is different on some clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverridePolicy {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What people say.
    pub spec: OverrideSpec,
    /// What is so.
    pub status: PolicyStatus,
}

/// What is different where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OverrideSpec {
    /// Which templates.
    pub resource_selectors: Vec<ResourceSelector>,
    /// What is done to them, in order.
    pub override_rules: Vec<OverrideRule>,
}

/// What is different on some clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OverrideRule {
    /// Which clusters; all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_clusters: Option<ClusterAffinity>,
    /// What is changed by kind of field, before `overrides`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overriders: Option<Overriders>,
    /// What is changed by path, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// One change at a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Override {
    /// Where, as a JSON pointer.
    pub path: String,
    /// What; where it is not said the value is set, whether something is there or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<OverrideOp>,
    /// The value; for `remove` none. `Some(Null)` is a null that was written.
    #[serde(deserialize_with = "written", skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What is done to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverrideOp {
    /// The value is added (in a list: inserted before the index, or appended at `-`).
    Add,
    /// What is there is taken away.
    Remove,
    /// What is there becomes the value.
    Replace,
}

/// Changes of fields that many kinds have. They are made in the order in which they stand here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overriders {
    /// Of images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_overrider: Vec<ImageOverrider>,
    /// Of containers' `command`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command_overrider: Vec<WordsOverrider>,
    /// Of containers' `args`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args_overrider: Vec<WordsOverrider>,
    /// Of containers' `env`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_overrider: Vec<EnvOverrider>,
    /// Of `metadata.labels`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels_overrider: Vec<KeysOverrider>,
    /// Of `metadata.annotations`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations_overrider: Vec<KeysOverrider>,
    /// A JSON merge patch (RFC 7396) of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_patch: Option<Value>,
}

/// A change of a part of images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOverrider {
    /// Which images; those of all containers and init containers where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<ImagePredicate>,
    /// Which part.
    pub component: ImageComponent,
    /// What is done to it. `add` appends to what is there.
    pub operator: OverrideOp,
    /// The value; not looked at by `remove`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// Where an image stands in a kind that has no containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImagePredicate {
    /// A JSON pointer.
    pub path: String,
}

/// A part of an image's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageComponent {
    /// The host it comes from, with a port and a first part of the path where there are any.
    Registry,
    /// The path there.
    Repository,
    /// The tag.
    Tag,
    /// The digest, as `sha256:…`.
    Digest,
}

/// A change of a container's `command` or `args`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WordsOverrider {
    /// Which container, or init container.
    pub container_name: String,
    /// `add` appends, `remove` takes away every word that is listed, `replace` puts the list there.
    pub operator: OverrideOp,
    /// The words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value: Vec<String>,
}

/// A change of containers' `env`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvOverrider {
    /// Which container, or init container; all where nothing is said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container_name: String,
    /// `add` sets a variable, `remove` takes it away by its name, `replace` changes one that is there.
    pub operator: OverrideOp,
    /// The variables, as containers have them; `remove` looks at their names only.
    pub value: Vec<Value>,
}

/// A change of labels or annotations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysOverrider {
    /// `add` sets, `remove` takes away, `replace` changes what is there and passes over what is not.
    pub operator: OverrideOp,
    /// By key; `remove` looks at the keys only.
    #[serde(default)]
    pub value: BTreeMap<String, String>,
}

fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
