//! The events that tell of a decision.

use std::collections::BTreeMap;

use roadstead_plan::Placement;
use roadstead_protocol::api::ConditionStatus;
use roadstead_protocol::api::decision::{Decision, Target};
use roadstead_protocol::api::failover::FailedOver;

use crate::events::Event;
use crate::objects::Turn;
use crate::placement::REMOVING;

/// Most clusters that an event names.
const NAMED_MAX: usize = 5;

/// The events that tell of a new decision.
pub(crate) fn told(former: &Decision, placement: &Placement, turned: &[Turn]) -> Vec<Event> {
    let mut told: Vec<Event> = turned
        .iter()
        .filter(|turn| turn.now.status != ConditionStatus::True && turn.now.reason != REMOVING)
        .map(|turn| Event::warning(&turn.now.reason, &turn.now.message))
        .collect();
    let before = former.spec.clusters.iter().map(|t| (t.uid.as_str(), t));
    let before: BTreeMap<&str, &Target> = before.collect();
    let before = |uid: &str| before.get(uid).copied();
    let moved: Vec<String> = placement
        .targets
        .iter()
        .filter(|t| before(&t.cluster).is_none_or(|b| b.replicas != t.replicas))
        .map(|t| match t.replicas {
            Some(n) => format!("{}/{}: {n}", t.path.0, t.path.1),
            None => format!("{}/{}", t.path.0, t.path.1),
        })
        .collect();
    if !moved.is_empty() {
        let by = match (&placement.policy, placement.required_by.first()) {
            (Some(policy), _) => format!("{} places it on", policy.name),
            (None, Some(by)) => format!("{by} needs it on"),
            (None, None) => "placed on".to_owned(),
        };
        let text = format!("{by} {}", list(&moved));
        told.push(Event::normal("Placed", &text));
    }
    let removed: Vec<String> = placement
        .removals
        .iter()
        .map(|r| format!("{}/{}", r.path.0, r.path.1))
        .collect();
    if let Some(first) = placement.removals.first() {
        let text = format!("removed from {}: {}", list(&removed), first.reason.text());
        told.push(Event::normal("Removed", &text));
    }
    told.extend(failed_over(former, placement));
    told
}

/// The events that tell of clusters that it begins to be failed over from, or may go back to.
fn failed_over(former: &Decision, placement: &Placement) -> Vec<Event> {
    let before = &former.spec.failed_over;
    let now = &placement.failed_over;
    let others = |marks: &[FailedOver], but: &[FailedOver]| -> Vec<String> {
        let others = marks.iter().filter(|m| but.iter().all(|b| b.uid != m.uid));
        others
            .map(|m| format!("{}/{}", m.namespace, m.name))
            .collect()
    };
    let (begins, ends) = (others(now, before), others(before, now));
    let mut told = Vec::new();
    if !begins.is_empty() {
        let text = format!("failed over from {}", list(&begins));
        told.push(Event::warning("FailedOver", &text));
    }
    if !ends.is_empty() {
        let text = format!("no longer failed over from {}", list(&ends));
        told.push(Event::normal("FailoverOver", &text));
    }
    told
}

fn list(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
