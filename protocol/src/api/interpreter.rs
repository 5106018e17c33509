//! `ResourceInterpreter`: how the hub reads and writes objects of a kind that it does not know.

use serde::{Deserialize, Serialize};

use super::meta::ObjectMeta;

/// The kind's name and plural.
pub const RESOURCE_INTERPRETER: (&str, &str) = ("ResourceInterpreter", "resourceinterpreters");

/// Explains one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceInterpreter {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What it explains, and how.
    pub spec: Spec,
}

/// What an interpreter explains, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// The kind.
    pub target: Target,
    /// What is told of it.
    pub customizations: Customizations,
}

/// A kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// Group and version; every version of the group is meant.
    pub api_version: String,
    /// Kind.
    pub kind: String,
}

/// What is told of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Customizations {
    /// How many replicas an object is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_resource: Option<Rule>,
    /// Where a share of them is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_revision: Option<Place>,
    /// How an object is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_interpretation: Option<Rule>,
    /// What status an object has over several clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_aggregation: Option<Rule>,
}

/// A rule in CEL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// The expression; at most 2 kB.
    pub expression: String,
}

/// A place in an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// A JSON pointer.
    pub path: String,
}
