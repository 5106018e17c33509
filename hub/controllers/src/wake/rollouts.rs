//! What wakes the rollouts of policies, and what these wake. Policies without rollouts cost nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_plan::rollout::State;
use roadstead_plan::rollout::release::Release;
use roadstead_protocol::api::decision::{Decision, PolicyRef};
use roadstead_protocol::api::names::{ATTACHED_CLUSTERS, CLUSTER_GROUP, DECISIONS, OWN_GROUP};
use roadstead_protocol::api::policy::{CLUSTER_DISTRIBUTION, DISTRIBUTION};
use roadstead_protocol::api::rollout::{ROLLOUTS, Rollout};
use roadstead_protocol::wire::ItemKey;
use roadstead_store::records::{
    ObjectKey, ROLLOUT_PREFIX, admitted_prefix, decode, objects_prefix, parse_object_key,
    release_key, releases_prefix, rollout_key,
};
use roadstead_store::{Entry, Event, Snapshot};
use serde_json::Value;

use super::changes::woken;
use super::decisions::{MANY, PER_CLUSTER};
use super::{GATHER, Wake};
use crate::driver::Woken;
use crate::objects;
use crate::reconciler::item;
use crate::work::{Name, Work};
use crate::world;

/// The policies with rollouts.
#[derive(Default)]
pub(super) struct Rolling {
    /// Whether the store was looked through.
    known: bool,
    policies: BTreeMap<Work, Policy>,
    /// Who holds what, of these policies.
    items: BTreeMap<ItemKey, Work>,
    /// With whose objects what goes along, of those that have one under way.
    along: BTreeMap<ItemKey, BTreeSet<Work>>,
}

/// A policy with rollouts.
struct Policy {
    uid: String,
    /// Whether one is under way.
    runs: bool,
    /// About how many clusters the largest of its decisions is.
    clusters: u32,
}

impl Wake {
    /// The rollouts of all policies that have any, read anew, and of those that had: what is left of
    /// them goes.
    pub(super) fn all_rollouts(&mut self) -> Vec<Work> {
        let snapshot = self.store.snapshot();
        self.rolling.policies.clear();
        self.rolling.known = true;
        let mut former = Vec::new();
        for (group, _, plural) in world::POLICIES {
            for entry in snapshot.range(&objects_prefix(group, plural)) {
                let Some(key) = parse_object_key(entry.key.as_str()) else {
                    continue;
                };
                if !self.note_policy(&snapshot, &key, Some(entry)) && left(&snapshot, entry) {
                    former.extend(work(&key));
                }
            }
        }
        let all = self.rolling.policies.keys().cloned();
        all.chain(former).collect()
    }

    /// What a change of the durable store wakes because of rollouts.
    pub(super) fn rolls(&mut self, event: &Event, out: &mut Vec<Woken<Work>>) {
        if !self.rolling.known {
            self.all_rollouts();
        }
        let path = event.key.as_str();
        if let Some(uid) = path.strip_prefix(ROLLOUT_PREFIX) {
            self.turned(uid, event, out);
            return;
        }
        let Some(key) = parse_object_key(path) else {
            return;
        };
        let at = (key.group.as_str(), key.plural.as_str());
        let policies = [DISTRIBUTION.1, CLUSTER_DISTRIBUTION.1];
        if policies.contains(&at.1) && work(&key).is_some() {
            let snapshot = self.store.snapshot();
            let before = self.note_policy(&snapshot, &key, event.previous.as_ref());
            let now = self.note_policy(&snapshot, &key, event.new.as_ref());
            let work = work(&key).filter(|_| before || now);
            out.extend(woken(work, GATHER, "its policy"));
        }
        if self.rolling.policies.is_empty() {
            return;
        }
        if at == (OWN_GROUP, ROLLOUTS) {
            let entries = event.new.iter().chain(&event.previous);
            let read = entries.filter_map(|entry| objects::typed::<Rollout>(entry).ok());
            let work: BTreeSet<Work> = read.filter_map(|r| of(&r.spec.policy)).collect();
            out.extend(woken(work, GATHER, "its Rollout"));
        } else if at == (OWN_GROUP, DECISIONS) {
            self.decided(event, out);
        } else if at == (CLUSTER_GROUP, ATTACHED_CLUSTERS) {
            for (work, policy) in self.rolling.policies.iter().filter(|(_, p)| p.runs) {
                let delay = self.settle + wide(policy.clusters);
                out.extend(woken([work.clone()], delay, "a cluster"));
            }
        } else if world::item(&self.registry(), &key).is_some() || world::is_policy(&key) {
            self.changed(&key.namespace, out);
        }
    }

