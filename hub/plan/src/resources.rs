//! How many more pods of a sort fit on a cluster, by what its agent said about the nodes.
//!
//! Node by node: what is free on eight nodes in eighths takes no pod that needs half. The nodes come
//! grouped into shapes, rounded down, so what is found to fit did fit when the agent looked. Not a
//! scheduler: affinities between pods, volumes and labels of nodes other than of their devices are
//! for the member's own to judge.

use std::collections::BTreeMap;

use roadstead_protocol::api::facts::{NodeShape, NodeTaint};
use roadstead_protocol::api::quantity::{self, Milli};
use roadstead_protocol::api::requests::pod_requests;
use serde_json::{Map, Value};

use crate::pod;

pub use roadstead_protocol::api::requests::Amounts;

/// The resource that counts pods.
const PODS: &str = "pods";

/// What a cluster has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Its nodes; empty where its agent does not say.
    pub shapes: Vec<Shape>,
}

/// Nodes that are alike; amounts are of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How many there are.
    pub count: u32,
    /// What pods can be given.
    pub allocatable: Amounts,
    /// What of it no pod has asked for; `None` where that is not known.
    pub free: Option<Amounts>,
    /// What product labels say, by label.
    pub models: BTreeMap<String, String>,
    /// What keeps pods away.
    pub taints: Vec<NodeTaint>,
}

/// What one pod needs of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// What it asks for.
    pub requests: Amounts,
    /// Which taints do not keep it away.
    pub tolerations: Vec<Toleration>,
    /// The labels that its node must have.
    pub selector: BTreeMap<String, String>,
}

/// A taint, or many, that do not keep a pod away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toleration {
    key: Option<String>,
    /// `None` tolerates any value.
    value: Option<String>,
    effect: Option<String>,
}

/// How many more pods fit, and why not more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// How many.
    pub pods: u32,
    /// Where none fits: what is short on the nodes that come nearest.
    pub short: Option<Short>,
}

/// What is short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Short {
    /// No agent says what is free.
    Unknown,
    /// No node's devices, labels and taints suit the pod.
    NoNode,
    /// A resource.
    Resource {
        /// Its name.
        name: String,
        /// The most that is free on a node.
        free: Milli,
        /// What a pod needs.
        needed: Milli,
    },
}

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("its agent does not say what is free"),
            Self::NoNode => f.write_str("none of its nodes suits it"),
            Self::Resource { name, free, needed } => {
                let text = |milli| quantity::text(milli, binary(name));
                write!(
                    f,
                    "no node has {} of {name} free, the most is {}",
                    text(*needed),
                    text(*free)
                )
            }
        }
    }
}

/// Whether people write it in powers of 1024.
pub(crate) fn binary(resource: &str) -> bool {
    resource == "memory" || resource == "ephemeral-storage" || resource.starts_with("hugepages-")
}

impl Resources {
    /// As an agent reported it.
    pub fn read(shapes: &[NodeShape]) -> Self {
        let amounts = |said: &BTreeMap<String, String>| -> Amounts {
            let read = said.iter();
            let read = read.filter_map(|(name, text)| Some((name.clone(), quantity::parse(text)?)));
            read.collect()
        };
        let shape = |said: &NodeShape| Shape {
            count: said.count,
            allocatable: amounts(&said.allocatable),
            free: said.free.as_ref().map(amounts),
            models: said.models.clone(),
            taints: said.taints.clone(),
        };
        Self {
            shapes: shapes.iter().map(shape).collect(),
        }
    }

    /// How many more of `pod` fit on the nodes that `suits` takes.
    pub fn room(&self, pod: &Pod, suits: impl Fn(&Shape) -> bool) -> Room {
        if self.shapes.iter().all(|shape| shape.free.is_none()) {
            return Room {
                pods: 0,
                short: Some(Short::Unknown),
            };
        }
        let mut room = Room {
            pods: 0,
            short: Some(Short::NoNode),
        };
        for shape in &self.shapes {
            let Some(free) = shape
                .free
                .as_ref()
                .filter(|_| shape.takes(pod) && suits(shape))
            else {
                continue;
            };
            let each = fit(free, pod);
            room.pods = room.pods.saturating_add(each.saturating_mul(shape.count));
            if each == 0 {
                room.short = nearest(room.short, short(free, pod));
            }
        }
        if room.pods > 0 {
            room.short = None;
        }
        room
    }

    /// Takes away what `count` of `pod` need that were promised and are not yet to be seen in what is
    /// free. Where fewer fit, as many as do.
    pub fn reserve(&mut self, pod: &Pod, count: u32, suits: impl Fn(&Shape) -> bool) {
        let mut left = count;
        let mut shapes = Vec::with_capacity(self.shapes.len());
        for shape in std::mem::take(&mut self.shapes) {
            let each = match &shape.free {
                Some(free) if shape.takes(pod) && suits(&shape) => fit(free, pod),
                Some(_) | None => 0,
            };
            if each == 0 || left == 0 {
                shapes.push(shape);
                continue;
            }
            let taken = left.min(each.saturating_mul(shape.count));
            left -= taken;
            let (full, rest) = (taken / each, taken % each);
            let touched = full + u32::from(rest > 0);
            let parts = [
                (full, each),
                (u32::from(rest > 0), rest),
                (shape.count.saturating_sub(touched), 0),
            ];
            for (count, pods) in parts.into_iter().filter(|(count, _)| *count > 0) {
                shapes.push(shape.less(count, pod, pods));
            }
        }
        self.shapes = shapes;
    }

