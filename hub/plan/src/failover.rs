//! Which clusters an object is failed over from: those whose own agents say that it does not run there,
//! and, where a policy allows that it runs twice meanwhile, those of which nothing is heard.
//!
//! Off unless a policy asks for it. What was decided is remembered with the decision, and lasts until the
//! cluster was well for as long as it was waited for, or for an object that did not run there until it
//! changes or some time passed. For how long something is so is told, counted by this hub's uptime; here
//! is no clock. Who is failed over from has no share and is given nothing, and loses what it has as from
//! a cluster that people fenced: after what replaces it was seen healthy, and it is back.

mod fleet;
mod held;
mod pace;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::api::failover::{
    self as api, FailedOver, Failure, TOLERATION_SECONDS_MAX, TOLERATION_SECONDS_MIN,
};
use roadstead_protocol::wire::ItemKey;

use crate::count::{is_choice, is_divided};
use crate::finding::Finding;
use crate::intent::Intent;
use crate::policy::Policy;
use crate::rollout::Rolling;
use crate::template::{Former, Template};
use crate::world::World;

pub use self::fleet::{SILENT_PERCENT_MAX, Silence};
pub use self::held::Held;
pub(crate) use self::held::{stuck, stuck_text, text};
pub use self::pace::{CLUSTERS_PERCENT_PER_MINUTE, COPIES_PER_MINUTE, Pace, Slot};
pub use self::watch::{RECOVERS, Tracks, is_stopped};

/// Share of an object's copies that are failed over from because they do not run, in percent; one may
/// always be. Where it runs nowhere it is rather the object's own fault.
pub const STOPPED_PERCENT_MAX: usize = 30;
/// For how many times as long as it was waited for an object does not go back to a cluster where it did
/// not run.
pub const STOPPED_LASTS: u32 = 10;

/// How often it is looked for another place where there was none.
pub const LOOKS: Duration = Duration::from_secs(300);

/// When a policy's objects fail over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failover {
    /// After an agent has said for so long that an object does not run.
    pub stopped: Option<Duration>,
    /// After nothing was heard of a cluster for so long.
    pub silent: Option<Duration>,
}

impl Failover {
    /// Reads it. Silence alone moves nothing unless it is allowed that objects then run twice.
    ///
    /// # Errors
    /// When a number of seconds is out of its bounds.
    pub(crate) fn read(said: &api::Failover) -> Result<Self, String> {
        let seconds = |path: &str, said: u32| {
            if (TOLERATION_SECONDS_MIN..=TOLERATION_SECONDS_MAX).contains(&said) {
                return Ok(Duration::from_secs(said.into()));
            }
            Err(format!(
                "spec.failover.{path}.tolerationSeconds: Invalid value: {said}: must be from \
                 {TOLERATION_SECONDS_MIN} to {TOLERATION_SECONDS_MAX}"
            ))
        };
        let application = said.application.as_ref();
        let stopped = application.map(|said| {
            let said = said.decision_conditions.toleration_seconds;
            seconds("application.decisionConditions", said)
        });
        let silent = said.cluster.as_ref().map(|said| {
            let long = seconds("cluster", said.toleration_seconds)?;
            Ok::<_, String>(said.allow_duplicates.then_some(long))
        });
        Ok(Self {
            stopped: stopped.transpose()?,
            silent: silent.transpose()?.flatten(),
        })
    }

    /// When what `key` names fails over. What ran once is not run again elsewhere, pods with a number of
    /// their own are not there twice (one that is not ready may run all the same), and the volume of a
    /// claim is nowhere but where it is.
    fn of(self, key: &ItemKey) -> Self {
        match (key.group.as_str(), key.kind.as_str()) {
            ("batch", "Job") | ("apps", "StatefulSet") | ("", "PersistentVolumeClaim") => {
                Self::default()
            }
            _ => self,
        }
    }

    /// Whether anything of the kind of `key` ever fails over.
    pub fn concerns(self, key: &ItemKey) -> bool {
        self.of(key) != Self::default()
    }
}

