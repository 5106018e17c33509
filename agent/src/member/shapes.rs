//! Groups a cluster's nodes by what they are like and what is free on them, for the hub to tell what
//! fits where.
//!
//! What is free is rounded down, in steps, so that it changes seldom and the groups are few; what is
//! said to be free is. Devices are counted exactly. Bounded: where even coarse steps make more groups
//! than a hub is told of, the rarest nodes are left out.

use std::collections::BTreeMap;

use roadstead_protocol::api::facts::{NodeShape, NodeTaint, SHAPE_ENTRIES_MAX, SHAPES_MAX};
use roadstead_protocol::api::quantity;
use roadstead_protocol::api::requests::{Amounts, add, amounts, pod_requests};
use serde_json::Value;

/// Most nodes that are looked at one by one; of more, the rest is only counted.
const NODES_MAX: usize = 5000;
/// Into how many steps what is allocatable is divided, one attempt after the other.
const STEPS: [u64; 6] = [32, 16, 8, 4, 2, 1];
/// What memory and disk are rounded down to, in thousandths of a byte: nodes of one type differ by
/// less.
const BYTES_GRAIN: u64 = 64 * 1024 * 1024 * 1000;
/// What processors are rounded down to, in thousandths.
const CPU_GRAIN: u64 = 10;
/// Taints of nodes that do not work as they should, or are cordoned.
const STATE_TAINTS: &str = "node.kubernetes.io/";
/// Labels by which device plugins, their labellers and clouds name the model of a node's devices.
const MODEL_LABELS: [&str; 10] = [
    "nvidia.com/gpu.product",
    "amd.com/gpu.product-name",
    "gpu.intel.com/product",
    "cloud.google.com/gke-accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.k8s.aws/instance-accelerator-name",
    "eks.amazonaws.com/instance-gpu-name",
    "k8s.amazonaws.com/accelerator",
    "accelerator",
    "accelerator-type",
];

/// What pods ask for, by node; of a node that is not in it nothing is known.
pub(super) type Usage = BTreeMap<String, Amounts>;

/// The nodes of a cluster, by name.
#[derive(Debug, Default)]
pub(super) struct Nodes(BTreeMap<String, Node>);

#[derive(Debug)]
struct Node {
    allocatable: Amounts,
    /// Whether it takes pods at all.
    takes: bool,
    models: BTreeMap<String, String>,
    taints: Vec<NodeTaint>,
}

impl Nodes {
    /// Takes a node into account.
    pub(super) fn add(&mut self, node: &Value, ready: bool, labels: &[String]) {
        let Some(name) = node.pointer("/metadata/name").and_then(Value::as_str) else {
            return;
        };
        if self.0.len() >= NODES_MAX && !self.0.contains_key(name) {
            return;
        }
        let mut allocatable = amounts(
            node.pointer("/status/allocatable")
                .and_then(Value::as_object),
        );
        allocatable.retain(|name, amount| *amount > 0 && is_counted(name));
        while allocatable.len() > SHAPE_ENTRIES_MAX {
            allocatable.pop_last();
        }
        for (name, amount) in &mut allocatable {
            *amount -= *amount % grain(name);
        }
        let (kept, states) = taints(node);
        let unschedulable = node.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
        let node = Node {
            allocatable,
            takes: ready && !unschedulable && !states,
            models: models(node, labels),
            taints: kept,
        };
        self.0.insert(name.to_owned(), node);
    }

    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What is asked of them where there are no pods.
    pub(super) fn unused(&self) -> Usage {
        let names = self.0.keys().cloned();
        names.map(|name| (name, Amounts::new())).collect()
    }

    /// The nodes by what they are like; without `usage` nothing is said about what is free.
    pub(super) fn shapes(&self, usage: Option<&Usage>) -> Vec<NodeShape> {
        let mut groups = BTreeMap::new();
        for steps in STEPS {
            groups = self.groups(usage, steps);
            if groups.len() <= SHAPES_MAX {
                break;
            }
        }
        let mut shapes: Vec<NodeShape> = groups
            .into_iter()
            .map(|(like, count)| NodeShape { count, ..like })
            .collect();
        if shapes.len() > SHAPES_MAX {
            shapes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cmp(b)));
            shapes.truncate(SHAPES_MAX);
        }
        shapes
    }

    fn groups(&self, usage: Option<&Usage>, steps: u64) -> BTreeMap<NodeShape, u32> {
        let mut groups: BTreeMap<NodeShape, u32> = BTreeMap::new();
        for (name, node) in &self.0 {
            // What came after the pods were looked at may have pods already.
            let free = usage.map(|usage| match usage.get(name) {
                Some(asked) => node.free(asked, steps),
                None => Amounts::new(),
            });
            let shape = NodeShape {
                count: 0,
                allocatable: texts(&node.allocatable),
                free: free.as_ref().map(texts),
                models: node.models.clone(),
                taints: node.taints.clone(),
            };
            *groups.entry(shape).or_default() += 1;
        }
        groups
    }
}

