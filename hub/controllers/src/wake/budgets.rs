//! What waits for its policy's disruption budget, or for that of what needs it, and what wakes it: any news
//! of what the policy holds, and of itself.

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
    /// Templates that others need, or no policy holds, and that wait.
    along: BTreeMap<ItemKey, Along>,
    /// UIDs of the policies of which there are news, and for how long more are gathered: what waits for
    /// them is looked up once for all changes that are taken in together.
    news: BTreeMap<String, Duration>,
    /// The same of templates that others need.
    news_along: BTreeMap<ItemKey, Duration>,
}

/// What one goes along with that others need.
struct Along {
    /// Some of those that need it.
    by: Vec<ItemKey>,
    /// Whether there may be more.
    more: bool,
}

impl Waiting {
    /// Takes note of a decision.
    pub(super) fn note(&mut self, decision: &Decision) {
        let item = item(decision);
        let (policy, by) = (&decision.spec.policy, &decision.spec.required_by);
        let waits = decision.spec.clusters.iter().any(waits_for_budget);
        if waits && (policy.is_none() || !by.is_empty()) {
            let along = Along {
                by: by.iter().map(key).collect(),
                more: by.len() >= SAMPLES_MAX,
            };
            self.along.insert(item.clone(), along);
        }
        let Some(policy) = policy else { return };
        if waits {
            let waiting = self.by_policy.entry(policy.uid.clone()).or_default();
            waiting.insert(item.clone());
        }
        self.holders.insert(item, policy.uid.clone());
    }

    /// Takes back what was noted of a decision as it was.
    pub(super) fn forget(&mut self, decision: &Decision) {
        let item = item(decision);
        self.along.remove(&item);
        let Some(policy) = self.holders.remove(&item) else {
            return;
        };
        if let Some(waiting) = self.by_policy.get_mut(&policy) {
            waiting.remove(&item);
            if waiting.is_empty() {
                self.by_policy.remove(&policy);
            }
        }
    }

    /// The policy that holds `item`, where something waits for its budget.
    fn policy(&self, item: &ItemKey) -> Option<&String> {
        let policy = self.holders.get(item)?;
        self.by_policy.contains_key(policy).then_some(policy)
    }

    /// Those that others need and for which news of `item` are news: of itself, and of what is held by a
    /// policy that holds one that needs it.
    fn along(&self, item: &ItemKey) -> Vec<ItemKey> {
        let policy = self.holders.get(item);
        let held = |by: &ItemKey| self.holders.get(by) == policy;
        let concerns = |(waits, along): &(&ItemKey, &Along)| {
            *waits == item || (policy.is_some() && (along.more || along.by.iter().any(held)))
        };
        let concerned = self.along.iter().filter(concerns);
        concerned.map(|(waits, _)| waits.clone()).collect()
    }
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
        for along in self.budgets.along(item) {
            gather(&mut self.budgets.news_along, along, delay);
        }
        if let Some(policy) = self.budgets.policy(item).cloned() {
            gather(&mut self.budgets.news, policy, delay);
        }
    }

    /// Wakes what waits for the budgets of which there are news.
    pub(super) fn spare(&mut self, out: &mut Vec<Woken<Work>>) {
        for (policy, delay) in std::mem::take(&mut self.budgets.news) {
            let waiting = self.budgets.by_policy.get(&policy);
            let waiting = waiting.into_iter().flatten();
            let many = u32::try_from(waiting.clone().count()).unwrap_or(u32::MAX);
            let delay = delay + PER_TEMPLATE.saturating_mul(many);
            let work = waiting.cloned().map(Work::Placement);
            out.extend(woken(work, delay, "a disruption budget"));
        }
        let along = std::mem::take(&mut self.budgets.news_along);
        let many = u32::try_from(along.len()).unwrap_or(u32::MAX);
        for (item, delay) in along {
            let delay = delay + PER_TEMPLATE.saturating_mul(many);
            out.extend(woken([Work::Placement(item)], delay, "a disruption budget"));
        }
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
