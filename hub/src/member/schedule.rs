//! Which node a pod goes to: of those with room and matching labels the one with the fewest pods.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cache::{Cache, Cached};
use super::object::{flag, list, name, text};
use super::pod::is_active;
use super::quantity::milli;

/// CPU, memory and pods, in thousandths.
type Room = [i64; 3];

/// The name of the node for `pod`.
///
/// # Errors
/// Why there is none, as the scheduler says it.
pub(super) fn place(cache: &Cache, pod: &Value) -> Result<String, String> {
    let nodes: Vec<&Cached> = cache.range("/objects/core/nodes/").collect();
    let mut used: BTreeMap<&str, Room> = BTreeMap::new();
    for other in cache
        .range("/objects/core/pods/")
        .filter(|c| is_active(&c.value))
    {
        let room = used
            .entry(text(&other.value, "/spec/nodeName"))
            .or_default();
        *room = add(*room, requests(&other.value));
    }
    let on = |node: &Cached| used.get(name(&node.value)).copied().unwrap_or_default();
    let fitting = nodes.iter().filter(|node| {
        let total = add(on(node), requests(pod));
        takes(&node.value, pod) && fits(total, allocatable(&node.value))
    });
    match fitting.min_by_key(|node| (on(node)[2], name(&node.value))) {
        Some(node) => Ok(name(&node.value).to_owned()),
        None => Err(format!("0/{} nodes are available.", nodes.len())),
    }
}

/// Whether a node takes pods such as this one at all.
pub(super) fn takes(node: &Value, pod: &Value) -> bool {
    let label = |key: &str| node.pointer("/metadata/labels").and_then(|l| l.get(key));
    let wanted = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    let labels = wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| label(key) == Some(value));
    let taints = list(node, "/spec/taints")
        .iter()
        .filter(|t| text(t, "/effect") != "PreferNoSchedule");
    let tolerated = taints.into_iter().all(|taint| {
        list(pod, "/spec/tolerations")
            .iter()
            .any(|toleration| tolerates(toleration, taint))
    });
    labels && tolerated && !flag(node, "/spec/unschedulable")
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
    let exists = text(toleration, "/operator") == "Exists";
    (key.is_empty() && exists || key == text(taint, "/key"))
        && (effect.is_empty() || effect == text(taint, "/effect"))
        && (exists || text(toleration, "/value") == text(taint, "/value"))
}

fn add(a: Room, b: Room) -> Room {
    std::array::from_fn(|i| a[i].saturating_add(b[i]))
}

fn fits(total: Room, room: Room) -> bool {
    total.iter().zip(room).all(|(total, room)| *total <= room)
}

fn requests(pod: &Value) -> Room {
    let of = |container: &Value, what: &str| {
        milli(text(container, &format!("/resources/requests/{what}")))
    };
    let containers = list(pod, "/spec/containers").iter();
    containers.fold([0, 0, 1000], |sum, c| {
        add(sum, [of(c, "cpu"), of(c, "memory"), 0])
    })
}

fn allocatable(node: &Value) -> Room {
    ["cpu", "memory", "pods"].map(|what| milli(text(node, &format!("/status/allocatable/{what}"))))
}
