//! When a run begins and ends: a change on the hub, a wish for a former release, a failure, an end that
//! somebody puts to it.
//!
//! What failed is not tried again as long as the same stands on the hub.

use std::collections::BTreeSet;

use roadstead_protocol::api::rollout::{Cause, OnFailure, Phase};

use crate::rollout::state::{Run, State};

/// What may begin or end a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The release that stands on the hub.
    pub live: &'a str,
    /// Whether it is the good one with something left out.
    pub less: bool,
    /// The wish for a former release, if there is one.
    pub undo: Option<Undo<'a>>,
    /// Whether somebody ended the run that is under way.
    pub aborted: bool,
}

/// A wish for a former release.
#[derive(Clone, Copy, Debug)]
pub struct Undo<'a> {
    /// What tells it from other wishes.
    pub mark: &'a str,
    /// The release.
    pub release: &'a str,
    /// Whether that is still there.
    pub known: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// The run that ended, how, and why for people.
    pub ended: Option<(Run, Phase, String)>,
    /// Whether a run began. Its name is for whoever writes it down.
    pub begun: bool,
    /// The wish that cannot be followed.
    pub refused: Option<String>,
}

impl State {
    /// The state of a policy that had no rollout so far and whose clusters run the release `good`.
    pub fn begin(good: &str) -> Self {
        Self {
            live: good.to_owned(),
            good: good.to_owned(),
            ..Self::default()
        }
    }

    /// Where things go: the release of the run, or the good one.
    fn aim(&self) -> &str {
        self.run.as_ref().map_or(&self.good, |run| &run.target)
    }

    fn end(&mut self, phase: Phase, why: &str, turned: &mut Turned) {
        if let Some(run) = self.run.take() {
            turned.ended = Some((run, phase, why.to_owned()));
        }
    }

    /// Nobody is let to anything any more: all get the good release.
    fn let_go(&mut self) {
        self.void = self.runs;
    }

    fn start(&mut self, target: &str, cause: Cause, turned: &mut Turned) {
        self.runs = self.runs.saturating_add(1);
        self.run = Some(Run {
            number: self.runs,
            name: String::new(),
            target: target.to_owned(),
            from: self.good.clone(),
            cause,
            stage: 0,
            passed: BTreeSet::new(),
            paused: false,
            halted: None,
        });
        turned.begun = true;
    }
}

/// Takes note of what happened, and begins and ends runs.
pub fn turn(state: &mut State, facts: &Facts<'_>) -> Turned {
    let mut turned = Turned::default();
    state.live = facts.live.to_owned();
    if facts.aborted && state.run.is_some() {
        state.end(Phase::Aborted, "somebody ended it", &mut turned);
        state.declined = Some(facts.live.to_owned());
        state.let_go();
    }
    if state.declined.as_deref().is_some_and(|d| d != facts.live) {
        state.declined = None;
    }
    if let Some(undo) = facts.undo.filter(|undo| undo.mark != state.undo) {
        undone(state, facts.live, undo, &mut turned);
    }
    if state.declined.is_some() || state.aim() == facts.live {
        return turned;
    }
    if facts.live == state.good {
        let why = "what stands on the hub is again what was good";
        state.end(Phase::Superseded, why, &mut turned);
        state.let_go();
    } else if facts.less {
        let why = "what is left of it is what was good";
        state.end(Phase::Superseded, why, &mut turned);
        state.good = facts.live.to_owned();
        state.let_go();
    } else {
        state.end(Phase::Superseded, "another change came", &mut turned);
        state.start(facts.live, Cause::Change, &mut turned);
    }
    turned
}

fn undone(state: &mut State, live: &str, undo: Undo<'_>, turned: &mut Turned) {
    state.undo = undo.mark.to_owned();
    if !undo.known {
        turned.refused = Some(undo.release.to_owned());
        return;
    }
    if undo.release == state.aim() {
        return;
    }
    state.end(Phase::Superseded, "a former release is wanted", turned);
    state.declined = Some(live.to_owned()).filter(|live| live != undo.release);
    if undo.release == state.good {
        state.let_go();
    } else {
        state.start(undo.release, Cause::Undo, turned);
    }
}

/// The run that is under way failed. `bare` says that the good release holds nothing to go back to.
pub fn fail(state: &mut State, on_failure: OnFailure, bare: bool, why: &str) -> Turned {
    let mut turned = Turned::default();
    match on_failure {
        OnFailure::Rollback if !bare => {
            state.end(Phase::RolledBack, why, &mut turned);
            state.declined = Some(state.live.clone());
            state.let_go();
        }
        OnFailure::Rollback | OnFailure::Halt => {
            if let Some(run) = &mut state.run {
                run.halted = Some(why.to_owned());
            }
        }
    }
    turned
}

/// The run that is under way reached everyone: its release is the good one.
pub fn succeed(state: &mut State) -> Turned {
    let mut turned = Turned::default();
    if let Some(run) = &state.run {
        state.good = run.target.clone();
        state.let_go();
    }
    state.end(Phase::Succeeded, "all clusters have it", &mut turned);
    turned
}
