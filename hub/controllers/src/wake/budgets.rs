//! What waits for its policy's disruption budget, or for those of the policies of what needs it, and what
//! wakes it: any news of what these policies hold, and of itself. What waits is looked up once for all news
//! that are taken in together; a report costs the same however much waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_plan::deps::read::key;
use roadstead_protocol::api::decision::{Decision, SAMPLES_MAX};
use roadstead_protocol::wire::ItemKey;

use super::Wake;
use super::changes::woken;
use crate::decision::waits_for_budget;
use crate::driver::Woken;
use crate::reconciler::item;
use crate::work::Work;

/// For how much longer than usual news are gathered, for each template that waits: each looks at the whole
/// of its policy.
const PER_TEMPLATE: Duration = Duration::from_micros(200);

/// Who waits for which budget.
#[derive(Default)]
pub(super) struct Waiting {
    /// Templates that wait, by the UIDs of their policies.
    by_policy: BTreeMap<String, BTreeSet<ItemKey>>,
    /// Whom every template belongs to that a policy holds.
    holders: BTreeMap<ItemKey, String>,
    /// Templates that others need and that wait, with some of those that need them.
    along: BTreeMap<ItemKey, Vec<ItemKey>>,
    /// Of these, those that more may need than are named.
    more: BTreeSet<ItemKey>,
    /// Who waits for the budgets of the policies of those that need it, by the latter.
    along_by: BTreeMap<ItemKey, BTreeSet<ItemKey>>,
    /// These latter, by the UIDs of the policies that hold them.
    needing: BTreeMap<String, BTreeSet<ItemKey>>,
    /// UIDs of the policies of which there are news, and for how long more are gathered.
    news: BTreeMap<String, Duration>,
    /// The same of templates that others need.
    news_along: BTreeMap<ItemKey, Duration>,
    /// How many that wait were looked at, for tests.
    #[cfg(test)]
    looked: std::cell::Cell<usize>,
}

/// Takes a value away from those of a key.
fn remove<K: Ord>(all: &mut BTreeMap<K, BTreeSet<ItemKey>>, of: &K, value: &ItemKey) {
    if let Some(values) = all.get_mut(of) {
        values.remove(value);
        if values.is_empty() {
            all.remove(of);
        }
    }
}

impl Waiting {
    /// Takes note of a decision.
    pub(super) fn note(&mut self, decision: &Decision) {
        let item = item(decision);
        let policy = decision.spec.policy.as_ref().map(|policy| &policy.uid);
        if decision.spec.clusters.iter().any(waits_for_budget) {
            let by = &decision.spec.required_by;
            if policy.is_none() || !by.is_empty() {
                self.note_along(&item, by.iter().map(key).collect());
            }
            if let Some(policy) = policy {
                let waiting = self.by_policy.entry(policy.clone()).or_default();
                waiting.insert(item.clone());
            }
        }
        if let Some(policy) = policy {
            if self.along_by.contains_key(&item) {
                let needing = self.needing.entry(policy.clone()).or_default();
                needing.insert(item.clone());
            }
            self.holders.insert(item, policy.clone());
        }
    }

    /// Takes note of one that waits and that these need: it may wait for the budgets of their policies,
    /// whoever holds it.
    fn note_along(&mut self, item: &ItemKey, by: Vec<ItemKey>) {
        for by in &by {
            let waiting = self.along_by.entry(by.clone()).or_default();
            waiting.insert(item.clone());
            if let Some(policy) = self.holders.get(by) {
                let needing = self.needing.entry(policy.clone()).or_default();
                needing.insert(by.clone());
            }
        }
        if by.len() >= SAMPLES_MAX {
            self.more.insert(item.clone());
        }
        self.along.insert(item.clone(), by);
    }

