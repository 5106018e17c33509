//! Where an object has pods: the pod specs of the kinds that carry one, and their containers.
//!
//! Kinds are known by the shape of the object, so that a kind of somebody's own with a pod template in
//! the usual place counts too.

use serde_json::{Map, Value};

/// Where kinds carry a pod spec.
const POD_SPECS: [&str; 3] = [
    "/spec/template/spec",
    "/spec/jobTemplate/spec/template/spec",
    "/template/spec",
];
/// Where a Pod carries it.
const OF_POD: [&str; 1] = ["/spec"];
/// Where a pod spec has containers.
const CONTAINERS: [&str; 2] = ["initContainers", "containers"];

fn places(object: &Value) -> &'static [&'static str] {
    if object.get("kind").and_then(Value::as_str) == Some("Pod") {
        &OF_POD
    } else {
        &POD_SPECS
    }
}

/// The pod specs of `object`.
pub(crate) fn specs(object: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let found = places(object).iter().map(|place| object.pointer(place));
    found.filter_map(|spec| spec?.as_object())
}

/// The containers and init containers of a pod spec.
pub(crate) fn containers(spec: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let lists = CONTAINERS.iter().filter_map(|field| spec.get(*field));
    lists
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_object)
}

/// Calls `change` with every container and init container of `object` until one fails.
pub(crate) fn each_container<E>(
    object: &mut Value,
    mut change: impl FnMut(&mut Map<String, Value>) -> Result<(), E>,
) -> Result<(), E> {
    for place in places(object) {
        let Some(Value::Object(spec)) = object.pointer_mut(place) else {
            continue;
        };
        for field in CONTAINERS {
            let Some(Value::Array(list)) = spec.get_mut(field) else {
                continue;
            };
            for container in list.iter_mut().filter_map(Value::as_object_mut) {
                change(container)?;
            }
        }
    }
    Ok(())
}

/// The name of a container.
pub(crate) fn name(container: &Map<String, Value>) -> &str {
    let name = container.get("name").and_then(Value::as_str);
    name.unwrap_or_default()
}
