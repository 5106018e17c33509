//! What a pod asks of its node, as Kubernetes counts it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::quantity::{self, Milli};

/// Amounts by resource, in thousandths.
pub type Amounts = BTreeMap<String, Milli>;

/// What the pod of a `spec` asks for, its own place not counted. Containers that run together add up;
/// of init containers, which run one after another, the largest counts, beside those that stay.
pub fn pod_requests(spec: &Map<String, Value>) -> Amounts {
    let mut running = Amounts::new();
    let mut starting = Amounts::new();
    let containers = |field: &str| {
        let list = spec.get(field).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_object)
    };
    for container in containers("initContainers") {
        let asked = requests(container);
        let stays = container.get("restartPolicy").and_then(Value::as_str) == Some("Always");
        if stays {
            add(&mut running, &asked);
        }
        let mut at_once = running.clone();
        if !stays {
            add(&mut at_once, &asked);
        }
        raise(&mut starting, &at_once);
    }
    for container in containers("containers") {
        add(&mut running, &requests(container));
    }
    raise(&mut running, &starting);
    let overhead = spec.get("overhead").and_then(Value::as_object);
    add(&mut running, &amounts(overhead));
    running
}

/// What a container asks for; where it says only what it may use at the most, that.
fn requests(container: &Map<String, Value>) -> Amounts {
    let part = |field: &str| {
        let resources = container.get("resources").and_then(|r| r.get(field));
        amounts(resources.and_then(Value::as_object))
    };
    let mut asked = part("limits");
    asked.extend(part("requests"));
    asked
}

/// Quantities by name; what is none is left out.
pub fn amounts(said: Option<&Map<String, Value>>) -> Amounts {
    let said = said.into_iter().flatten();
    said.filter_map(|(name, value)| Some((name.clone(), quantity::read(value)?)))
        .collect()
}

/// Adds `more` to `sum`.
pub fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let has = sum.entry(name.clone()).or_default();
        *has = has.saturating_add(*amount);
    }
}

fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let has = most.entry(name.clone()).or_default();
        *has = (*has).max(*amount);
    }
}
