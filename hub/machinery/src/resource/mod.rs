//! What the API serves: one [`Resource`] per kind and version, gathered in a [`Registry`].
//!
//! Everything here is data. A registry is an immutable value: serving one more custom kind means
//! building another registry from this one and swapping the `Arc` that holds it. Nothing here
//! reads or writes objects.

mod build;
mod registry;

use std::sync::Arc;

use crate::schema::{Schema, TypeId};
use crate::validate::Structural;

pub use registry::{Error, Registry};

/// One kind in one version, as the API serves it.
#[derive(Clone, Debug)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// Version, as in `v1`.
    pub version: String,
    /// Kind, as in `Deployment`.
    pub kind: String,
    /// Kind of the list, as in `DeploymentList`.
    pub list_kind: String,
    /// Name in URLs, as in `deployments`.
    pub plural: String,
    /// Singular name, as in `deployment`.
    pub singular: String,
    /// Short names, as in `deploy`.
    pub short_names: Vec<String>,
    /// Categories, as in `all`.
    pub categories: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// The verbs that discovery lists. Reviews can only be created.
    pub verbs: &'static [&'static str],
    /// Whether there is a `/status` subresource, so that the main resource cannot write `status`.
    pub status: bool,
    /// The `/scale` subresource, if there is one.
    pub scale: Option<ScalePaths>,
    /// Whether `metadata.generation` counts the changes of what is outside `metadata` and `status`.
    pub generation: bool,
    /// The arena that `ty` points into. Built-in kinds share one, a custom kind has its own.
    pub schema: Arc<Schema>,
    /// The type of the object.
    pub ty: TypeId,
    /// Whether strategic merge patches are accepted.
    pub smp: bool,
    /// Printer columns of custom kinds, without the name; empty for built-in kinds.
    pub columns: Vec<Column>,
    /// Whether objects are templates on the hub: stored, shown, and acted on by nobody here.
    pub template: bool,
    /// Where the kind comes from.
    pub origin: Origin,
    /// JSON paths, as in `.spec.color`, that field selectors may name beyond the object's name and
    /// namespace.
    pub selectable_fields: Vec<String>,
    /// Group and plural under which the objects are stored. Versions of a kind share a store, and
    /// so do the two event kinds.
    pub storage: (String, String),
    /// The structural schema of a custom kind; `None` for a built-in one, whose facts are in
    /// `schema`.
    pub structural: Option<Arc<Structural>>,
}

/// Where a kind comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One of Kubernetes' kinds, described by the generated tables.
    BuiltIn,
    /// One of this project's kinds, described by a CRD manifest in the binary.
    Own,
    /// A user's CRD.
    Custom,
}

/// What the scale subresource reads and writes, as JSON paths like `.spec.replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// The wanted number of replicas.
    pub spec_replicas: String,
    /// The observed number of replicas.
    pub status_replicas: String,
    /// The selector, if the kind shows one: a string, or (built-in kinds) a label selector object.
    pub label_selector: Option<String>,
}

/// One printer column of a custom kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub ty: String,
    /// OpenAPI format; may be empty.
    pub format: String,
    /// What the column shows; may be empty.
    pub description: String,
    /// 0 is always shown, anything above only with `-o wide`.
    pub priority: i32,
    /// kubectl-style JSON path, as in `.status.phase`.
    pub json_path: String,
}

/// The verbs of an ordinary resource, in the order that discovery lists them.
pub const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// The verbs of a resource whose objects are too weighty to be deleted by the dozen.
pub const VERBS_ONE_BY_ONE: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];

/// The verbs of a resource that is only a question, as the access reviews are.
pub const VERBS_REVIEW: &[&str] = &["create"];

impl Resource {
    /// `group/version`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `plural.group`, or the plural alone in the core group, as error messages name a resource.
    pub fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    /// `Kind.group`, or the kind alone in the core group.
    pub fn qualified_kind(&self) -> String {
        qualified(&self.kind, &self.group)
    }

    /// Whether objects of this kind can only be created, and are answered instead of stored.
    pub fn is_review(&self) -> bool {
        self.verbs == VERBS_REVIEW
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

#[cfg(test)]
mod tests;
