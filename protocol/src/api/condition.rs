//! Conditions: what is so, since when, why, and for which generation.

use serde::{Deserialize, Serialize};

use super::meta::timestamp;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It was observed to hold.
    True,
    /// It was observed not to hold.
    False,
    /// There is no (recent) news.
    Unknown,
}

/// One condition, as in `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, in CamelCase.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in CamelCase, for programs.
    pub reason: String,
    /// Why, for people.
    #[serde(default)]
    pub message: String,
    /// When `status` last changed, as RFC 3339.
    #[serde(default)]
    pub last_transition_time: String,
    /// The generation of the object that this was observed at; 0 where unknown.
    #[serde(default)]
    pub observed_generation: i64,
}

impl Condition {
    /// A condition that is not placed in time yet; [`set`] does that.
    pub fn new(
        kind: impl Into<String>,
        status: ConditionStatus,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind: kind.into(),
            status,
            reason: reason.into(),
            message: message.into(),
            last_transition_time: String::new(),
            observed_generation: 0,
        }
    }

    /// The same at a generation.
    #[must_use]
    pub fn at(mut self, generation: i64) -> Self {
        self.observed_generation = generation;
        self
    }
}

/// Puts `new` among `conditions`, in place of the one of its type, and says whether anything
/// changed. Where the status stays, so does the transition time; else it becomes `now`.
pub fn set(conditions: &mut Vec<Condition>, mut new: Condition, now: jiff::Timestamp) -> bool {
    let Some(old) = conditions.iter_mut().find(|c| c.kind == new.kind) else {
        new.last_transition_time = timestamp(now);
        conditions.push(new);
        return true;
    };
    new.last_transition_time = if old.status == new.status && !old.last_transition_time.is_empty() {
        old.last_transition_time.clone()
    } else {
        timestamp(now)
    };
    if *old == new {
        return false;
    }
    *old = new;
    true
}

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.kind == kind)
}
