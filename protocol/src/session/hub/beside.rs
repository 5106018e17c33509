//! What a hub orders and asks beside the desired set: freezes, and objects as they are.
//!
//! Holds no state of its own: orders wait in `freezing`, questions in `fetches`.

use crate::session::Now;
use crate::session::timer::Timer;
use crate::wire::ItemKey;
use crate::wire::frame::{Freeze, features};
use crate::wire::limits::COMPARE_DEADLINE;

use super::fetches::Answer;
use super::freezing::Unsendable;
use super::{HubEvent, HubSession, Phase};

impl HubSession {
    /// The cluster is to be left as it is, or no longer. To be called before `admit` where the hub
    /// has a record of it, so that nothing overtakes it, and on each change. An agent that does not
    /// know such orders is told nothing, and gets no changes while the cluster is frozen. A reason
    /// beyond its bound is cut.
    pub fn freeze(&mut self, now: Now, freeze: Freeze) {
        let ordered = self.freezing.order(&self.config.lineage, freeze);
        if let Err(Unsendable { stamp, reason }) = ordered {
            let key = Freeze::key();
            self.events
                .push_back(HubEvent::Unsendable { key, stamp, reason });
        }
        self.hold(now);
    }

    /// Whether changes are kept back, because the cluster is frozen and its agent cannot be told.
    pub fn is_held(&self) -> bool {
        match &self.phase {
            Phase::On(on) => self.freezing.holds(on.features),
            Phase::Waiting | Phase::Deciding(_) | Phase::Over => false,
        }
    }

    /// Sets or clears the clock that keeps a comparison going while it is held up.
    pub(super) fn hold(&mut self, now: Now) {
        let comparing = matches!(&self.phase, Phase::On(on) if on.sender.compares());
        if comparing && self.is_held() {
            self.timers.set(Timer::Held, now + COMPARE_DEADLINE / 2);
        } else {
            self.timers.clear(Timer::Held);
        }
    }

    /// Asks for an object as it is on the member; [`HubEvent::Fetched`] says what became of it,
    /// within `FETCH_DEADLINE`, unless the session ends before. At most `FETCHES_MAX` questions can
    /// be open, each with an id of its own; others are answered with a problem at once.
    pub fn fetch(&mut self, now: Now, id: u64, key: ItemKey) {
        let answer = match &mut self.phase {
            Phase::On(on) if on.features & features::FETCH != 0 => on.fetches.ask(now, id, key),
            Phase::On(_) => {
                let problem = "the agent's release cannot show objects; upgrade it".to_owned();
                Some(Answer::none(id, key, problem))
            }
            Phase::Waiting | Phase::Deciding(_) | Phase::Over => {
                Some(Answer::none(id, key, "the agent is not here".to_owned()))
            }
        };
        self.fetched(answer);
        self.await_fetches();
    }

    pub(super) fn fetched(&mut self, answers: impl IntoIterator<Item = Answer>) {
        self.events.extend(
            answers
                .into_iter()
                .map(|Answer { id, key, content }| HubEvent::Fetched { id, key, content }),
        );
    }

    /// Sets the clock for the question that is given up next.
    pub(super) fn await_fetches(&mut self) {
        let due = match &self.phase {
            Phase::On(on) => on.fetches.due(),
            Phase::Waiting | Phase::Deciding(_) | Phase::Over => None,
        };
        match due {
            Some(due) => self.timers.set(Timer::Fetch, due),
            None => self.timers.clear(Timer::Fetch),
        }
    }
}
