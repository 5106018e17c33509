//! Fields that a kind has, and types of those that Kubernetes decodes into Go structs.

use serde_json::Value;

use super::Mismatch;
use super::builtin;
use super::path::Path;
use super::structural::Node;
use crate::resource::Resource;
use crate::tables;

/// What every object has at its root.
const ROOT: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub(super) fn object(resource: &Resource, object: &mut Value) -> Result<Vec<String>, Mismatch> {
    let tables = tables::get().map_err(|e| Mismatch(e.to_string()))?;
    let mut unknown = Vec::new();
    let Some(structural) = &resource.structural else {
        if let Some(ty) = tables.kind(&resource.group, &resource.version, &resource.kind) {
            let mut check = builtin::Check::new(tables, &mut unknown);
            check.root(ty, object)?;
        }
        return Ok(unknown);
    };
    if let (Some(metadata), Some(ty)) = (
        object.get_mut("metadata"),
        tables.named("meta.v1.ObjectMeta"),
    ) {
        let mut check = builtin::Check::new(tables, &mut unknown);
        check.metadata(ty, metadata)?;
    }
    prune(&structural.root, object, &Path::Root, &mut unknown, true);
    Ok(unknown)
}

/// Removes what `node` does not declare, and notes where it was. `object` says whether the value
/// is a Kubernetes object, which has a version, a kind and metadata without declaring them.
fn prune(node: &Node, value: &mut Value, path: &Path<'_>, unknown: &mut Vec<String>, object: bool) {
    match value {
        Value::Object(map) => {
            let declared = |name: &str| {
                node.preserve_unknown
                    || node.additional.is_some()
                    || node.properties.contains_key(name)
                    || (object && ROOT.contains(&name))
            };
            map.retain(|name, _| {
                let keep = declared(name);
                if !keep {
                    unknown.push(path.field(name).to_string());
                }
                keep
            });
            for (name, value) in map {
                if object && ROOT.contains(&name.as_str()) {
                    continue;
                }
                if let Some(child) = node.properties.get(name).or(node.additional.as_deref()) {
                    prune(child, value, &path.field(name), unknown, child.embedded);
                }
            }
        }
        Value::Array(items) => {
            let Some(item) = &node.items else { return };
            for (at, value) in items.iter_mut().enumerate() {
                prune(item, value, &path.index(at), unknown, item.embedded);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
