//! Kubernetes objects: `/objects/<group|core>/<plural>/<namespace|_>/<name>`, JSON of the object
//! without `metadata.resourceVersion` (readers put the entry's revision there).

use crate::{InvalidKey, Key};

use super::{group_part, join, namespace_part, part_group, part_namespace};

/// What all objects' keys begin with.
pub const OBJECTS_PREFIX: &str = "/objects/";

/// What an object's key consists of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// API group; empty for the core group.
    pub group: String,
    /// The kind's plural, as in `deployments`.
    pub plural: String,
    /// Namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// As a key of the store.
    pub fn key(&self) -> Result<Key, InvalidKey> {
        object_key(&self.group, &self.plural, &self.namespace, &self.name)
    }
}

/// The key of an object.
pub fn object_key(
    group: &str,
    plural: &str,
    namespace: &str,
    name: &str,
) -> Result<Key, InvalidKey> {
    join(
        OBJECTS_PREFIX,
        &[group_part(group), plural, namespace_part(namespace), name],
    )
}

/// What the keys of all objects of a kind begin with.
pub fn objects_prefix(group: &str, plural: &str) -> String {
    format!("{OBJECTS_PREFIX}{}/{plural}/", group_part(group))
}

/// What the keys of all objects of a kind in a namespace begin with.
pub fn objects_namespace_prefix(group: &str, plural: &str, namespace: &str) -> String {
    format!(
        "{OBJECTS_PREFIX}{}/{plural}/{}/",
        group_part(group),
        namespace_part(namespace)
    )
}

/// What `key` consists of, if it is an object's.
pub fn parse_object_key(key: &str) -> Option<ObjectKey> {
    let mut parts = key.strip_prefix(OBJECTS_PREFIX)?.split('/');
    let found = ObjectKey {
        group: part_group(parts.next()?).to_owned(),
        plural: parts.next()?.to_owned(),
        namespace: part_namespace(parts.next()?).to_owned(),
        name: parts.next()?.to_owned(),
    };
    parts.next().is_none().then_some(found)
}
