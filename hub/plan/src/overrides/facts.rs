//! Rules of override policies that go by what a cluster reports: which of them are in force there.
//!
//! That is remembered with the decision where it may matter for the number of replicas, so that a changed
//! report only ever adds to what runs. What people change (a policy, a cluster's labels) makes other
//! marks, and nothing is remembered over that.

use std::collections::BTreeMap;

use roadstead_protocol::wire::Digest;

use super::Overriding;
use crate::affinity::Reading;
use crate::cluster::Cluster;
use crate::policy::Overrides;

/// Hexadecimal digits of a mark.
const MARK_DIGITS: usize = 12;

/// Which of the rules by reports are in force on one cluster, by the rules' marks. Empty where what people
/// say lets none of them in there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts(BTreeMap<String, bool>);

impl Verdicts {
    /// What an earlier decision remembers.
    pub(crate) fn parse(text: &str) -> Self {
        let words = text.split_whitespace();
        let verdict = |word: &str| match word.split_at_checked(1)? {
            ("+", mark) => Some((mark.to_owned(), true)),
            ("-", mark) => Some((mark.to_owned(), false)),
            _ => None,
        };
        Self(words.filter_map(verdict).collect())
    }

    /// As a decision remembers it.
    pub(crate) fn text(&self) -> String {
        let word = |(mark, is): (&String, &bool)| format!("{}{mark}", if *is { '+' } else { '-' });
        let words: Vec<String> = self.0.iter().map(word).collect();
        words.join(" ")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the two are about the same rules and differ: only reports have changed.
    pub(crate) fn turned(&self, before: &Self) -> bool {
        self != before && self.0.keys().eq(before.0.keys())
    }

    /// Whether a rule with this mark is in force.
    pub(super) fn is_in_force(&self, mark: &str) -> bool {
        self.0.get(mark).copied().unwrap_or(false)
    }
}

impl Overriding<'_> {
    /// Which rules by reports are in force on `cluster`, of those that what people say lets in there.
    pub(crate) fn verdicts(&self, cluster: &Cluster) -> Verdicts {
        let mut verdicts = BTreeMap::new();
        for (policy, rules) in &self.policies {
            for (index, (target, rule)) in rules.iter().enumerate() {
                if !rule.changes.is_empty() && is_by_facts(target, cluster) {
                    verdicts.insert(mark(policy, index), target.judge(cluster).is_ok());
                }
            }
        }
        Verdicts(verdicts)
    }
}

/// Whether it depends on what `cluster` reports whether a rule is for it.
pub(super) fn is_by_facts(target: &Reading<'_>, cluster: &Cluster) -> bool {
    target.goes_by_reports() && target.wanted(cluster).is_ok()
}

/// What tells a rule from all others, and from what it was before its policy was edited.
pub(super) fn mark(policy: &Overrides, index: usize) -> String {
    let identity = &policy.identity;
    let text = format!("{} {} {index}", identity.uid, identity.generation);
    let digest = Digest::of(text.as_bytes()).to_string();
    digest.chars().take(MARK_DIGITS).collect()
}
