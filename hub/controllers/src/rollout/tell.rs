//! What is said of a rollout: its status, and the events of its policy.

use roadstead_plan::rollout::advance::Step;
use roadstead_plan::rollout::turn::Turned;
use roadstead_plan::rollout::{Run, State, release};
use roadstead_protocol::api::rollout::{Phase, StageStatus, Status};
use roadstead_store::records::{encode, rollout_key};
use roadstead_store::{Op, Txn};

use super::{Attempt, Look, Object, Outcome};
use crate::error::Error;
use crate::events::{self, Event};
use crate::objects;

/// Says that no release can be made of what stands on the hub, and that there never was any: nothing of
/// it reaches anybody.
pub(super) fn unmade(
    look: &Look<'_>,
    former: Option<State>,
    why: &release::Error,
) -> Result<Attempt, Error> {
    let mut state = former.clone().unwrap_or_default();
    state.problem = Some(why.to_string());
    if former.as_ref() == Some(&state) {
        return Ok((None, None));
    }
    let mut txn = Txn::new();
    let policy = objects::object(look.entry)?;
    let told = problem(former.as_ref(), &state).into_iter().collect();
    events::add(look.context, look.snapshot, &policy, told, &mut txn)?;
    txn.ops.push(Op::Put {
        key: rollout_key(look.uid())?,
        value: encode(&state)?,
    });
    look.assert(&None, &mut txn)?;
    Ok((Some(txn), None))
}

/// What is new about nothing being made of what stands on the hub.
fn problem(former: Option<&State>, state: &State) -> Option<Event> {
    let known = former.and_then(|former| former.problem.as_ref());
    let new = state.problem.as_ref().filter(|new| known != Some(*new));
    new.map(|new| Event::warning("RolloutImpossible", new))
}

/// Adds to `txn` what is said of what came of a look.
pub(super) fn told(
    look: &Look<'_>,
    (former, state): (Option<&State>, &State),
    outcome: &Outcome,
    txn: &mut Txn,
) -> Result<(), Error> {
    let mut events: Vec<Event> = problem(former, state).into_iter().collect();
    for turned in &outcome.ended {
        if let Some((run, phase, why)) = &turned.ended {
            end(look, (run, *phase, why), outcome, txn)?;
            events.push(ending(run, *phase, why));
        }
        events.extend(began(turned, state));
    }
    if let Some(run) = &state.run {
        let object = Object::of(look.snapshot, look.policy, run)?;
        let mut status = match &outcome.step {
            Some(step) => status(run, step),
            None => Status {
                message: "it is being prepared".to_owned(),
                ..Status::default()
            },
        };
        if let Some(problem) = &state.problem {
            status.message = format!(
                "{}; what stands on the hub now cannot go out: {problem}",
                status.message
            );
        }
        let was = (object.read.status.phase, object.read.status.stage.clone());
        let known = !object.read.status.started_at.is_empty();
        if known && was != (status.phase, status.stage.clone()) {
            events.push(under_way(run, &status));
        }
        object.write(look.context, look.policy, (run, status), txn)?;
    }
    if !events.is_empty() {
        let policy = objects::object(look.entry)?;
        events::add(look.context, look.snapshot, &policy, events, txn)?;
    }
    Ok(())
}

fn end(
    look: &Look<'_>,
    (run, phase, why): (&Run, Phase, &str),
    outcome: &Outcome,
    txn: &mut Txn,
) -> Result<(), Error> {
    let object = Object::of(look.snapshot, look.policy, run)?;
    let seen = outcome.step.as_ref().filter(|_| is_of(phase));
    let last = match seen {
        Some(step) => status(run, step),
        None => object.read.status.clone(),
    };
    let status = Status {
        phase,
        message: why.to_owned(),
        stage: String::new(),
        ..last
    };
    object.write(look.context, look.policy, (run, status), txn)?;
    Ok(())
}

/// Whether a run that ends so was stepped by this very look.
fn is_of(phase: Phase) -> bool {
    matches!(phase, Phase::Succeeded | Phase::RolledBack)
}

/// How far a run is.
fn status(run: &Run, step: &Step) -> Status {
    let sum = |of: fn(&StageStatus) -> u32| {
        let all = step.stages.iter().map(of);
        all.fold(0, u32::saturating_add)
    };
    let stage = step.stages.get(step.stage);
    let (phase, message) = match &run.halted {
        Some(why) => (Phase::Halted, why.clone()),
        None => (step.phase, step.message.clone()),
    };
    Status {
        phase,
        message,
        stage: stage.map(|stage| stage.name.clone()).unwrap_or_default(),
        clusters: sum(|stage| stage.clusters),
        updated: sum(|stage| stage.updated),
        ready: sum(|stage| stage.ready),
        stages: step.stages.clone(),
        ..Status::default()
    }
}

fn began(turned: &Turned, state: &State) -> Option<Event> {
    if let Some(release) = &turned.refused {
        let text = format!("release {release} is not there any more, or never was");
        return Some(Event::warning("RolloutUndoFailed", &text));
    }
    let run = state.run.as_ref().filter(|_| turned.begun)?;
    let text = format!(
        "Rollout {} brings release {} where {} is",
        run.name, run.target, run.from
    );
    Some(Event::normal("RolloutStarted", &text))
}

fn ending(run: &Run, phase: Phase, why: &str) -> Event {
    let text = format!("Rollout {}: {why}", run.name);
    let reason = format!("Rollout{}", phase.name());
    match phase {
        Phase::RolledBack | Phase::Halted => Event::warning(&reason, &text),
        Phase::Progressing
        | Phase::WaitingForApproval
        | Phase::Soaking
        | Phase::Paused
        | Phase::Succeeded
        | Phase::Superseded
        | Phase::Aborted => Event::normal(&reason, &text),
    }
}

fn under_way(run: &Run, status: &Status) -> Event {
    let at = match status.stage.as_str() {
        "" => String::new(),
        stage => format!("stage {stage}: "),
    };
    ending(run, status.phase, &format!("{at}{}", status.message))
}