    /// Takes back what was noted of a decision as it was.
    pub(super) fn forget(&mut self, decision: &Decision) {
        let item = item(decision);
        for by in self.along.remove(&item).unwrap_or_default() {
            remove(&mut self.along_by, &by, &item);
            let needs_none = !self.along_by.contains_key(&by);
            if let Some(policy) = self.holders.get(&by).filter(|_| needs_none) {
                remove(&mut self.needing, policy, &by);
            }
        }
        self.more.remove(&item);
        if let Some(policy) = self.holders.remove(&item) {
            remove(&mut self.by_policy, &policy, &item);
            remove(&mut self.needing, &policy, &item);
        }
    }

    /// The policy that holds `item`, where something may wait for its budget.
    fn policy(&self, item: &ItemKey) -> Option<&String> {
        let policy = self.holders.get(item)?;
        let waits = self.by_policy.contains_key(policy)
            || self.needing.contains_key(policy)
            || !self.more.is_empty();
        waits.then_some(policy)
    }

    /// What others need, and what may wait for the budget of the policy that holds these.
    fn along(&self, policy: &str) -> impl Iterator<Item = &ItemKey> {
        let needing = self.needing.get(policy).into_iter().flatten();
        let waiting = needing.filter_map(|by| self.along_by.get(by)).flatten();
        waiting.chain(&self.more)
    }

    /// Who is to be woken by the news so far, each once, and in how long.
    fn concerned(&mut self) -> BTreeMap<ItemKey, Duration> {
        let mut concerned = BTreeMap::new();
        let of_themselves = std::mem::take(&mut self.news_along);
        let longer = PER_TEMPLATE.saturating_mul(number(of_themselves.len()));
        for (item, delay) in of_themselves {
            gather(&mut concerned, item, delay + longer);
        }
        for (policy, delay) in std::mem::take(&mut self.news) {
            let waiting = self.by_policy.get(&policy).into_iter().flatten();
            let waiting: BTreeSet<&ItemKey> = waiting.chain(self.along(&policy)).collect();
            let delay = delay + PER_TEMPLATE.saturating_mul(number(waiting.len()));
            #[cfg(test)]
            self.looked.set(self.looked.get() + waiting.len());
            for item in waiting {
                gather(&mut concerned, item.clone(), delay);
            }
        }
        concerned
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// More of this is to be gathered before it wakes anybody.
fn gather<K: Ord>(news: &mut BTreeMap<K, Duration>, of: K, delay: Duration) {
    let known = news.entry(of).or_insert(delay);
    *known = delay.max(*known);
}

impl Wake {
    /// Takes note of news of `item`, for which what waits for a budget is to be woken.
    pub(super) fn spared(&mut self, item: &ItemKey) {
        let delay = self.settle_of(item);
        if self.budgets.along.contains_key(item) {
            gather(&mut self.budgets.news_along, item.clone(), delay);
        }
        if let Some(policy) = self.budgets.policy(item).cloned() {
            gather(&mut self.budgets.news, policy, delay);
        }
    }

    /// Wakes what waits for the budgets of which there are news.
    pub(super) fn spare(&mut self, out: &mut Vec<Woken<Work>>) {
        for (item, delay) in self.budgets.concerned() {
            out.extend(woken([Work::Placement(item)], delay, "a disruption budget"));
        }
    }

    /// How many that wait were looked at since the start because of news.
    #[cfg(test)]
    pub(crate) fn looked(&self) -> usize {
        self.budgets.looked.get()
    }

    /// The same of a decision that changed, once by what was noted of it before and once by what is noted
    /// now.
    pub(super) fn spared_by(&mut self, (new, old): (&Option<Decision>, &Option<Decision>)) {
        let Some(decision) = new.as_ref().or(old.as_ref()) else {
            return;
        };
        let item = item(decision);
        let same = match (new, old) {
            (Some(new), Some(old)) => {
                new.spec.clusters == old.spec.clusters && new.status.clusters == old.status.clusters
            }
            (Some(_), None) | (None, Some(_)) | (None, None) => false,
        };
        // That also wakes the one that began to wait just now: what was heard while it was being decided
        // woke nobody yet.
        if !same {
            self.spared(&item);
        }
    }
}
