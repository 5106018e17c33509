//! Which rules of override policies are for a cluster, and of those that go by what it reports, which are in
//! force there.
//!
//! That is remembered with the decision where it may matter for the number of replicas, so that a changed
//! report only ever adds to what runs. What people change (a policy, a cluster's labels) makes other
//! marks, and nothing is remembered over that.

use std::collections::BTreeMap;

use roadstead_protocol::wire::Digest;

use super::Overriding;
use super::rule::{Overrides, Rule};
use crate::affinity::Reading;
use crate::cluster::Cluster;
use crate::world::World;

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
    fn is_in_force(&self, mark: &str) -> bool {
        self.0.get(mark).copied().unwrap_or(false)
    }
}

/// A rule with its clusters' names understood, ready to be judged for many clusters.
#[derive(Clone, Debug)]
pub(super) struct Prepared<'a> {
    pub(super) target: Reading<'a>,
    pub(super) rule: &'a Rule,
    /// What tells it from all others, and from what it was before its policy was edited; `None` where it
    /// does not go by what clusters report.
    mark: Option<String>,
}

/// Whether a rule is for a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    No,
    Yes,
    /// What people say lets it in there; whether what the cluster reports does.
    ByReports(bool),
}

impl For {
    pub(super) fn in_force(self) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::ByReports(is) => is,
        }
    }
}

/// Whether each of the rules of [`Overriding`] is for one cluster, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged(Vec<For>);

impl Judged {
    /// Whether any change is for the cluster, or may be when it reports something else.
    pub(crate) fn concerned(&self) -> bool {
        self.0.iter().any(|is| *is != For::No)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = For> {
        self.0.iter().copied()
    }
}

impl<'a> Prepared<'a> {
    /// The rule at a place of a policy, if it changes anything.
    pub(super) fn new(world: &'a World, policy: &'a Overrides, index: usize) -> Option<Self> {
        let rule = policy.rules.get(index).filter(|r| !r.changes.is_empty())?;
        let identity = &policy.identity;
        let target = Reading::new(world, identity.viewpoint(), &rule.target);
        let mark = target.goes_by_reports().then(|| {
            let text = format!("{} {} {index}", identity.uid, identity.generation);
            let digest = Digest::of(text.as_bytes()).to_string();
            digest.chars().take(MARK_DIGITS).collect()
        });
        Some(Self { target, rule, mark })
    }

    fn judge(&self, cluster: &Cluster) -> For {
        if self.target.wanted(cluster).is_err() {
            return For::No;
        }
        let met = self.target.unmet(cluster).is_none();
        match (&self.mark, met) {
            (Some(_), met) => For::ByReports(met),
            (None, true) => For::Yes,
            (None, false) => For::No,
        }
    }
}

impl Overriding<'_> {
    fn prepared(&self) -> impl Iterator<Item = &Prepared<'_>> {
        self.policies.iter().flat_map(|(_, rules)| rules)
    }

    /// Judges every rule for `cluster`.
    pub(crate) fn judge(&self, cluster: &Cluster) -> Judged {
        Judged(self.prepared().map(|rule| rule.judge(cluster)).collect())
    }

    /// Which rules by reports are in force where the rules are so `judged`, of those that what people say
    /// lets in there.
    pub(crate) fn verdicts(&self, judged: &Judged) -> Verdicts {
        let both = self.prepared().zip(judged.iter());
        let verdict = |(rule, is): (&Prepared<'_>, For)| match is {
            For::ByReports(is) => Some((rule.mark.clone()?, is)),
            For::No | For::Yes => None,
        };
        Verdicts(both.filter_map(verdict).collect())
    }

    /// The same as `judged`, as if of the rules by reports those were in force.
    pub(crate) fn as_if(&self, judged: &Judged, verdicts: &Verdicts) -> Judged {
        let both = self.prepared().zip(judged.iter());
        let judge = |(rule, is): (&Prepared<'_>, For)| match (is, &rule.mark) {
            (For::ByReports(_), Some(mark)) => For::ByReports(verdicts.is_in_force(mark)),
            (is, _) => is,
        };
        Judged(both.map(judge).collect())
    }
}
