//! For how long nothing was heard of clusters, and copies of objects have not run, by this hub's uptime;
//! and how fast the fleet may fail over. A hub that starts anew begins anew, and the time in which its
//! process was stopped does not count: it heard of nobody then.
//!
//! What is remembered here is looked at anew with every decision; what follows from it is the plan's to
//! say, and what was decided is written with the decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use roadstead_plan::deps::requirers::REQUIRED;
use roadstead_plan::failover::{Failing, Held, LOOKS as AGAIN, Pace, Silence, Slot, Tracks};
use roadstead_plan::template::Former;
use roadstead_plan::{Placement, Template, World, place};
use roadstead_protocol::api::failover::{FailedOver, Failure};
use roadstead_protocol::api::{Condition, ConditionStatus};
use roadstead_protocol::wire::ItemKey;

use crate::reconciler::Reconciler;

/// The condition of a cluster that objects are, or would be, failed over from.
const FAILED_OVER: &str = "FailedOver";
/// Its reason while so many clusters are silent that nothing is failed over.
const SUSPECTS: &str = "HubSuspectsItself";
/// Most objects that it names.
const NAMED_MAX: usize = 5;
/// How long after its start a hub has looked at all objects.
const SETTLES: Duration = Duration::from_secs(60);
/// How often time is counted.
const TICKS: Duration = Duration::from_secs(1);
/// How much of the time since it was counted last counts at most.
const COUNTS_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether many clusters are silent.
const LOOKS: Duration = Duration::from_secs(30);

/// What there is to remember of all clusters and objects.
#[derive(Default)]
pub struct Failovers(Mutex<State>);

#[derive(Clone, Default)]
struct State {
    /// For how long this hub has run, without what was not counted in time.
    counted: Duration,
    /// When that was counted last, from the hub's start.
    last: Duration,
    /// The world in which clusters were looked at last.
    of: Option<Arc<World>>,
    silence: Silence,
    /// Of the objects whose policies fail over, and only of those that are not well somewhere, or are
    /// failed over.
    known: BTreeMap<ItemKey, Known>,
    pace: Pace,
    /// Whether any policy has something moved because of silence.
    wanted: bool,
    /// The UIDs of the clusters that objects are failed over from, where they are.
    marks: BTreeMap<ItemKey, Vec<String>>,
    /// What is failed over from clusters, by UID.
    from: BTreeMap<String, BTreeSet<ItemKey>>,
}

/// What there is to remember of one object.
#[derive(Clone, Default)]
struct Known {
    tracks: Tracks,
    /// Since when this hub has known which clusters it was failed over from, by UID.
    marked: BTreeMap<String, Duration>,
}

impl State {
    /// The time, by what was counted.
    fn count(&mut self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.last).min(COUNTS_MAX);
        self.last = now.max(self.last);
        self.counted = self.counted.saturating_add(passed);
        self.counted
    }
}

/// Counts the time, until it is dropped.
pub(crate) async fn count(context: &Reconciler) {
    loop {
        tokio::time::sleep(TICKS).await;
        context.failovers.count(context.uptime());
    }
}

impl std::fmt::Debug for Failovers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Failovers")
    }
}

impl Failovers {
    /// Forgets all: a hub that starts begins anew.
    pub(crate) fn begin(&self) {
        *self.state() = State::default();
    }

    /// What is remembered now, for whoever only asks: nothing that is done with it is remembered here.
    pub(crate) fn copy(&self) -> Self {
        Self(Mutex::new(self.state().clone()))
    }

    /// Counts the time that has passed since it was counted last.
    pub(crate) fn count(&self, now: Duration) {
        self.state().count(now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of how the clusters are at a time, counted from the hub's start.
    pub(crate) fn observe(&self, world: &Arc<World>, now: Duration) {
        let mut state = self.state();
        let now = state.count(now);
        if state.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, world)) {
            return;
        }
        let State { silence, pace, .. } = &mut *state;
        silence.observe(world.clusters.iter().map(|cluster| &**cluster), now);
        silence.retain(|uid| world.cluster(uid).is_some());
        pace.tidy(now, |uid| silence.silent(uid, now).is_some());
        state.wanted = world.policies.iter().any(|p| p.failover.silent.is_some());
        state.of = Some(Arc::clone(world));
    }