    /// What a report about `item` wakes because of rollouts: of who holds it, and of those with whose objects
    /// it goes along.
    pub(super) fn rolls_on(&self, item: &ItemKey, out: &mut Vec<Woken<Work>>) {
        let along = self.rolling.along.get(item);
        let all = self.rolling.items.get(item).into_iter();
        let all = all.chain(along.into_iter().flatten());
        let runs = |work: &&Work| self.rolling.policies.get(*work).is_some_and(|p| p.runs);
        let all: BTreeSet<Work> = all.filter(runs).cloned().collect();
        out.extend(woken(all, self.settle_of(item), "report"));
    }

    /// Takes note of what goes along with a policy's objects while one of its rollouts is under way: the
    /// one to this release.
    fn note_along(&mut self, work: &Work, target: Option<&Release>) {
        self.rolling.along.retain(|_, works| {
            works.remove(work);
            !works.is_empty()
        });
        let items = target.into_iter().flat_map(|release| &release.items);
        for item in items.filter(|item| !item.own) {
            let works = self.rolling.along.entry(item.key()).or_default();
            works.insert(work.clone());
        }
    }

    /// Takes note of whether a policy has rollouts; says so.
    fn note_policy(&mut self, snapshot: &Snapshot, key: &ObjectKey, entry: Option<&Entry>) -> bool {
        let Some(work) = work(key) else {
            return false;
        };
        let object: Option<Value> = entry.and_then(|entry| objects::object(entry).ok());
        let rolls = |object: &&Value| object.pointer("/spec/rollout").is_some();
        let Some(object) = object.as_ref().filter(rolls) else {
            self.rolling.policies.remove(&work);
            self.note_along(&work, None);
            return false;
        };
        let uid = objects::text(object, "/metadata/uid").to_owned();
        let state = rollout_key(&uid).ok();
        let state = state.and_then(|key| snapshot.get(key.as_str()));
        let state: Option<State> = state.and_then(|entry| decode(entry).ok());
        let run = state.as_ref().and_then(|state| state.run.as_ref());
        let target = run.and_then(|run| release(snapshot, &uid, &run.target));
        self.note_along(&work, target.as_ref());
        let runs = state.is_some_and(|state| state.run.is_some());
        let known = self.rolling.policies.get(&work);
        let clusters = known.map_or(0, |policy| policy.clusters);
        let policy = Policy {
            uid,
            runs,
            clusters,
        };
        self.rolling.policies.insert(work, policy);
        true
    }

    /// How a policy's rollouts stand has changed: what it holds is placed anew.
    fn turned(&mut self, uid: &str, event: &Event, out: &mut Vec<Woken<Work>>) {
        let state = |entry: &Option<Entry>| decode::<State>(entry.as_ref()?).ok();
        let (new, old) = (state(&event.new), state(&event.previous));
        let snapshot = self.store.snapshot();
        let mut works = Vec::new();
        for (work, policy) in &mut self.rolling.policies {
            if policy.uid == uid {
                policy.runs = new.as_ref().is_some_and(|state| state.run.is_some());
                works.push((work.clone(), policy.clusters));
            }
        }
        let mut releases = BTreeSet::new();
        for state in new.iter().chain(&old) {
            releases.extend([state.good.as_str(), state.live.as_str()]);
            releases.extend(state.run.as_ref().map(|run| run.target.as_str()));
        }
        let mut records: BTreeMap<&str, Release> = BTreeMap::new();
        for named in releases {
            let record = release(&snapshot, uid, named);
            records.extend(record.map(|record| (named, record)));
        }
        let run = new.as_ref().and_then(|state| state.run.as_ref());
        let target = run.and_then(|run| records.get(&*run.target));
        for (work, clusters) in works {
            self.note_along(&work, target);
            // With each step of a run decisions about all its clusters are written anew.
            let delay = GATHER + wide(clusters);
            out.extend(woken([work], delay, "its rollouts"));
        }
        let moved = new.as_ref().map(stands) != old.as_ref().map(stands);
        let good = new.as_ref().and_then(|state| records.get(&*state.good));
        let mut items = BTreeSet::new();
        for record in records.values() {
            for item in &record.items {
                let key = item.key();
                // Who is let to what says the same of it as before gets nothing new of it.
                let same = |record: &Release| good.is_some_and(|good| record.says_same(good, &key));
                if moved || !records.values().all(same) {
                    items.insert(Work::Placement(key));
                }
            }
        }
        if moved {
            // What the policy held before, and no release names any more, may have waited for this.
            let behind = self.behind.iter().cloned();
            items.extend(behind.map(Work::Placement));
        }
        out.extend(woken(items, Duration::ZERO, "a rollout"));
    }

