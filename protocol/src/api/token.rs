//! `JoinToken`: request and response of `attachedclusters/NAME/token`.

use serde::{Deserialize, Serialize};

/// The kind's name.
pub const KIND: &str = "JoinToken";
/// The shortest life of a token, in seconds.
pub const EXPIRATION_SECONDS_MIN: i64 = 60;
/// The life of a token where nothing is said, in seconds.
pub const EXPIRATION_SECONDS_DEFAULT: i64 = 3600;
/// The longest life of a token, in seconds.
pub const EXPIRATION_SECONDS_MAX: i64 = 24 * 3600;

/// Asks for a join token, and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JoinToken {
    /// `roadstead.dev/v1alpha1`.
    pub api_version: String,
    /// `JoinToken`.
    pub kind: String,
    /// What is asked for.
    pub spec: Spec,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// How long the token is good for, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<i64>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The string to give to the agent. A secret; it is not shown again.
    pub token: String,
    /// Until when it is good, as RFC 3339.
    pub expiration_timestamp: String,
}