/// For how long what is so, by the UIDs of clusters, as far as it concerns one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failing {
    /// Whether anything of this is known: otherwise nothing begins and nothing ends.
    pub known: bool,
    /// Whether it is rather the hub that is cut off: silence then moves nothing.
    pub suspects: bool,
    /// For how long nothing was heard of clusters.
    pub silent: BTreeMap<String, Duration>,
    /// For how long clusters have been Ready.
    pub ready: BTreeMap<String, Duration>,
    /// For how long their agents have said that the object does not run there.
    pub stopped: BTreeMap<String, Duration>,
    /// For how long this hub has known that it was failed over from them.
    pub marked: BTreeMap<String, Duration>,
    /// Those that it may be failed over from now: the fleet's pace allows it.
    pub granted: BTreeSet<String>,
    /// Those that it is not failed over from, though its time has come, because it would come up nowhere.
    pub nowhere: BTreeSet<String>,
    /// After which time others may be, where that was asked.
    pub wait: Option<Duration>,
}

/// What is to be failed over from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// Those that it is failed over from, by UID.
    pub(crate) marks: BTreeMap<String, FailedOver>,
    /// Those that it would be failed over from, were it granted.
    pub(crate) asks: BTreeMap<String, Failure>,
    /// After which time this is another verdict.
    pub(crate) again: Option<Duration>,
    /// What keeps something from being failed over.
    pub(crate) finding: Option<Finding>,
}

impl Verdict {
    fn later(&mut self, left: Duration) {
        self.again = Some(self.again.map_or(left, |again| again.min(left)));
    }

    /// Says why it is not failed over from clusters, if that is not said of others yet.
    fn hold(&mut self, why: Held, from: Vec<String>) {
        if !from.is_empty() && self.finding.is_none() {
            self.finding = Some(held::hold(why, from));
        }
    }
}

/// What of a policy's object is to be failed over from where.
pub(crate) fn judge(world: &World, policy: &Policy, template: &Template<'_>) -> Verdict {
    let wants = policy.failover.of(&template.key);
    let mut verdict = Verdict::default();
    for mark in &template.decided.failed_over {
        match lasts(wants, template, mark) {
            Lasts::Over => continue,
            Lasts::For(left) => verdict.later(left),
            Lasts::On => {}
        }
        verdict.marks.insert(mark.uid.clone(), mark.clone());
    }
    if !template.failing.known || wants == Failover::default() {
        return verdict;
    }
    // Who has it on all clusters that it chooses has no other place for it.
    let divided = || is_divided(world, template, &policy.scheduling.replicas);
    if !is_choice(policy, divided) {
        return verdict;
    }
    let rolling = template.rollout.policies.get(&policy.identity.uid);
    silence((wants, rolling), template, &mut verdict);
    stops((wants, rolling), template, &mut verdict);
    let stays = |f: &&Former| verdict.asks.contains_key(&f.cluster);
    let stays = copies(template, &verdict).into_iter().filter(stays);
    let stays = stays.filter(|f| template.failing.nowhere.contains(&f.cluster));
    let stays = stays.map(path).collect();
    verdict.hold(Held::NoPlace, stays);
    verdict
}

/// The clusters that an object is failed over from, which go on to be so while nothing can be decided.
pub(crate) fn lasting(template: &Template<'_>, intent: &Intent<'_>) -> Vec<FailedOver> {
    if intent.blocked.is_some() || intent.winner.is_none() {
        return template.decided.failed_over.clone();
    }
    intent.failed.values().cloned().collect()
}

/// Whether it depends on news of clusters whether an object is failed over, or goes back.
pub(crate) fn goes_by_news(template: &Template<'_>, intent: &Intent<'_>) -> bool {
    let policy = intent.winner;
    policy.is_some_and(|policy| policy.failover.concerns(&template.key))
        || !template.decided.failed_over.is_empty()
}

/// For how long a cluster is still one that is failed over from.
enum Lasts {
    Over,
    For(Duration),
    On,
}

fn lasts(wants: Failover, template: &Template<'_>, mark: &FailedOver) -> Lasts {
    let failing = &template.failing;
    let (so, most) = match mark.reason {
        Failure::Silent => (failing.ready.get(&mark.uid), wants.silent),
        Failure::Stopped if mark.generation != template.metadata().generation => {
            return Lasts::Over;
        }
        Failure::Stopped => (
            failing.marked.get(&mark.uid),
            wants.stopped.map(|t| t.saturating_mul(STOPPED_LASTS)),
        ),
    };
    let Some(most) = most else {
        return Lasts::Over;
    };
    #[cfg(planted)]
    let most = match roadstead_protocol::planted::is("fails-back-at-once") {
        true => Duration::ZERO,
        false => most,
    };
    match so.filter(|_| failing.known) {
        Some(so) if *so >= most => Lasts::Over,
        Some(so) => Lasts::For(most.saturating_sub(*so)),
        None => Lasts::On,
    }
}

