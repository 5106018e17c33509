//! What a policy asks of the hardware of clusters, as people write it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Hardware without which a cluster gets nothing new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceConstraint {
    /// The resource's name, as nodes have it: `nvidia.com/gpu`.
    pub name: String,
    /// Which models count; all of these must hold, and any model does where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<ModelRequirement>,
    /// How much of it at least, over the nodes of the cluster whose model counts: a Kubernetes
    /// quantity, or a number. One (of whatever the unit is) where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_quantity: Option<Value>,
}

/// A condition on the model of a piece of hardware.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelRequirement {
    /// How the model relates to the values.
    pub operator: ModelOperator,
    /// Models: each a word, or several, of what a node's product label says, in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a model relates to values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelOperator {
    /// It is one of them.
    #[default]
    In,
    /// It is none of them.
    NotIn,
    /// There is one, whatever it is.
    Exists,
}

/// Hardware that is liked better.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HardwarePreference {
    /// What a cluster that has it scores, from 1 to 100.
    pub weight: u32,
    /// Which models.
    pub preference: ModelRequirement,
}
