//! How the clusters are that hold something of a policy with a disruption budget, as last observed.
//!
//! Kept in memory and brought up to date by what changed in both stores; policies without a budget cost
//! nothing. Whatever a budget is spent on takes turns by a key of its own, so that each sees what the one
//! before it took. Who waits is the plan's to say.

mod copies;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use roadstead_plan::budget::{How, Standing, how};
use roadstead_plan::{Placement, World};
use roadstead_protocol::api::decision::{PolicyRef, TemplateRef};
use roadstead_protocol::api::names::{DECISIONS, OWN_GROUP};
use roadstead_protocol::wire::{Digest, ItemKey};
use roadstead_store::records::{
    LedgerState, budget_key, content_key, decode, ledger_key, objects_prefix, parse_ledger_key,
    parse_report_key,
};
use roadstead_store::{Entry, Snapshot, Txn};
use serde::Deserialize;
use serde_json::Value;

use self::copies::{Cluster, Copy};
use crate::error::Error;
use crate::ledger::{Held, Ledger};
use crate::world::is_explained_anew;
use crate::{objects, observed, turn};

/// Most contents that are read to find out what a decision changes; of others it may be anything.
const CONTENTS_MAX: usize = 500;

/// What was read last, and from what.
#[derive(Default)]
pub(crate) struct Budgets(Mutex<Known>);

#[derive(Default)]
struct Known {
    durable: Snapshot,
    news: Snapshot,
    /// UIDs of the policies with a budget.
    policies: BTreeSet<String>,
    /// What their decisions say.
    decided: BTreeMap<ItemKey, Decided>,
    /// By the UIDs of policy and cluster.
    clusters: BTreeMap<String, BTreeMap<String, Cluster>>,
    /// The UIDs of the policies by which an object was noted, by those of the clusters.
    noted: BTreeMap<ItemKey, BTreeMap<String, String>>,
    /// How many copies were looked at, for tests.
    #[cfg(test)]
    read: usize,
}

/// What a decision says.
#[derive(Default, PartialEq, Eq)]
struct Decided {
    /// UID of its policy.
    policy: String,
    /// UIDs of the clusters whose copies count no more.
    outside: BTreeSet<String>,
}

/// Of a Decision only what matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    template: TemplateRef,
    policy: Option<PolicyRef>,
    clusters: Vec<Target>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    uid: String,
    outside: bool,
}

impl Budgets {
    /// How the clusters are that hold something of the policy of the UID `policy`; `items` are the objects for
    /// which this is asked.
    pub(crate) fn of(
        &self,
        (durable, news): (&Snapshot, &Snapshot),
        world: &World,
        policy: &str,
        items: &[&ItemKey],
    ) -> Result<Standing, Error> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Where one cannot be read the next look begins with all of them.
        *known = std::mem::take(&mut *known).updated((durable, news), world)?;
        let mut standing = Standing::default();
        let connected = |uid: &str| world.cluster(uid).and_then(|c| c.ready) == Some(true);
        let clusters = known.clusters.get(policy);
        for (item, clusters) in items
            .iter()
            .flat_map(|item| clusters.map(|all| (item, all)))
        {
            let noted = known.noted.get(*item).into_iter().flatten();
            for (uid, _) in noted.filter(|(_, by)| *by == policy) {
                let copy = clusters.get(uid).and_then(|held| held.copies.get(*item));
                if let Some(how) = copy.and_then(|copy| copy.how()) {
                    let how = if connected(uid) { how } else { How::Unseen };
                    let own = standing.own.entry(uid.clone()).or_insert(how);
                    *own = own.or_more_to_lose(how);
                }
            }
        }
        for (uid, held) in clusters.into_iter().flatten() {
            // What was declared to be stopped, or is gone, counts no more.
            if world.cluster(uid).is_none_or(|cluster| cluster.fenced) {
                continue;
            }
            standing.holders += usize::from(held.counts());
            if let Some(unwell) = held.unwell(connected(uid)) {
                standing.unwell.insert(uid.clone(), unwell);
            }
        }
        Ok(standing)
    }

    /// How many copies were looked at since the start.
    #[cfg(test)]
    pub(crate) fn reads(&self) -> usize {
        self.0.lock().map_or(0, |known| known.read)
    }
}

impl Known {
    /// Reads anew what differs in these, be they newer or older.
    fn updated(
        mut self,
        (durable, news): (&Snapshot, &Snapshot),
        world: &World,
    ) -> Result<Self, Error> {
        let policies = world.policies.iter().filter(|p| p.budget.is_some());
        let policies: BTreeSet<String> = policies.map(|p| p.identity.uid.clone()).collect();
        if policies != self.policies || is_explained_anew(durable, &self.durable) {
            // What was passed over may count now, or be judged otherwise.
            self = Self {
                policies,
                #[cfg(test)]
                read: self.read,
                ..Self::default()
            };
        }
        let mut turned = BTreeSet::new();
        let decisions = objects_prefix(OWN_GROUP, DECISIONS);
        let before = std::mem::replace(&mut self.durable, durable.clone());
        for (old, new) in durable.since(&before) {
            let Some(entry) = new.or(old) else { continue };
            if let Some(copy) = parse_ledger_key(entry.key.as_str()) {
                turned.insert(copy);
            } else if entry.key.as_str().starts_with(&decisions) {
                self.decision((old, new), &mut turned);
            }
        }
        let before = std::mem::replace(&mut self.news, news.clone());
        for (old, new) in news.since(&before) {
            let entry = new.or(old);
            let copy = entry.and_then(|entry| parse_report_key(entry.key.as_str()));
            let noted = |(uid, item): &(String, ItemKey)| {
                let noted = self.noted.get(item);
                noted.is_some_and(|noted| noted.contains_key(uid))
            };
            turned.extend(copy.filter(noted));
        }
        for (uid, item) in turned {
            self.look(world, &uid, &item)?;
        }
        Ok(self)
    }

