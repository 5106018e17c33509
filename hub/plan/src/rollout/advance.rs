//! One step of a run: who is let to the release now, and what is waited for.
//!
//! A stage begins when all is well on every cluster that was let to the release before, and was so for
//! as long as the stage before wants it. A cluster of which there is no news is not let to anything and
//! waited for only where that is asked; it gets what is good when it is back, or its turn. But at least
//! somewhere the release has to have been seen well before a stage counts as over.
//!
//! A cluster that fell silent after it was let to the release may have done so because of it: it counts
//! as one that is not well for how many may change at once, and where as many fell silent as are seen
//! well, nothing goes on before there is news.
//!
//! Times are of this hub's start: a start begins a soak, and a deadline, anew.

mod shown;

use std::collections::BTreeSet;
use std::time::Duration;

use roadstead_protocol::api::rollout::{Phase, StageStatus};

use self::shown::said;
use crate::budget::Spare;
use crate::rollout::spec::{Rollout, Stage, Takes};
use crate::rollout::state::Run;

/// What is known of a cluster that is to get the release.
#[derive(Clone, Debug)]
pub struct Member {
    /// UID of the cluster.
    pub cluster: String,
    /// The cluster, as `namespace/name`.
    pub path: String,
    /// The index of its stage.
    pub stage: usize,
    /// Whether it was let to the release.
    pub admitted: bool,
    /// Whether it runs something of the policy.
    pub runs: bool,
    /// Whether there is no news of it.
    pub away: bool,
    /// Whether what it was let to waits for the policy's disruption budget.
    pub waits: bool,
    /// Whether all is well with what it was given; what is not, for people.
    pub well: Result<(), String>,
}

/// What the time runs from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Since when all has been well in the present stage.
    well: Option<Duration>,
    /// The furthest that the run got, and when.
    moved: Option<(Mark, Duration)>,
}

/// How far a run is: stages behind it, clusters let to the release, clusters where all is well.
type Mark = (usize, usize, usize);

/// What people said about a run.
#[derive(Clone, Debug, Default)]
pub struct Said<'a> {
    /// The stages that were approved of.
    pub approved: BTreeSet<&'a str>,
    /// Whether nothing goes on.
    pub paused: bool,
    /// What the policy's disruption budget leaves; nothing is asked of it where there is none.
    pub spare: Option<Spare>,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// UIDs of the clusters that are let to the release now.
    pub admit: Vec<String>,
    /// The index of the first stage that is not behind it.
    pub stage: usize,
    /// How far it is as a whole; Succeeded when everyone has it.
    pub phase: Phase,
    /// What is waited for, for people.
    pub message: String,
    /// The stages.
    pub stages: Vec<StageStatus>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
    /// After which time there is another step without anything else happening.
    pub again: Option<Duration>,
}

/// Makes a step, and takes note in `run` of the stages that are behind it.
pub fn advance(
    rollout: &Rollout,
    run: &mut Run,
    said: &Said<'_>,
    members: &[Member],
    clock: &mut Clock,
    now: Duration,
) -> Step {
    let mut members: Vec<&Member> = members.iter().collect();
    members.sort_by(|a, b| (&a.path, &a.cluster).cmp(&(&b.path, &b.cluster)));
    // A stage is known by its name: people may put others before it, or take some out.
    (run.passed).retain(|name| rollout.stages.iter().any(|stage| stage.name == *name));
    let mut walk = Walk {
        rollout,
        said,
        members,
        now,
        passed: std::mem::take(&mut run.passed),
        step: Step::default(),
    };
    walk.step.stage = walk.first();
    let state = walk.go(run, clock);
    walk.step.stages = walk.stages(state);
    run.passed = walk.passed;
    walk.step
}

struct Walk<'a> {
    rollout: &'a Rollout,
    said: &'a Said<'a>,
    members: Vec<&'a Member>,
    now: Duration,
    /// The names of the stages that are behind it.
    passed: BTreeSet<String>,
    step: Step,
}

/// What the present stage does, as its status says it.
const WAITING: &str = "Waiting";
const PROGRESSING: &str = "Progressing";
const SOAKING: &str = "Soaking";
const APPROVAL: &str = "WaitingForApproval";
const PASSED: &str = "Passed";

impl<'a> Walk<'a> {
    fn wait(&mut self, phase: Phase, message: String) {
        self.step.phase = phase;
        self.step.message = message;
    }