    /// The sum of a resource over the nodes that `suits` takes: what can be given, and what is free
    /// (`None` where no agent says).
    pub fn sum(&self, name: &str, suits: impl Fn(&Shape) -> bool) -> (Milli, Option<Milli>) {
        let mut sum = (0_u64, None);
        for shape in self.shapes.iter().filter(|shape| suits(shape)) {
            let of = |amounts: &Amounts| {
                let each = amounts.get(name).copied().unwrap_or(0);
                each.saturating_mul(u64::from(shape.count))
            };
            sum.0 = sum.0.saturating_add(of(&shape.allocatable));
            if let Some(free) = &shape.free {
                sum.1 = Some(sum.1.unwrap_or(0_u64).saturating_add(of(free)));
            }
        }
        sum
    }
}

impl Shape {
    /// Whether its taints and labels let the pod in.
    fn takes(&self, pod: &Pod) -> bool {
        let tolerated = |taint| pod.tolerations.iter().any(|t| t.covers(taint));
        let mut known = pod.selector.iter();
        self.taints.iter().all(tolerated)
            && known.all(|(label, value)| self.models.get(label).is_none_or(|is| is == value))
    }

    /// So many of its nodes with so many more pods on each.
    fn less(&self, count: u32, pod: &Pod, pods: u32) -> Self {
        let mut shape = Self {
            count,
            ..self.clone()
        };
        for (name, free) in shape.free.iter_mut().flatten() {
            let needed = pod.requests.get(name).copied().unwrap_or(0);
            *free = free.saturating_sub(needed.saturating_mul(u64::from(pods)));
        }
        shape
    }
}

/// How many of `pod` fit on a node.
fn fit(free: &Amounts, pod: &Pod) -> u32 {
    let asked = pod.requests.iter().filter(|(_, needed)| **needed > 0);
    let each = asked.map(|(name, needed)| free.get(name).copied().unwrap_or(0) / needed);
    u32::try_from(each.min().unwrap_or(0)).unwrap_or(u32::MAX)
}

/// What a node has the least of, for its need.
fn short(free: &Amounts, pod: &Pod) -> Option<Short> {
    let lacks = pod.requests.iter().filter_map(|(name, needed)| {
        let free = free.get(name).copied().unwrap_or(0);
        (free < *needed).then_some((name, free, *needed))
    });
    let least = lacks.min_by(|(_, free, needed), (_, other, others)| {
        let (mine, theirs) = (
            u128::from(*free) * u128::from(*others),
            u128::from(*other) * u128::from(*needed),
        );
        mine.cmp(&theirs)
    });
    least.map(|(name, free, needed)| Short::Resource {
        name: name.clone(),
        free,
        needed,
    })
}

/// Which of two tells better how near it came: of one resource the larger amount, else the first that
/// names a resource.
fn nearest(one: Option<Short>, other: Option<Short>) -> Option<Short> {
    let Some(Short::Resource {
        name: new,
        free: more,
        ..
    }) = &other
    else {
        return one;
    };
    match &one {
        Some(Short::Resource { name, free, .. }) if name != new || free >= more => one,
        Some(Short::Resource { .. } | Short::NoNode | Short::Unknown) | None => other,
    }
}

impl Toleration {
    fn read(said: &Map<String, Value>) -> Self {
        let text = |field: &str| {
            let text = said.get(field).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let any = said.get("operator").and_then(Value::as_str) == Some("Exists");
        Self {
            key: text("key"),
            value: (!any).then(|| text("value").unwrap_or_default()),
            effect: text("effect"),
        }
    }

    fn covers(&self, taint: &NodeTaint) -> bool {
        let key = self.key.as_ref().is_none_or(|key| *key == taint.key);
        let value = self.value.as_ref().is_none_or(|v| *v == taint.value);
        let effect = self.effect.as_ref().is_none_or(|e| *e == taint.effect);
        // Without a key only `Exists` means anything.
        key && value && effect && (self.key.is_some() || self.value.is_none())
    }
}

impl Pod {
    /// One pod of a workload. A kind without a pod template asks for a place and nothing else.
    pub fn of(object: &Value) -> Self {
        let Some(spec) = pod::specs(object).next() else {
            return Self {
                requests: Amounts::from([(PODS.to_owned(), 1000)]),
                ..Self::default()
            };
        };
        Self::read(spec)
    }

    /// Reads a pod's spec.
    pub fn read(spec: &Map<String, Value>) -> Self {
        let mut requests = pod_requests(spec);
        requests.insert(PODS.to_owned(), 1000);
        let tolerations = spec.get("tolerations").and_then(Value::as_array);
        let tolerations = tolerations.into_iter().flatten();
        let tolerations = tolerations.filter_map(Value::as_object);
        let selector = spec.get("nodeSelector").and_then(Value::as_object);
        let selector = selector.into_iter().flatten();
        let selector = selector.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
        Self {
            requests,
            tolerations: tolerations.map(Toleration::read).collect(),
            selector: selector.collect(),
        }
    }

    /// What so many pods ask for of one resource.
    pub fn ask(&self, resource: &str, pods: u32) -> Milli {
        let each = self.requests.get(resource).copied().unwrap_or(0);
        each.saturating_mul(u64::from(pods))
    }
}
