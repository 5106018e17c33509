//! Defaults of custom kinds.

use serde_json::Value;

use super::structural::Node;

/// Fills in defaults below `value`. A null that is no value of its field counts as absent.
pub(super) fn object(node: &Node, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, field) in &node.properties {
                if !field.nullable && map.get(name).is_some_and(Value::is_null) {
                    map.remove(name);
                }
                if let Some(default) = &field.default
                    && !map.contains_key(name)
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            if let Some(additional) = &node.additional
                && !additional.nullable
                && additional.kind.is_some()
            {
                map.retain(|name, v| node.properties.contains_key(name) || !v.is_null());
            }
            for (name, value) in map {
                if let Some(child) = node.properties.get(name).or(node.additional.as_deref()) {
                    object(child, value);
                }
            }
        }
        Value::Array(items) => {
            let Some(item) = &node.items else { return };
            for value in items {
                object(item, value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