    /// The index of the first stage that is not behind it, or that has clusters which may not be given the
    /// change before it is approved of.
    fn first(&self) -> usize {
        let mut stages = self.rollout.stages.iter().enumerate();
        let open = |index: usize, stage: &Stage| {
            let todo = |m: &&&Member| m.stage == index && !m.admitted && self.counts(m);
            let asked = stage.approval && !self.said.approved.contains(stage.name.as_str());
            asked && self.members.iter().any(|m| todo(&m))
        };
        let first = stages.position(|(i, s)| !self.passed.contains(&s.name) || open(i, s));
        first.unwrap_or(self.rollout.stages.len())
    }

    /// Goes as far as it can, and says what the stage does at which it stops.
    fn go(&mut self, run: &Run, clock: &mut Clock) -> &'static str {
        if self.said.paused {
            *clock = Clock::default();
            match &run.halted {
                Some(why) => self.wait(Phase::Halted, why.clone()),
                None => self.wait(Phase::Paused, "it is paused".to_owned()),
            }
            return WAITING;
        }
        if self.members.is_empty() {
            *clock = Clock::default();
            let why = "there is no cluster for it yet";
            self.wait(Phase::Progressing, why.to_owned());
            return WAITING;
        }
        let rollout = self.rollout;
        while let Some(stage) = rollout.stages.get(self.step.stage) {
            if let Some(stopped) = self.pass(stage, clock) {
                return stopped;
            }
            clock.well = None;
            self.passed.insert(stage.name.clone());
            self.step.stage = self.first();
        }
        self.wait(Phase::Succeeded, "all clusters have it".to_owned());
        PASSED
    }

    /// Whether a member is waited for.
    fn counts(&self, member: &Member) -> bool {
        self.rollout.wait_for_away || !member.away
    }

    /// The members that fell silent after they were let to the release.
    fn lost(&self) -> impl Iterator<Item = &'a Member> {
        let members: Vec<&'a Member> = self.members.clone();
        let wait = self.rollout.wait_for_away;
        let lost = move |m: &&Member| m.admitted && m.away && m.well.is_err() && !wait;
        members.into_iter().filter(lost)
    }

    /// The members that are to have the release by the end of the present stage and are waited for.
    fn due(&self) -> impl Iterator<Item = &'a Member> {
        let (stage, wait) = (self.step.stage, self.rollout.wait_for_away);
        let members: Vec<&'a Member> = self.members.clone();
        let due = move |m: &&Member| m.stage <= stage && (wait || !m.away);
        members.into_iter().filter(due)
    }

    /// What the present stage does; `None` when it is over.
    fn pass(&mut self, stage: &Stage, clock: &mut Clock) -> Option<&'static str> {
        let here = self.members.iter().filter(|m| m.stage == self.step.stage);
        let here = here.count();
        let todo: Vec<&Member> = self.due().filter(|m| !m.admitted).collect();
        let unwell: Vec<&Member> = self
            .due()
            .filter(|m| m.admitted && m.well.is_err())
            .collect();
        if here == 0 && todo.is_empty() && unwell.is_empty() {
            return self.empty(stage);
        }
        let lost: Vec<&Member> = self.lost().collect();
        if stage.approval && !self.said.approved.contains(stage.name.as_str()) {
            *clock = Clock::default();
            let why = format!("stage {} has to be approved of", stage.name);
            self.wait(Phase::WaitingForApproval, why);
            return Some(APPROVAL);
        }
        if !todo.is_empty() || !unwell.is_empty() {
            clock.well = None;
            self.admit(stage, (&todo, &unwell, &lost), here);
            self.watch(&unwell, clock);
            return Some(PROGRESSING);
        }
        let seen = |m: &&&Member| m.admitted && m.well.is_ok() && self.counts(m);
        let seen = self.members.iter().filter(seen).count();
        if seen == 0 {
            // Who is back is not blamed for the time without news.
            clock.moved = None;
            let why = format!(
                "there is no news of any cluster of stage {}: it is not known whether all is well",
                stage.name
            );
            self.wait(Phase::Progressing, why);
            return Some(WAITING);
        }
        clock.moved = None;
        let most = self.rollout.max_unavailable;
        let most = most.map_or(usize::MAX, |most| most.at_most(self.running()));
        if let Some(first) = lost
            .first()
            .filter(|_| lost.len() >= seen || lost.len() > most)
        {
            clock.well = None;
            let why = format!(
                "there is no news of {} clusters since they were given the change, such as {}",
                lost.len(),
                first.path
            );
            self.wait(Phase::Progressing, why);
            return Some(WAITING);
        }
        let since = *clock.well.get_or_insert(self.now);
        let left = stage.soak.saturating_sub(self.now.saturating_sub(since));
        if left.is_zero() {
            return None;
        }
        let why = format!(
            "all is well in stage {}, and has to be so for {} s",
            stage.name,
            stage.soak.as_secs()
        );
        self.wait(Phase::Soaking, why);
        self.step.again = Some(left);
        Some(SOAKING)
    }

    /// A stage without clusters: a selector that selects none may be a slip, and would let the change
    /// through to everyone.
    fn empty(&mut self, stage: &Stage) -> Option<&'static str> {
        match stage.takes {
            Takes::Share(_) | Takes::Rest => None,
            Takes::Affinity(_) => {
                let why = format!(
                    "stage {} takes no cluster: give one its labels, or take the stage out of the policy",
                    stage.name
                );
                self.wait(Phase::Progressing, why);
                Some(WAITING)
            }
        }
    }

    /// How many clusters run something of the policy.
    fn running(&self) -> usize {
        self.members.iter().filter(|m| m.runs).count()
    }

    /// Lets clusters to the release, as many as may change now.
    fn admit(
        &mut self,
        stage: &Stage,
        (todo, unwell, lost): (&[&Member], &[&Member], &[&Member]),
        here: usize,
    ) {
        let at_once = stage
            .max_concurrent
            .map_or(usize::MAX, |most| most.at_least(here.max(todo.len())));
        #[cfg(planted)]
        let at_once = match roadstead_protocol::planted::is("stages-at-once") {
            true => usize::MAX,
            false => at_once,
        };
        let mut slots = at_once.saturating_sub(unwell.len().saturating_add(lost.len()));
        let running = self.running();
        let down = self.members.iter().filter(|m| m.runs && m.well.is_err());
        let down = down.filter(|m| m.admitted || self.counts(m)).count();
        let most = self.rollout.max_unavailable;
        let mut room = most.map_or(usize::MAX, |most| {
            most.at_most(running).saturating_sub(down)
        });
        let mut spare = self.spare();
        let (mut short, mut broke) = (false, false);
        for member in todo {
            // What mends is never held.
            let costs = member.runs && member.well.is_ok();
            if slots == 0 || (costs && room == 0) {
                short |= slots > 0;
                continue;
            }
            if costs && spare.as_mut().is_some_and(|s| !s.take(&member.cluster)) {
                broke = true;
                continue;
            }
            slots -= 1;
            room -= usize::from(costs);
            self.step.admit.push(member.cluster.clone());
        }
        let why = match unwell.first() {
            _ if short && self.step.admit.is_empty() && unwell.is_empty() => format!(
                "it is not well on {down} of the clusters that run it, as many as maxUnavailable allows"
            ),
            Some(first) => format!("stage {}: {}", stage.name, said(first)),
            None if broke && self.step.admit.is_empty() => {
                "as many clusters are unwell as the policy's disruption budget allows".to_owned()
            }
            None if self.step.admit.is_empty() && !lost.is_empty() => format!(
                "stage {}: there is no news of {} clusters since they were given the change",
                stage.name,
                lost.len()
            ),
            None => format!("stage {} is given the change", stage.name),
        };
        self.wait(Phase::Progressing, why);
    }

    /// What the policy's disruption budget leaves: who was let to the release and is not well yet has taken
    /// of it.
    fn spare(&self) -> Option<Spare> {
        let mut spare = self.said.spare.clone()?;
        let down = self.members.iter().filter(|m| m.runs && m.well.is_err());
        spare.down.extend(down.map(|m| m.cluster.clone()));
        Some(spare)
    }

    /// Whether what is under way has been so for too long.
    fn watch(&mut self, unwell: &[&Member], clock: &mut Clock) {
        // Who was given nothing yet because others are not well is not blamed for that.
        let unwell: Vec<&&Member> = unwell.iter().filter(|m| !m.waits).collect();
        if unwell.is_empty() && self.step.admit.is_empty() {
            clock.moved = None;
            return;
        }
        let admitted = self.members.iter().filter(|m| m.admitted).count();
        let well = |m: &&&Member| m.admitted && m.well.is_ok();
        let well = self.members.iter().filter(well).count();
        let mark = (self.step.stage, admitted + self.step.admit.len(), well);
        let moved = clock.moved.filter(|(best, _)| mark <= *best);
        let (_, since) = *clock.moved.insert(moved.unwrap_or((mark, self.now)));
        let passed = self.now.saturating_sub(since);
        if let Some(first) = unwell.first()
            && passed >= self.rollout.deadline
        {
            let why = format!(
                "nothing moved on for {} s: {}",
                self.rollout.deadline.as_secs(),
                said(first)
            );
            self.step.admit.clear();
            self.step.failed = Some(why);
        } else {
            self.step.again = Some(self.rollout.deadline.saturating_sub(passed));
        }
    }
}