    /// Takes note of what a changed decision says, and of whose copies count otherwise by it.
    fn decision(
        &mut self,
        (old, new): (Option<&Entry>, Option<&Entry>),
        turned: &mut BTreeSet<(String, ItemKey)>,
    ) {
        let read = |entry: Option<&Entry>| objects::typed::<Said>(entry?).ok();
        let Some(said) = read(new).or_else(|| read(old)) else {
            return;
        };
        let item = said.spec.template.item();
        let policy = said.spec.policy.filter(|_| new.is_some());
        let uid = policy.map(|policy| policy.uid).unwrap_or_default();
        let outside = said.spec.clusters.into_iter().filter(|t| t.outside);
        let now = Decided {
            outside: outside.map(|t| t.uid).collect(),
            policy: uid,
        };
        let counts = self.policies.contains(&now.policy);
        let before = match counts {
            true => self.decided.get(&item),
            false => None,
        };
        if before == Some(&now) || (!counts && !self.decided.contains_key(&item)) {
            return;
        }
        let noted = self.noted.get(&item).into_iter().flatten();
        turned.extend(noted.map(|(uid, _)| (uid.clone(), item.clone())));
        match counts {
            true => self.decided.insert(item, now),
            false => self.decided.remove(&item),
        };
    }

    /// Looks at one copy anew.
    fn look(&mut self, world: &World, uid: &str, item: &ItemKey) -> Result<(), Error> {
        #[cfg(test)]
        {
            self.read += 1;
        }
        if let Some(noted) = self.noted.get_mut(item)
            && let Some(policy) = noted.remove(uid)
            && let Some(clusters) = self.clusters.get_mut(&policy)
            && let Some(cluster) = clusters.get_mut(uid)
        {
            cluster.remove(item);
            if cluster.copies.is_empty() {
                clusters.remove(uid);
            }
        }
        let Some((policy, copy)) = self.copy(world, uid, item)? else {
            if self.noted.get(item).is_some_and(BTreeMap::is_empty) {
                self.noted.remove(item);
            }
            return Ok(());
        };
        let clusters = self.clusters.entry(policy.clone()).or_default();
        clusters.entry(uid.to_owned()).or_default().put(item, copy);
        let noted = self.noted.entry(item.clone()).or_default();
        noted.insert(uid.to_owned(), policy);
        Ok(())
    }

    /// How a copy is, with the UID of its policy; `None` where that has no budget.
    fn copy(
        &self,
        world: &World,
        uid: &str,
        item: &ItemKey,
    ) -> Result<Option<(String, Copy)>, Error> {
        let Some(entry) = self.durable.get(ledger_key(uid, item)?.as_str()) else {
            return Ok(None);
        };
        let held = Held {
            record: decode(entry)?,
            entry: entry.clone(),
        };
        let mut policies = held.record.policies.iter();
        let Some(policy) = policies.find(|uid| self.policies.contains(*uid)).cloned() else {
            return Ok(None);
        };
        let decided = self.decided.get(item);
        if held.record.state == LedgerState::Tombstone {
            // What a user deleted leaves without being held, and holds nothing up.
            let lives = decided.is_some_and(|decided| decided.policy == policy);
            return Ok(lives.then_some((policy, Copy::Leaving)));
        }
        let told = world.interpreter(item);
        let news = (&self.durable, &self.news);
        let how = how(item, &observed::on(news, told, (uid, item, &held), true)?);
        let outside = decided.is_some_and(|decided| decided.outside.contains(uid));
        let copy = match outside {
            true => Copy::Outside(how),
            false => Copy::Counts(how),
        };
        Ok(Some((policy, copy)))
    }
}

/// What clusters have of an object that `placement` gives something else, or a part of it where these are
/// too many.
pub(crate) fn contents(
    snapshot: &Snapshot,
    ledger: &Ledger,
    placement: &Placement,
) -> Result<BTreeMap<Digest, Value>, Error> {
    let mut found = BTreeMap::new();
    for target in &placement.targets {
        let held = ledger.get(&target.cluster).map(|held| &held.record.state);
        let Some(LedgerState::Put { digest, .. }) = held else {
            continue;
        };
        if *digest == target.content.digest
            || found.contains_key(digest)
            || found.len() >= CONTENTS_MAX
        {
            continue;
        }
        let entry = snapshot.get(content_key(digest)?.as_str());
        let content: Option<Value> = entry.map(decode).transpose()?;
        found.extend(content.map(|content| (*digest, content)));
    }
    Ok(found)
}

/// Makes a decision that takes something of budgets one that no other that does was made beside.
pub(crate) fn take_turns(
    snapshot: &Snapshot,
    placement: &Placement,
    txn: &mut Txn,
) -> Result<(), Error> {
    for uid in &placement.spends {
        turn::take(snapshot, budget_key(uid)?, txn);
    }
    Ok(())
}