    /// For how long what a template fails over by has been so, by what was observed of it.
    pub(crate) fn of(&self, template: &Template<'_>, now: Duration) -> Failing {
        let mut state = self.state();
        let now = state.count(now);
        let mut known = state.known.remove(&template.key).unwrap_or_default();
        let Template { key, former, .. } = template;
        known.tracks.look(key, former, &template.observed, now);
        let marks = template.decided.failed_over.iter();
        known.marked = marks
            .map(|mark| {
                let since = known.marked.get(&mark.uid).copied();
                (mark.uid.clone(), since.unwrap_or(now))
            })
            .collect();
        let silence = &state.silence;
        let of = |uid: &str, so: Option<Duration>| Some((uid.to_owned(), so?));
        let silent = template.former.iter().map(|f| f.cluster.as_str());
        let ready = known.marked.keys().map(String::as_str);
        let failing = Failing {
            known: true,
            suspects: silence.suspects(),
            silent: silent
                .filter_map(|uid| of(uid, silence.silent(uid, now)))
                .collect(),
            ready: ready
                .filter_map(|uid| of(uid, silence.ready(uid, now)))
                .collect(),
            stopped: known.tracks.stopped(now),
            marked: known
                .marked
                .iter()
                .map(|(uid, since)| (uid.clone(), now.saturating_sub(*since)))
                .collect(),
            granted: BTreeSet::new(),
            nowhere: BTreeSet::new(),
            wait: None,
        };
        if !known.tracks.is_empty() || !known.marked.is_empty() {
            state.known.insert(template.key.clone(), known);
        }
        failing
    }

    /// Forgets an object that does not fail over.
    pub(crate) fn forget(&self, item: &ItemKey) {
        self.state().known.remove(item);
    }

    /// Takes note of the clusters that an object is failed over from now.
    pub(crate) fn note(&self, item: &ItemKey, marks: &[FailedOver]) {
        let mut state = self.state();
        let before = state.marks.remove(item).unwrap_or_default();
        for uid in before {
            if let Some(items) = state.from.get_mut(&uid) {
                items.remove(item);
                if items.is_empty() {
                    state.from.remove(&uid);
                }
            }
        }
        for mark in marks {
            let items = state.from.entry(mark.uid.clone()).or_default();
            items.insert(item.clone());
        }
        if !marks.is_empty() {
            let uids = marks.iter().map(|mark| mark.uid.clone()).collect();
            state.marks.insert(item.clone(), uids);
        }
    }

    /// What a cluster's condition says of failing over from it, given whether nothing is heard of it, and
    /// after which time it may say something else. It is taken out of `conditions` where there is nothing
    /// to say; a hub that has just started leaves it as it is.
    pub(crate) fn condition(
        &self,
        (uid, silent): (&str, bool),
        now: Duration,
        conditions: &mut Vec<Condition>,
    ) -> (Option<Condition>, Option<Duration>) {
        if now < SETTLES {
            let there = conditions.iter().any(|c| c.kind == FAILED_OVER);
            return (None, there.then_some(SETTLES.saturating_sub(now)));
        }
        let state = self.state();
        let again = (silent && state.wanted).then_some(LOOKS);
        if let Some(items) = state.from.get(uid) {
            let named: Vec<String> = items
                .iter()
                .take(NAMED_MAX)
                .map(ItemKey::to_string)
                .collect();
            let more = if items.len() > NAMED_MAX { ", …" } else { "" };
            let are = if items.len() == 1 {
                "object is"
            } else {
                "objects are"
            };
            let named = named.join(", ");
            let message = format!("{} {are} failed over from it: {named}{more}", items.len());
            let status = ConditionStatus::True;
            let said = Condition::new(FAILED_OVER, status, FAILED_OVER, message);
            return (Some(said), again);
        }
        if silent && state.wanted && state.silence.suspects() {
            let why = Held::Suspects.text();
            let message = format!("nothing is failed over from it: {why}");
            let status = ConditionStatus::False;
            let said = Condition::new(FAILED_OVER, status, SUSPECTS, message);
            return (Some(said), again);
        }
        conditions.retain(|c| c.kind != FAILED_OVER);
        (None, again)
    }

