//! Who scales an object on the member: a HorizontalPodAutoscaler that names it owns its replicas.

use roadstead_protocol::wire::item::{ItemKey, Meta};
use serde_json::Value;

use super::content::{self, FIELD_MANAGER};
use crate::store::record::{Inventory, Item};

/// Where a scaled object has its number of replicas.
pub const REPLICAS: &str = "/spec/replicas";

/// Whether `scaler` scales the object `key`.
pub fn scales(scaler: &Value, key: &ItemKey) -> bool {
    let text = |pointer: &str| {
        let found = scaler.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default()
    };
    let version = text("/spec/scaleTargetRef/apiVersion");
    let group = version.split_once('/').map_or("", |(group, _)| group);
    text("/metadata/namespace") == key.namespace
        && text("/metadata/deletionTimestamp").is_empty()
        && text("/spec/scaleTargetRef/kind") == key.kind
        && text("/spec/scaleTargetRef/name") == key.name
        && group == key.group
}

/// Whether `given` and what is there have other numbers of replicas.
pub fn differs(given: &Value, live: &Value) -> bool {
    let given = given.pointer(REPLICAS);
    given.is_some() && given != live.pointer(REPLICAS)
}

/// Whether somebody else than this agent owns the number of replicas of `live`, by its managed fields.
pub fn owned_by_another(live: &Value) -> bool {
    let entries = live.pointer("/metadata/managedFields");
    let mut entries = entries.and_then(Value::as_array).into_iter().flatten();
    entries.any(|entry| {
        entry.get("manager").and_then(Value::as_str) != Some(FIELD_MANAGER)
            && entry.pointer("/fieldsV1/f:spec/f:replicas").is_some()
    })
}

/// An item whose replicas are left to whoever scales it.
#[must_use]
pub fn left(mut item: Item) -> Item {
    item.meta
        .push(Meta::IgnoreFields(vec![REPLICAS.to_owned()]));
    item
}

/// Whether `item` was on the member with its replicas left to whoever scales it.
pub fn was_left(item: &Item, inventory: &Inventory) -> bool {
    let as_given = content::effective(item) == Some(inventory.digest);
    !as_given && content::effective(&left(item.clone())) == Some(inventory.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_scaler_owns_what_it_names_in_its_namespace() {
        let key = ItemKey {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: "web".into(),
            name: "shop".into(),
        };
        let scaler = |namespace: &str, version: &str, kind: &str, name: &str| {
            json!({
                "metadata": {"namespace": namespace},
                "spec": {"scaleTargetRef": {"apiVersion": version, "kind": kind, "name": name}},
            })
        };
        assert!(scales(
            &scaler("web", "apps/v1", "Deployment", "shop"),
            &key
        ));
        for other in [
            scaler("other", "apps/v1", "Deployment", "shop"),
            scaler("web", "example.com/v1", "Deployment", "shop"),
            scaler("web", "apps/v1", "StatefulSet", "shop"),
            scaler("web", "apps/v1", "Deployment", "basket"),
            json!({}),
        ] {
            assert!(!scales(&other, &key), "{other}");
        }
    }
}
