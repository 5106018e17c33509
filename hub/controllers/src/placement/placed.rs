//! Condition Placed: whether a template is where its policies want it.

use roadstead_plan::{Finding, Placement};
use roadstead_protocol::api::decision::Decision;
use roadstead_protocol::api::{Condition, ConditionStatus, condition};

/// Longest message of a condition, in characters.
const MESSAGE_CHARS_MAX: usize = 2048;
/// Reason of condition Placed while what was placed is on its way out.
pub(crate) const REMOVING: &str = "Removing";

/// Condition Placed: whether the template is where the policies want it.
pub(crate) fn placed(placement: &Placement) -> Condition {
    let findings: Vec<&Finding> = placement.findings.iter().collect();
    let Some(first) = findings.iter().min_by_key(|f| rank(f)) else {
        let count = placement.targets.len();
        if placement.policy.is_none() && count == 0 {
            let message = "it was deleted, and is on its way out of the clusters that had it";
            return Condition::new("Placed", ConditionStatus::False, REMOVING, message);
        }
        let noun = if count == 1 { "cluster" } else { "clusters" };
        let message = format!("decided for {count} {noun}");
        return Condition::new("Placed", ConditionStatus::True, "Placed", message);
    };
    if placement.policy.is_none() && placement.kept.is_empty() {
        let reason = if placement.removals.is_empty() {
            first.reason()
        } else {
            REMOVING
        };
        return Condition::new("Placed", ConditionStatus::False, reason, first.to_string());
    }
    let message = findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    let message = cut(&message);
    Condition::new("Placed", ConditionStatus::False, first.reason(), message)
}

/// Which finding gives a condition its reason: the smallest.
fn rank(finding: &Finding) -> u8 {
    match finding {
        Finding::Unreadable { .. } => 0,
        Finding::Reserved(_) | Finding::ZeroWeights | Finding::BadReplicas(_) => 1,
        Finding::NotRendered { .. } => 2,
        Finding::Held { .. }
        | Finding::Behind { .. }
        | Finding::Suspended { .. }
        | Finding::Replacing { .. }
        | Finding::FailoverHeld { .. }
        | Finding::OverBudget { .. }
        | Finding::Awaits { .. } => 3,
        Finding::UnknownKinds(_) | Finding::UnknownClusters(_) => 4,
        Finding::AmbiguousCluster { .. } => 5,
        Finding::Unplaced { .. }
        | Finding::NoCluster
        | Finding::NothingOpen { .. }
        | Finding::SpreadUnmet { .. } => 6,
        Finding::Outranked { .. } | Finding::NothingSelected | Finding::NoPolicy => 7,
    }
}

/// `text` within the bound of a message.
pub(crate) fn cut(text: &str) -> String {
    if text.chars().count() <= MESSAGE_CHARS_MAX {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MESSAGE_CHARS_MAX - 1).collect();
    short.push('…');
    short
}

/// Condition Placed of a decision, as it was written.
pub(crate) fn placed_of(decision: &Decision) -> Option<&Condition> {
    condition::find(&decision.status.conditions, "Placed")
}