    /// What of what is asked for may be failed over from now, by UID, and when the rest may be.
    pub(crate) fn grant(
        &self,
        item: &ItemKey,
        asked: &BTreeMap<String, Failure>,
        now: Duration,
    ) -> (BTreeSet<String>, Option<Duration>) {
        let mut state = self.state();
        let now = state.count(now);
        let State { silence, pace, .. } = &mut *state;
        pace.tidy(now, |uid| silence.silent(uid, now).is_some());
        let (mut granted, mut wait) = (BTreeSet::new(), None::<Duration>);
        for (uid, why) in asked {
            let slot = match why {
                Failure::Silent => Slot::Cluster(uid.clone()),
                Failure::Stopped => Slot::Copy(uid.clone(), item.clone()),
            };
            match pace.take(slot, now, silence.joined()) {
                Ok(()) => {
                    granted.insert(uid.clone());
                }
                Err(left) => wait = Some(wait.map_or(left, |wait| wait.min(left))),
            }
        }
        (granted, wait)
    }
}

/// The placement of a template that may fail over from more clusters than it does: from those that the
/// fleet's pace allows, where there is another place for it.
pub(crate) fn decide(
    context: &Reconciler,
    world: &World,
    template: &mut Template<'_>,
    placement: Placement,
) -> Placement {
    let mut asked = placement.failing.clone();
    asked.retain(|uid, why| *why == Failure::Silent || stays(template, &placement, uid));
    if asked.is_empty() {
        return placement;
    }
    template.failing.granted = asked.keys().cloned().collect();
    let tried = place(world, template, None);
    let stays = |uid: &str| tried.targets.iter().any(|target| target.cluster == uid);
    let begins: BTreeMap<String, Failure> = asked
        .iter()
        .filter(|(uid, _)| !stays(uid))
        .map(|(uid, why)| (uid.clone(), *why))
        .collect();
    if !begins.is_empty() && !gains(template, &tried) {
        // Where it would come up it is not given yet.
        template.failing.granted = BTreeSet::new();
        template.failing.nowhere = begins.into_keys().collect();
        template.failing.wait = Some(AGAIN);
        return place(world, template, None);
    }
    let failovers = &context.failovers;
    let (granted, wait) = failovers.grant(&template.key, &begins, context.uptime());
    if granted.len() == begins.len() {
        return tried;
    }
    template.failing.granted = granted;
    template.failing.wait = wait;
    place(world, template, None)
}

/// Whether a cluster goes on to have what it has: what it is given anew may run.
fn stays(template: &Template<'_>, placement: &Placement, uid: &str) -> bool {
    let former = template.former.iter().find(|former| former.cluster == uid);
    let target = placement
        .targets
        .iter()
        .find(|target| target.cluster == uid);
    let both = former.zip(target);
    both.is_some_and(|(former, target)| former.digest == Some(target.content.digest))
}

/// Whether any cluster gets more of a template than it has.
fn gains(template: &Template<'_>, placement: &Placement) -> bool {
    let mut targets = placement.targets.iter();
    targets.any(|target| {
        let own = |uid: &String| uid != REQUIRED;
        let is_there = |f: &&Former| f.cluster == target.cluster && f.policies.iter().any(own);
        let there = template.former.iter().find(is_there);
        there.is_none_or(|there| there.outside || target.replicas > there.replicas)
    })
}