    /// An object of `namespace` or an override policy has changed: releases may be others.
    fn changed(&self, namespace: &str, out: &mut Vec<Woken<Work>>) {
        let concerned = |work: &&Work| match work {
            Work::Rollout { name, .. } => {
                name.namespace.is_empty() || namespace.is_empty() || name.namespace == namespace
            }
            Work::Placement(_)
            | Work::Cluster(_)
            | Work::Status(_)
            | Work::Fleet(_)
            | Work::Policy { .. }
            | Work::Garbage => false,
        };
        let policies = self.rolling.policies.keys().filter(concerned);
        out.extend(woken(policies.cloned(), GATHER, "an object"));
    }

    /// A decision has changed: its policy's rollout may go on.
    fn decided(&mut self, event: &Event, out: &mut Vec<Woken<Work>>) {
        let newest = event.new.as_ref().or(event.previous.as_ref());
        let Some(decision) = newest.and_then(|entry| objects::typed::<Decision>(entry).ok()) else {
            return;
        };
        let item = item(&decision);
        if self.rolling.along.contains_key(&item) {
            self.rolls_on(&item, out);
        }
        let work = decision.spec.policy.as_ref().and_then(of);
        let rolling = &mut self.rolling;
        let known = work.filter(|work| rolling.policies.contains_key(work));
        let Some(work) = known.filter(|_| event.new.is_some()) else {
            rolling.items.remove(&item);
            return;
        };
        let mut runs = false;
        if let Some(policy) = rolling.policies.get_mut(&work) {
            let clusters = u32::try_from(decision.spec.clusters.len()).unwrap_or(u32::MAX);
            policy.clusters = policy.clusters.max(clusters);
            runs = policy.runs;
        }
        rolling.items.insert(item.clone(), work.clone());
        let settle = self.settle_of(&item);
        out.extend(woken(Some(work).filter(|_| runs), settle, "decision"));
    }
}

/// For how much longer than usual what concerns a run over so many clusters is gathered.
fn wide(clusters: u32) -> Duration {
    match usize::try_from(clusters).unwrap_or(usize::MAX) >= MANY {
        true => PER_CLUSTER.saturating_mul(clusters),
        false => Duration::ZERO,
    }
}

/// What of rollouts says whether a removal waits for them.
fn stands(state: &State) -> (&str, &str, Option<(&str, bool)>) {
    let run = state.run.as_ref();
    let run = run.map(|run| (run.target.as_str(), run.paused || run.halted.is_some()));
    (&state.good, &state.live, run)
}

/// A release of the policy of a UID, if it is there and can be read.
fn release(snapshot: &Snapshot, uid: &str, named: &str) -> Option<Release> {
    let key = release_key(uid, named).ok()?;
    decode(snapshot.get(key.as_str())?).ok()
}

/// Whether anything is written of rollouts of the policy in `entry`.
fn left(snapshot: &Snapshot, entry: &Entry) -> bool {
    let Ok(object) = objects::object(entry) else {
        return false;
    };
    let uid = objects::text(&object, "/metadata/uid");
    let state = rollout_key(uid).is_ok_and(|key| snapshot.get(key.as_str()).is_some());
    let any = |prefix: &str| snapshot.range(prefix).next().is_some();
    state || any(&admitted_prefix(uid)) || any(&releases_prefix(uid))
}

/// The rollouts of the policy at a key.
fn work(key: &ObjectKey) -> Option<Work> {
    world::is_policy(key).then(|| Work::Rollout {
        group: key.group.clone(),
        plural: key.plural.clone(),
        name: Name {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        },
    })
}

/// The rollouts of a policy that is named.
fn of(policy: &PolicyRef) -> Option<Work> {
    let (group, plural) = world::policy_kind(policy)?;
    Some(Work::Rollout {
        group: group.to_owned(),
        plural: plural.to_owned(),
        name: Name {
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
        },
    })
}
