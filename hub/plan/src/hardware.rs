//! What a policy asks of the hardware of clusters: what they must have, and what is liked better.
//!
//! Models are compared word by word: `a100` is in every product label that has that word, whatever its
//! case and whatever stands around it.

use roadstead_protocol::api::hardware::{
    HardwarePreference, ModelOperator, ModelRequirement, ResourceConstraint,
};
use roadstead_protocol::api::quantity::{self, Milli};
use serde_json::Value;

use crate::resources::{Pod, Resources, Shape, binary};

/// Most that one preference may weigh.
const WEIGHT_MAX: u32 = 100;

/// Hardware without which a cluster gets nothing new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    resource: String,
    models: Vec<Models>,
    least: Milli,
}

/// Hardware that is liked better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preference {
    weight: u32,
    models: Models,
}

/// A condition on a model.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Models {
    In(Vec<Words>),
    NotIn(Vec<Words>),
    Exists,
}

/// The words of a model, in lower case.
type Words = Vec<String>;

/// Too little of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
    /// Which.
    pub resource: String,
    /// How much the cluster has of the models asked for.
    pub has: Milli,
    /// How much it must have.
    pub needed: Milli,
    /// Whether it is what is free of it that is too little; else it has no more at all.
    pub free: bool,
}

impl std::fmt::Display for Lack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |milli| quantity::text(milli, binary(&self.resource));
        write!(
            f,
            "it has {}{} of {} of the models asked for, and {} is needed",
            text(self.has),
            if self.free { " free" } else { "" },
            self.resource,
            text(self.needed),
        )
    }
}

impl Constraint {
    /// Understands what a policy says at `path`.
    ///
    /// # Errors
    /// When it means nothing.
    pub fn read(said: &ResourceConstraint, path: &str) -> Result<Self, String> {
        if said.name.is_empty() {
            return Err(format!(
                "{path}.name: Required value: the resource as nodes name it, such as nvidia.com/gpu"
            ));
        }
        let models = said.requirements.iter().enumerate();
        let models =
            models.map(|(i, said)| Models::read(said, &format!("{path}.requirements[{i}]")));
        let least = match &said.min_quantity {
            None | Some(Value::Null) => 1000,
            Some(value) => quantity::read(value).ok_or_else(|| {
                format!(
                    "{path}.minQuantity: Invalid value: {value}: must be a number or a quantity \
                     such as 64Gi, not negative and below 18P"
                )
            })?,
        };
        Ok(Self {
            resource: said.name.clone(),
            models: models.collect::<Result<_, String>>()?,
            least,
        })
    }

    /// Whether a node's devices count.
    fn counts(&self, shape: &Shape) -> bool {
        shape
            .allocatable
            .get(&self.resource)
            .is_some_and(|a| *a > 0)
            && self.models.iter().all(|models| models.hold(shape))
    }
}

impl Preference {
    /// Understands what a policy says at `path`.
    ///
    /// # Errors
    /// When it means nothing.
    pub fn read(said: &HardwarePreference, path: &str) -> Result<Self, String> {
        if said.weight == 0 || said.weight > WEIGHT_MAX {
            return Err(format!(
                "{path}.weight: Invalid value: {}: must be from 1 to {WEIGHT_MAX}",
                said.weight
            ));
        }
        Ok(Self {
            weight: said.weight,
            models: Models::read(&said.preference, &format!("{path}.preference"))?,
        })
    }
}

impl Models {
    fn read(said: &ModelRequirement, path: &str) -> Result<Self, String> {
        let words: Vec<Words> = said.values.iter().map(|value| words(value)).collect();
        if let Some(at) = words.iter().position(Vec::is_empty) {
            return Err(format!(
                "{path}.values[{at}]: Invalid value: {:?}: must have a letter or a digit",
                said.values.get(at).map(String::as_str).unwrap_or_default()
            ));
        }
        match (said.operator, words.is_empty()) {
            (ModelOperator::In, false) => Ok(Self::In(words)),
            (ModelOperator::NotIn, false) => Ok(Self::NotIn(words)),
            (ModelOperator::Exists, true) => Ok(Self::Exists),
            (ModelOperator::In | ModelOperator::NotIn, true) => Err(format!(
                "{path}.values: Required value: at least one with In and NotIn"
            )),
            (ModelOperator::Exists, false) => Err(format!(
                "{path}.values: Forbidden: may not be given with Exists"
            )),
        }
    }

    fn hold(&self, shape: &Shape) -> bool {
        let one_of = |models: &[Words]| {
            shape.models.values().any(|label| {
                let label = words(label);
                models.iter().any(|model| contains(&label, model))
            })
        };
        match self {
            Self::In(models) => one_of(models),
            Self::NotIn(models) => !one_of(models),
            Self::Exists => !shape.models.is_empty(),
        }
    }
}

/// The words of a text: what stands between anything but letters and digits, in lower case.
fn words(text: &str) -> Words {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn contains(label: &[String], model: &[String]) -> bool {
    !model.is_empty() && label.windows(model.len()).any(|part| part == model)
}

/// Whether pods for which `constraints` were written belong on a node: on one that has what they ask
/// for, it must be of the models asked for.
pub fn suits(constraints: &[Constraint], pod: &Pod, shape: &Shape) -> bool {
    let asked = |c: &&Constraint| pod.requests.get(&c.resource).is_some_and(|n| *n > 0);
    let mut asked = constraints.iter().filter(asked);
    asked.all(|constraint| constraint.counts(shape))
}

/// Whether a cluster has the hardware, and enough of it free beside `own` pods that are there already.
///
/// # Errors
/// The first thing of which it has too little.
pub fn judge(
    constraints: &[Constraint],
    resources: &Resources,
    pod: &Pod,
    own: u32,
) -> Result<(), Lack> {
    for constraint in constraints {
        let (all, free) = resources.sum(&constraint.resource, |shape| constraint.counts(shape));
        let lack = |has, free| Lack {
            resource: constraint.resource.clone(),
            has,
            needed: constraint.least,
            free,
        };
        if all < constraint.least {
            return Err(lack(all, false));
        }
        let free = free.map(|free| free.saturating_add(pod.ask(&constraint.resource, own)));
        if let Some(free) = free.filter(|free| *free < constraint.least) {
            return Err(lack(free, true));
        }
    }
    Ok(())
}

/// How much a cluster is liked: the sum of the preferences of which it has a node. Where there are
/// constraints, only nodes with what they ask for count.
pub fn score(constraints: &[Constraint], preferences: &[Preference], resources: &Resources) -> u32 {
    let counts = |shape: &Shape| {
        constraints.is_empty()
            || constraints
                .iter()
                .any(|constraint| constraint.counts(shape))
    };
    let nodes: Vec<&Shape> = resources.shapes.iter().filter(|s| counts(s)).collect();
    let liked = preferences
        .iter()
        .filter(|preference| nodes.iter().any(|shape| preference.models.hold(shape)));
    liked.map(|preference| preference.weight).sum()
}
