//! What a policy's templates come to, and the conditions that follow from it.

use std::collections::BTreeSet;

use roadstead_plan::Finding;
use roadstead_protocol::api::decision::SAMPLES_MAX;
use roadstead_protocol::api::{Condition, ConditionStatus};

use crate::placement::cut;

/// What a policy's templates come to.
#[derive(Default)]
pub(crate) struct Tally {
    /// Templates that are selected.
    pub(crate) selected: u32,
    pub(crate) claimed: u32,
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) findings: Vec<Finding>,
    /// What decisions say of the policy's own names: without those that may be meant.
    pub(crate) bare: Vec<Finding>,
    /// Templates whose decision says that not all is placed: name, reason, message.
    pub(crate) unplaced: Vec<(String, String, String)>,
    /// Whether a decision that this follows from is yet to be made.
    pub(crate) undecided: bool,
    /// Templates that are not Ready: name, how, message.
    pub(crate) unready: Vec<(String, ConditionStatus, String)>,
}

impl Tally {
    /// Condition Placed.
    pub(crate) fn placed(&self) -> Condition {
        let outranked = |f: &&Finding| matches!(f, Finding::Outranked { .. });
        let contested = self.findings.iter().filter(outranked).count();
        let mut said: Vec<(String, String)> = self
            .findings
            .iter()
            .filter(|f| !outranked(f))
            .map(|f| (f.reason().to_owned(), f.to_string()))
            .collect();
        let own = joined(&said);
        if let Some(first) = self.findings.iter().find(outranked) {
            let more = match contested {
                1 => String::new(),
                n => format!(", and so for {} others", n - 1),
            };
            said.push((first.reason().to_owned(), format!("{first}{more}")));
        }
        // What is wrong with the policy is said once, not again for each object.
        let bare: Vec<String> = self.bare.iter().map(ToString::to_string).collect();
        let bare = bare.join("; ");
        let unplaced = self
            .unplaced
            .iter()
            .filter(|(_, _, message)| *message != own && *message != bare)
            .take(SAMPLES_MAX);
        said.extend(
            unplaced.map(|(item, reason, message)| (reason.clone(), format!("{item}: {message}"))),
        );
        let Some((reason, _)) = said.first().cloned() else {
            let count = self.clusters.len();
            let clusters = if count == 1 { "cluster" } else { "clusters" };
            let objects = if self.claimed == 1 {
                "object"
            } else {
                "objects"
            };
            let message = format!("{} {objects} decided for {count} {clusters}", self.claimed);
            return Condition::new("Placed", ConditionStatus::True, "Placed", message);
        };
        let message = joined(&said);
        Condition::new("Placed", ConditionStatus::False, reason, cut(&message))
    }

    /// Condition Ready.
    pub(crate) fn ready(&self) -> Condition {
        let worst =
            self.unready
                .iter()
                .map(|(_, status, _)| *status)
                .fold(None, |worst, status| {
                    if worst == Some(ConditionStatus::False) {
                        worst
                    } else {
                        Some(status)
                    }
                });
        let Some(worst) = worst else {
            return match self.claimed {
                0 => {
                    let message = "it has its way with no object";
                    Condition::new("Ready", ConditionStatus::False, "NothingPlaced", message)
                }
                n => {
                    let message = match n {
                        1 => "its object is ready on all its clusters".to_owned(),
                        n => format!("all {n} objects are ready on all their clusters"),
                    };
                    Condition::new("Ready", ConditionStatus::True, "Ready", message)
                }
            };
        };
        let named: Vec<String> = self
            .unready
            .iter()
            .filter(|(_, status, _)| *status == worst)
            .take(SAMPLES_MAX)
            .map(|(item, _, message)| format!("{item}: {message}"))
            .collect();
        let reason = if worst == ConditionStatus::Unknown {
            "NoNews"
        } else {
            "NotReady"
        };
        let count = self.unready.len();
        let message = format!(
            "{count} of {} not ready: {}",
            self.claimed,
            named.join("; ")
        );
        Condition::new("Ready", worst, reason, cut(&message))
    }
}

/// Messages, in one.
fn joined(said: &[(String, String)]) -> String {
    let messages: Vec<&str> = said.iter().map(|(_, message)| message.as_str()).collect();
    messages.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_policy_is_said_once() {
        let unknown = Finding::UnknownClusters(vec!["north".to_owned()]);
        let same = unknown.to_string();
        let unplaced = |item: &str, message: &str| {
            let reason = "UnknownClusters".to_owned();
            (item.to_owned(), reason, message.to_owned())
        };
        let tally = Tally {
            findings: vec![unknown],
            unplaced: vec![unplaced("web", &same), unplaced("db", "held")],
            ..Tally::default()
        };
        assert_eq!(tally.placed().message, format!("{same}; db: held"));
        // Nor is the bare name, where the policy says what may be meant.
        let hinted = Finding::UnknownClusters(vec!["nort (is north meant?)".to_owned()]);
        let bare = Finding::UnknownClusters(vec!["nort".to_owned()]);
        let own = hinted.to_string();
        let tally = Tally {
            findings: vec![hinted],
            unplaced: vec![unplaced("web", &bare.to_string()), unplaced("db", "held")],
            bare: vec![bare],
            ..Tally::default()
        };
        assert_eq!(tally.placed().message, format!("{own}; db: held"));
    }
}
