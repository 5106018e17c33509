//! Carries out rollouts: makes releases of what stands on the hub, begins and ends runs, and lets
//! clusters to a release step by step.
//!
//! One transaction a look. What a cluster is given then is [`placement`](crate::placement)'s business,
//! which asserts what is written here. Times, and since when something is so, are kept in memory: a hub
//! that starts anew counts soaks and deadlines anew.

mod ground;
mod keep;
mod live;
mod members;
mod object;
mod preview;
mod tell;
pub(crate) mod waves;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use roadstead_plan::World;
use roadstead_plan::budget::Spare;
use roadstead_plan::policy::Policy;
use roadstead_plan::rollout::advance::{Clock, Said, Step, advance};
use roadstead_plan::rollout::release::{Made, Release};
use roadstead_plan::rollout::state::Admitted;
use roadstead_plan::rollout::turn::{Facts, Turned, Undo, fail, succeed, turn};
use roadstead_plan::rollout::{Rollout, State};
use roadstead_protocol::api::names::ROLLOUT_UNDO_ANNOTATION;
use roadstead_protocol::api::rollout::Phase;
use roadstead_store::records::{
    admitted_key, content_key, decode, encode, release_key, rollout_key, world_key,
};
use roadstead_store::{Check, Entry, Op, Snapshot, Txn};

use self::ground::Ground;
use self::live::Live;
use self::members::Members;
use self::object::Object;
use crate::error::Error;
use crate::reconciler::Reconciler;
use crate::work::Name;

pub(crate) use self::preview::finish;

/// How soon there is another look when not everything was taken away.
const AGAIN: Duration = Duration::from_millis(1);

/// Since when something has been so, by the UID of the policy and the number of the run.
#[derive(Default)]
pub(crate) struct Clocks(Mutex<BTreeMap<String, (u64, Clock)>>);

impl Clocks {
    fn of(&self, policy: &str, run: u64) -> Clock {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(policy).filter(|(of, _)| *of == run);
        known.map(|(_, clock)| clock.clone()).unwrap_or_default()
    }

    /// One for each policy with a rollout under way.
    fn keep(&self, policy: &str, run: Option<(u64, Clock)>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match run {
            Some(run) => all.insert(policy.to_owned(), run),
            None => all.remove(policy),
        };
    }
}

pub(crate) async fn reconcile(
    context: &Reconciler,
    kind: (&str, &str),
    name: &Name,
) -> Result<Option<Duration>, Error> {
    context
        .commit(|snapshot| attempt(context, snapshot, kind, name))
        .await
}

type Attempt = (Option<Txn>, Option<Duration>);

fn attempt(
    context: &Reconciler,
    snapshot: &Snapshot,
    kind: (&str, &str),
    name: &Name,
) -> Result<Attempt, Error> {
    let Some(ground) = Ground::read(context, snapshot, kind, name)? else {
        return Ok((None, None));
    };
    if let Some(look) = ground.look(context, snapshot) {
        return look.look();
    }
    let Ground { entry, policy, .. } = &ground;
    context.rollouts.keep(&policy.identity.uid, None);
    let txn = keep::forget(context, snapshot, (policy, entry))?;
    let again = txn.is_some().then_some(AGAIN);
    Ok((txn, again))
}

/// One look at a policy's rollouts.
struct Look<'a> {
    context: &'a Reconciler,
    snapshot: &'a Snapshot,
    world: &'a World,
    entry: &'a Entry,
    policy: &'a Policy,
    rollout: &'a Rollout,
}

/// What a look comes to.
#[derive(Default)]
struct Outcome {
    /// Runs that ended, how, and why.
    ended: Vec<Turned>,
    step: Option<Step>,
    /// UIDs of the clusters that are let to the release.
    admit: Vec<String>,
    clock: Option<Clock>,
}

