//! What an object's writers said, told from what servers filled in.

use serde_json::Value;

use crate::merge::{Set, Typed};
use crate::schema::{Schema, TypeId};

use super::entries::{Id, Managed};
use super::object;

/// The part of `object` that somebody wrote by way of the object itself or its scale: what its
/// managed fields name, which are neither defaults of the server nor its status. `None` where it has
/// no managed fields that can be read; nothing can be told apart then.
pub fn written(schema: &Schema, ty: TypeId, object: &Value) -> Option<Value> {
    let managed = Managed::decode(object::managed_fields(Some(object))).ok()?;
    let mut fields = Set::default();
    for (id, owned) in &managed.managers.0 {
        let subresource = Id::from_key(id).map(|id| id.subresource);
        if matches!(subresource.as_deref(), Some("" | "scale")) {
            fields.extend(&owned.set);
        }
    }
    if fields.is_empty() {
        return None;
    }
    let bare = object::without_managed_fields(object);
    let typed = Typed::new(schema, ty, &bare);
    let mut out = typed.extract_items(&fields.leaves()).into_value();
    let map = out.as_object_mut()?;
    // What names it belongs to nobody.
    for field in ["apiVersion", "kind"] {
        map.insert(field.to_owned(), object.get(field)?.clone());
    }
    let metadata = map
        .entry("metadata")
        .or_insert_with(|| Value::Object(serde_json::Map::new()))
        .as_object_mut()?;
    for field in ["name", "namespace"] {
        if let Some(value) = object.get("metadata")?.get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Registry;

    #[test]
    fn defaults_and_status_are_nobodys_words() {
        let registry = Registry::member().unwrap();
        let resource = registry.by_kind("apps", "Deployment").unwrap();
        let fields = |manager: &str, subresource: &str, set: Value| {
            json!({
                "manager": manager, "operation": "Apply", "apiVersion": "apps/v1",
                "fieldsType": "FieldsV1", "fieldsV1": set, "subresource": subresource,
            })
        };
        let ours = json!({
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {"f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}},
            }}}},
        });
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "u", "labels": {"app": "web"},
                "managedFields": [
                    fields("roadstead", "", ours),
                    fields("hpa", "scale", json!({"f:spec": {"f:replicas": {}}})),
                    fields("controller", "status", json!({"f:status": {"f:replicas": {}}})),
                ],
            },
            "spec": {
                "replicas": 3, "progressDeadlineSeconds": 600,
                "template": {"spec": {"restartPolicy": "Always", "containers": [
                    {"name": "web", "image": "web:1", "imagePullPolicy": "Always"},
                ]}},
            },
            "status": {"replicas": 3},
        });
        let expected = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {
                "replicas": 3,
                "template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}},
            },
        });
        let found = written(&resource.schema, resource.ty, &object);
        assert_eq!(found, Some(expected));
        let bare =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        assert_eq!(written(&resource.schema, resource.ty, &bare), None);
    }
}