/// The copies of an object, of which none was failed over from yet.
fn copies<'t>(template: &'t Template<'_>, verdict: &Verdict) -> Vec<&'t Former> {
    let own = template.former.iter().filter(|f| f.is_own());
    let counted = own.filter(|f| !f.outside && !verdict.marks.contains_key(&f.cluster));
    counted.collect()
}

/// Whether a cluster is tried with a release of which it is not known yet whether it is good: how it is
/// there is the rollout's to judge, which would pass over a cluster that has it no more.
fn is_tried(rolling: Option<&Rolling>, cluster: &str) -> bool {
    let Some(rolling) = rolling else { return false };
    let good = rolling.good.as_ref().map(|good| good.release.as_str());
    let admitted = rolling.admitted.get(cluster);
    admitted.is_some_and(|to| to.as_ref().map(|to| to.release.as_str()) != good)
}

/// What a policy asks for, and its rollouts.
type Asked<'t> = (Failover, Option<&'t Rolling>);

fn silence((wants, rolling): Asked<'_>, template: &Template<'_>, verdict: &mut Verdict) {
    let Some(most) = wants.silent else { return };
    let failing = &template.failing;
    let (mut held, mut tried) = (Vec::new(), Vec::new());
    for former in copies(template, verdict) {
        let Some(silent) = failing.silent.get(&former.cluster) else {
            continue;
        };
        if failing.suspects {
            held.push(path(former));
            verdict.later(most);
        } else if *silent < most {
            verdict.later(most.saturating_sub(*silent));
        } else if is_tried(rolling, &former.cluster) {
            tried.push(path(former));
            verdict.later(most);
        } else {
            begin(template, former, Failure::Silent, verdict);
        }
    }
    verdict.hold(Held::Suspects, held);
    verdict.hold(Held::Rollout, tried);
}

fn stops((wants, rolling): Asked<'_>, template: &Template<'_>, verdict: &mut Verdict) {
    let Some(most) = wants.stopped else { return };
    let copies = copies(template, verdict);
    let is_stop = |mark: &&FailedOver| mark.reason == Failure::Stopped;
    let before = verdict.marks.values().filter(is_stop).count();
    let share = (copies.len() + before).saturating_mul(STOPPED_PERCENT_MAX) / 100;
    let mut room = share.max(1).saturating_sub(before);
    let mut stopped: Vec<(Duration, &Former)> = copies
        .into_iter()
        .filter_map(|former| Some((*template.failing.stopped.get(&former.cluster)?, former)))
        .collect();
    // Those that have not run for the longest time go first.
    stopped.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cluster.cmp(&y.cluster)));
    let (mut held, mut tried) = (Vec::new(), Vec::new());
    for (so, former) in stopped {
        if so < most {
            verdict.later(most.saturating_sub(so));
        } else if is_tried(rolling, &former.cluster) {
            tried.push(path(former));
            verdict.later(most);
        } else if room == 0 {
            held.push(path(former));
        } else {
            room -= 1;
            begin(template, former, Failure::Stopped, verdict);
        }
    }
    verdict.hold(Held::Rollout, tried);
    verdict.hold(Held::Everywhere, held);
}

/// Fails over from a cluster, where that is granted.
fn begin(template: &Template<'_>, former: &Former, why: Failure, verdict: &mut Verdict) {
    let uid = &former.cluster;
    if !template.failing.granted.contains(uid) {
        verdict.asks.insert(uid.clone(), why);
        if let Some(wait) = template.failing.wait {
            verdict.later(wait);
        }
        return;
    }
    let seen = template.observed.get(uid).filter(|seen| !seen.away);
    let (namespace, name) = former.path.clone();
    let mark = FailedOver {
        namespace,
        name,
        uid: uid.clone(),
        reason: why,
        generation: template.metadata().generation,
        message: seen.map(|seen| seen.message.clone()).unwrap_or_default(),
    };
    verdict.marks.insert(uid.clone(), mark);
}

fn path(former: &Former) -> String {
    format!("{}/{}", former.path.0, former.path.1)
}