impl Look<'_> {
    fn uid(&self) -> &str {
        &self.policy.identity.uid
    }

    fn look(&self) -> Result<Attempt, Error> {
        let live = Live::read(self.context, (self.snapshot, self.world), self.policy)?;
        let made = live.release()?;
        let key = rollout_key(self.uid())?;
        let there = self.snapshot.get(key.as_str());
        let former: Option<State> = there.map(decode).transpose()?;
        let mut txn = Txn::new();
        let known = former.as_ref().filter(|state| !state.good.is_empty());
        let mut state = match (known, &made) {
            (Some(state), _) => state.clone(),
            (None, Ok(_)) => self.begin(&live, &mut txn)?,
            (None, Err(why)) => return tell::unmade(self, former, why),
        };
        // Where nothing can be made of what stands on the hub, what is under way still goes on, or back.
        state.problem = made.as_ref().err().map(ToString::to_string);
        let made = made.ok();
        if let Some(made) = &made {
            self.store(made, &mut txn)?;
        }
        let mut outcome = Outcome::default();
        let object = self.turn(&mut state, made.as_ref(), &mut outcome)?;
        let admitted = waves::admitted(self.snapshot, self.uid(), &state)?;
        if state.run.is_some() {
            self.step(&mut state, &object, &admitted, &mut outcome)?;
        }
        for cluster in &outcome.admit {
            self.admit(&state, cluster, &mut txn)?;
        }
        if former.as_ref() != Some(&state) || !outcome.admit.is_empty() {
            state.turns = state.turns.saturating_add(1);
            txn.ops.push(Op::Put {
                key: key.clone(),
                value: encode(&state)?,
            });
        }
        tell::told(self, (former.as_ref(), &state), &outcome, &mut txn)?;
        let history = (self.policy, self.rollout.history);
        let more = keep::prune(self.snapshot, history, &state, &admitted, &mut txn)?;
        self.assert(&object, &mut txn)?;
        let run = state.run.as_ref().map(|run| run.number);
        (self.context.rollouts).keep(self.uid(), run.zip(outcome.clock));
        let again = outcome.step.and_then(|step| step.again);
        let again = if more { Some(AGAIN) } else { again };
        Ok((Some(txn), again))
    }

    /// How the rollouts of a policy stand that had none so far: what clusters run is good.
    fn begin(&self, live: &Live<'_>, txn: &mut Txn) -> Result<State, Error> {
        let Ok(running) = live.running()? else {
            return Ok(State::default());
        };
        self.store(&running, txn)?;
        let mut state = State::begin(&running.id);
        let why = "its policy was without a rollout meanwhile";
        keep::end_all(self.context, self.snapshot, self.policy, why, txn)?;
        state.runs = keep::newest(self.snapshot, self.policy)?;
        state.void = state.runs;
        // A wish from before is none for a rollout.
        state.undo = self.wish().to_owned();
        Ok(state)
    }

    /// Keeps a release, where it is not kept yet.
    fn store(&self, made: &Made, txn: &mut Txn) -> Result<(), Error> {
        let key = release_key(self.uid(), &made.id)?;
        let written = txn.ops.iter().any(|op| *op.key() == key);
        if written || self.snapshot.get(key.as_str()).is_some() {
            return Ok(());
        }
        txn.checks.push(Check::Absent(key.clone()));
        for (digest, bytes) in &made.contents {
            // Also where it is there: that it was written again tells the sweep that it is needed.
            txn.ops.push(Op::Put {
                key: content_key(digest)?,
                value: bytes.clone(),
            });
        }
        txn.ops.push(Op::Put {
            key,
            value: encode(&made.release)?,
        });
        Ok(())
    }

    fn release(&self, id: &str) -> Result<Option<Release>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        let entry = self.snapshot.get(release_key(self.uid(), id)?.as_str());
        Ok(entry.map(decode).transpose()?)
    }

    /// What people wish back, as they said it.
    fn wish(&self) -> &str {
        let annotations = &self.policy.identity.annotations;
        let wish = annotations.get(ROLLOUT_UNDO_ANNOTATION);
        wish.map(String::as_str).unwrap_or_default()
    }

    /// Begins and ends runs. Gives the Rollout of the run that was under way before. Where nothing can be
    /// made of what stands on the hub, it is taken to be what it was.
    fn turn(
        &self,
        state: &mut State,
        made: Option<&Made>,
        outcome: &mut Outcome,
    ) -> Result<Option<Object<'_>>, Error> {
        let run = state.run.clone();
        let of = |run| Object::of(self.snapshot, self.policy, run);
        let object = run.as_ref().map(of).transpose()?;
        let wish = self.wish();
        let release = wish.split_whitespace().next().unwrap_or_default();
        let undo = Undo {
            mark: wish,
            release,
            known: self.release(release).ok().flatten().is_some(),
        };
        let good = self.release(&state.good)?;
        let live = made.map_or_else(|| state.live.clone(), |made| made.id.clone());
        let less = made.zip(good.as_ref());
        let facts = Facts {
            live: &live,
            less: less.is_some_and(|(made, good)| made.release.is_less_than(good)),
            undo: (!wish.is_empty()).then_some(undo),
            aborted: object.as_ref().is_some_and(|o| o.read.spec.aborted),
        };
        let turned = turn(state, &facts);
        if turned.begun
            && let Some(run) = &mut state.run
        {
            run.name = object::name(self.snapshot, self.policy, run.number)?;
        }
        outcome.ended.push(turned);
        Ok(object)
    }

    /// Makes a step of the run that is under way.
    fn step(
        &self,
        state: &mut State,
        object: &Option<Object<'_>>,
        admitted: &BTreeMap<String, String>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let Some(run) = &mut state.run else {
            return Ok(());
        };
        let known = object.as_ref().map(|object| &object.read);
        let read = known.filter(|read| read.spec.number == run.number || read.spec.number == 0);
        let held = read.is_some_and(|read| read.spec.paused);
        if !held {
            run.halted = None;
        }
        run.paused = held || self.rollout.paused;
        // A release that was made just now is not in the snapshot yet: the next look steps.
        let Some(release) = self.release(&run.target)? else {
            return Ok(());
        };
        let good = self.release(&state.good)?;
        let members = Members::of(
            self.context,
            (self.snapshot, self.world),
            (self.policy, self.rollout),
            ((&run.target, &release), (&state.good, good.as_ref())),
            admitted,
        )?;
        let approvals = read.map(|read| read.status.approvals.as_slice());
        let approvals = approvals.unwrap_or_default().iter();
        let said = Said {
            approved: approvals.map(|approved| approved.stage.as_str()).collect(),
            paused: run.paused,
            spare: self.spare()?,
        };
        let mut clock = (self.context.rollouts).of(&self.policy.identity.uid, run.number);
        let now = self.context.uptime();
        let step = advance(self.rollout, run, &said, &members, &mut clock, now);
        run.stage = step.stage;
        if let Some(why) = &step.failed {
            let bare = good.is_none_or(|good| good.items.is_empty());
            outcome
                .ended
                .push(fail(state, self.rollout.on_failure, bare, why));
        } else if step.phase == Phase::Succeeded {
            outcome.ended.push(succeed(state));
        } else {
            outcome.admit.clone_from(&step.admit);
        }
        outcome.clock = Some(clock);
        outcome.step = Some(step);
        Ok(())
    }

    /// What the policy's disruption budget leaves, where it has one.
    fn spare(&self) -> Result<Option<Spare>, Error> {
        let Some(budget) = self.policy.budget else {
            return Ok(None);
        };
        let news = self.context.parts.volatile.snapshot();
        let both = (self.snapshot, &news);
        let standing = (self.context.budgets).of(both, self.world, self.uid(), &[])?;
        Ok(Some(Spare::of(budget, &standing)))
    }

    fn admit(&self, state: &State, cluster: &str, txn: &mut Txn) -> Result<(), Error> {
        let Some(run) = &state.run else {
            return Ok(());
        };
        let admitted = Admitted {
            release: run.target.clone(),
            run: run.number,
        };
        txn.ops.push(Op::Put {
            key: admitted_key(self.uid(), cluster)?,
            value: encode(&admitted)?,
        });
        Ok(())
    }

    /// Asserts what the look was made from: the policy, how its rollouts stood, what people want of the
    /// run, and who the clusters are.
    fn assert(&self, object: &Option<Object<'_>>, txn: &mut Txn) -> Result<(), Error> {
        if txn.ops.is_empty() {
            return Ok(());
        }
        let as_read =
            |key: roadstead_store::Key| Check::as_read(&key, self.snapshot.get(key.as_str()));
        txn.checks.push(as_read(rollout_key(self.uid())?));
        txn.checks.push(as_read(world_key()?));
        let entry = self.entry;
        txn.checks
            .push(Check::At(entry.key.clone(), entry.revision));
        if let Some(object) = object {
            object.assert(txn);
        }
        let mut seen = BTreeSet::new();
        txn.checks.retain(|check| seen.insert(format!("{check:?}")));
        Ok(())
    }
}