impl Node {
    /// What is free, rounded down to so many steps of what there is.
    fn free(&self, asked: &Amounts, steps: u64) -> Amounts {
        if !self.takes {
            return Amounts::new();
        }
        let of = |(name, all): (&String, &u64)| {
            let asked = asked.get(name).copied().unwrap_or(0);
            let free = all.saturating_sub(asked);
            let step = if is_device(name) { 1000 } else { all / steps };
            let step = step - step % grain(name);
            let rounded = free - free % step.max(grain(name));
            // What is wholly free is that, whatever the steps.
            let free = if free == *all { free } else { rounded };
            (free > 0).then(|| (name.clone(), free))
        };
        self.allocatable.iter().filter_map(of).collect()
    }
}

/// Takes a pod into account where it has a node and is not over.
pub(super) fn use_up(usage: &mut Usage, pod: &Value) {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
    let over = matches!(text("/status/phase"), Some("Succeeded" | "Failed"));
    let node = text("/spec/nodeName").filter(|node| !node.is_empty() && !over);
    let (Some(node), Some(spec)) = (node, pod.get("spec").and_then(Value::as_object)) else {
        return;
    };
    if usage.len() >= NODES_MAX && !usage.contains_key(node) {
        return;
    }
    let mut asked = pod_requests(spec);
    asked.retain(|name, _| is_counted(name));
    asked.insert("pods".to_owned(), 1000);
    add(usage.entry(node.to_owned()).or_default(), &asked);
}

fn is_device(resource: &str) -> bool {
    resource.contains('/')
}

fn is_counted(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory" | "pods" | "ephemeral-storage")
        || resource.starts_with("hugepages-")
        || is_device(resource)
}

/// What amounts are rounded down to.
fn grain(resource: &str) -> u64 {
    match resource {
        "cpu" => CPU_GRAIN,
        "memory" | "ephemeral-storage" => BYTES_GRAIN,
        _ => 1000,
    }
}

fn texts(amounts: &Amounts) -> BTreeMap<String, String> {
    let binary = |name: &str| grain(name) == BYTES_GRAIN || name.starts_with("hugepages-");
    amounts
        .iter()
        .map(|(name, amount)| (name.clone(), quantity::text(*amount, binary(name))))
        .collect()
}

/// The labels by which models are known, with these first; of too many the last do not count.
pub(super) fn model_labels(more: Vec<String>) -> Vec<String> {
    let known = MODEL_LABELS.iter().map(|&label| label.to_owned());
    let mut labels: Vec<String> = more.into_iter().filter(|l| !l.is_empty()).collect();
    labels.extend(known);
    labels.truncate(SHAPE_ENTRIES_MAX);
    labels
}

fn models(node: &Value, labels: &[String]) -> BTreeMap<String, String> {
    let has = node.pointer("/metadata/labels").and_then(Value::as_object);
    let known = |label: &String| {
        let value = has?.get(label)?.as_str()?;
        Some((label.clone(), value.to_owned()))
    };
    labels.iter().filter_map(known).collect()
}

/// The taints that pods may tolerate, and whether there is one that tells of the node's own state.
fn taints(node: &Value) -> (Vec<NodeTaint>, bool) {
    let said = node.pointer("/spec/taints").and_then(Value::as_array);
    let mut taints = Vec::new();
    let mut states = false;
    for taint in said.into_iter().flatten() {
        let text = |field: &str| {
            let text = taint.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let (key, effect) = (text("key"), text("effect"));
        if !matches!(effect.as_str(), "NoSchedule" | "NoExecute") {
            continue;
        }
        if key.starts_with(STATE_TAINTS) || taints.len() >= SHAPE_ENTRIES_MAX {
            states = true;
            continue;
        }
        let value = text("value");
        taints.push(NodeTaint { key, value, effect });
    }
    taints.sort();
    (taints, states)
}

#[cfg(test)]
mod tests;
