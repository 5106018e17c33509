//! Which clusters an object is failed over from: those whose own agents say that it does not run there,
//! and, where a policy allows that it runs twice meanwhile, those of which nothing is heard.
//!
//! Off unless a policy asks for it. What was decided is remembered with the decision, and lasts until the
//! cluster was well for as long as it was waited for, or for an object that did not run there until it
//! changes or some time passed. For how long something is so is told, counted by this hub's uptime; here
//! is no clock. Who is failed over from has no share and is given nothing, and loses what it has as from
//! a cluster that people fenced: after what replaces it was seen healthy, and it is back.

mod fleet;
mod pace;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roadstead_protocol::api::decision::SAMPLES_MAX;
use roadstead_protocol::api::failover::{
    self as api, FailedOver, Failure, TOLERATION_SECONDS_MAX, TOLERATION_SECONDS_MIN,
};
use roadstead_protocol::wire::ItemKey;

use crate::finding::Finding;
use crate::intent::Intent;
use crate::policy::Policy;
use crate::template::{Former, Template};

pub use self::fleet::{SILENT_PERCENT_MAX, Silence};
pub use self::pace::{CLUSTERS_PERCENT_PER_MINUTE, COPIES_PER_MINUTE, Pace, Slot};
pub use self::watch::{RECOVERS, Tracks, is_stopped};

/// Share of an object's copies that are failed over from because they do not run, in percent; one may
/// always be. Where it runs nowhere it is rather the object's own fault.
pub const STOPPED_PERCENT_MAX: usize = 30;
/// For how many times as long as it was waited for an object does not go back to a cluster where it did
/// not run.
pub const STOPPED_LASTS: u32 = 10;

/// How often it is looked for another place where there was none.
const LOOKS: Duration = Duration::from_secs(60);

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

    /// When what `key` names fails over. What ran once is not run again elsewhere, and pods with a number
    /// of their own are not there twice.
    fn of(self, key: &ItemKey) -> Self {
        match (key.group.as_str(), key.kind.as_str()) {
            ("batch", "Job") => Self::default(),
            ("apps", "StatefulSet") => Self {
                silent: None,
                ..self
            },
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
}

/// What of a policy's object is to be failed over from where.
pub(crate) fn judge(policy: &Policy, template: &Template<'_>) -> Verdict {
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
    silence(wants, template, &mut verdict);
    stops(wants, template, &mut verdict);
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

fn silence(wants: Failover, template: &Template<'_>, verdict: &mut Verdict) {
    let Some(most) = wants.silent else { return };
    let failing = &template.failing;
    let mut held = Vec::new();
    for former in copies(template, verdict) {
        let Some(silent) = failing.silent.get(&former.cluster) else {
            continue;
        };
        if failing.suspects {
            held.push(path(former));
            verdict.later(most);
        } else if *silent < most {
            verdict.later(most.saturating_sub(*silent));
        } else {
            begin(template, former, Failure::Silent, verdict);
        }
    }
    if !held.is_empty() {
        verdict.finding = Some(hold(Held::Suspects, held));
    }
}

fn stops(wants: Failover, template: &Template<'_>, verdict: &mut Verdict) {
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
    let mut held = Vec::new();
    for (so, former) in stopped {
        if so < most {
            verdict.later(most.saturating_sub(so));
        } else if room == 0 {
            held.push(path(former));
        } else {
            room -= 1;
            begin(template, former, Failure::Stopped, verdict);
        }
    }
    if !held.is_empty() && verdict.finding.is_none() {
        verdict.finding = Some(hold(Held::Everywhere, held));
    }
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

/// Why something is not failed over though its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Many clusters are silent at once: it is rather the hub that is cut off.
    Suspects,
    /// It does not run on many clusters: it is rather the object's own fault.
    Everywhere,
}

impl Held {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Suspects => {
                "too many clusters are silent at once, so that rather this hub is cut off"
            }
            Self::Everywhere => {
                "it does not run on too many clusters, so that it is rather its own fault"
            }
        }
    }
}

fn hold(why: Held, mut samples: Vec<String>) -> Finding {
    let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    samples.sort();
    samples.truncate(SAMPLES_MAX);
    Finding::FailoverHeld {
        why,
        count,
        samples,
    }
}

/// After which time it is looked again for a place, where of the clusters that an object is to be failed
/// over from some keep it because there is none.
pub(crate) fn stuck(marked: usize, intent: &Intent<'_>) -> Option<Duration> {
    (intent.failed.len() < marked).then_some(LOOKS)
}

/// Why an object stays on a cluster that it is to be failed over from, for people.
pub(crate) fn stuck_text(mark: &FailedOver) -> String {
    let why = match mark.reason {
        Failure::Silent => "nothing was heard of the cluster",
        Failure::Stopped => "its agent said that it does not run there",
    };
    format!("{why}, and there is no other place for it")
}

/// Why an object is not on a cluster, for people.
pub(crate) fn text(mark: &FailedOver) -> String {
    let why = match mark.reason {
        Failure::Silent => "nothing was heard of the cluster",
        Failure::Stopped => "its agent said that it does not run there",
    };
    match mark.message.as_str() {
        "" => format!("failed over: {why}"),
        words => format!("failed over: {why} ({words})"),
    }
}
