//! The agent's end of a session.
//!
//! Knows neither redb nor the member: its shell commits batches and tells what became of items.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::wire::codec::Frame;
use crate::wire::frame::{
    Ack, Fetch, Freeze, Hello, Mode, Restarting, Summary, Synced, Want, WantOver, Welcome, features,
};
use crate::wire::{AgentFrame, Digest, HubFrame, ItemKey, Lane, Stamp};

use super::answers::Answers;
use super::outbox::Outbox;
use super::receive::{Asking, Receiver};
use super::timer::{Timer, Timers};
use super::{Batch, Ending, Now, Session, Violation, handshake};
use crate::wire::limits::{
    COMPARE_DEADLINE, DELTA_BYTES_MIN, FETCHES_MAX, FLUSH_AFTER, WELCOME_DEADLINE,
};

/// What an agent brings to a session.
#[derive(Clone)]
pub struct AgentConfig {
    /// How it introduces itself.
    pub hello: Hello,
    /// Whether a content is durable at the agent. Called from within the session, so it must be
    /// quick (an index in memory). It is asked again right before a batch is handed out, and only
    /// one batch is out at a time: a shell that drops contents only while it commits, after it has
    /// looked at the batch, never loses one that is needed.
    pub holds: Arc<dyn Fn(&Digest) -> bool + Send + Sync>,
}

/// Which content an item has.
pub type Bases = Arc<dyn Fn(&ItemKey) -> Option<Digest> + Send + Sync>;

/// What the agent's shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEvent {
    /// The hub let us in. In `Mode::Compare` its whole set follows as batches.
    Welcomed(Welcome),
    /// Commit this in one transaction, then call `committed`. The next batch comes afterwards.
    Commit(Batch),
    /// A comparison is over and committed: every key of the hub's set has been named. `None` where
    /// that hub has never written anything.
    Compared(Option<Stamp>),
    /// All that the hub had when it said so is committed. Does not move the position.
    Synced(Stamp),
    /// Leave the cluster as it is from now on, or no longer: to be judged by
    /// [`verdict`](super::stamps::verdict) over what is recorded, and to be durable before it is
    /// acted on. Comes before every batch that was announced after it.
    Freeze(Freeze),
    /// Read the content `base`, which is here, and answer with `base` for `content`.
    NeedBase {
        /// What is made of it.
        content: Digest,
        /// What to read.
        base: Digest,
    },
    /// The hub asks for an object as it is on the member; answer with `fetched`.
    Fetch(Fetch),
    /// The hub goes down on purpose: come back after this time.
    Restarting(Duration),
    /// The session is over: close the connection.
    Closed(Ending),
}

mod beside;

pub use beside::ReportError;

/// Where a session is.
enum Phase {
    /// The hello waits for its lane, or the hub for its shell.
    Greeting,
    /// It is on.
    On(Box<Receiver>),
    /// It is over.
    Over,
}

/// The agent's end of a session.
pub struct AgentSession {
    config: AgentConfig,
    phase: Phase,
    timers: Timers,
    /// The hello, until it is transmitted.
    hello: Option<Hello>,
    /// The newest acknowledgement, until it is transmitted.
    ack: Option<Stamp>,
    outbox: Outbox,
    answers: Answers,
    /// Questions that overtook the welcome, which comes on another lane.
    early: Vec<Fetch>,
    /// Which content an item has now, if contents may come as what differs from it.
    bases: Option<Bases>,
    /// What both ends understand beyond the first release.
    features: u64,
    events: VecDeque<AgentEvent>,
}

impl AgentSession {
    /// A session over a connection that was made at `now`.
    pub fn new(config: AgentConfig, now: Now) -> Self {
        let mut timers = Timers::default();
        timers.set(Timer::Handshake, now + WELCOME_DEADLINE);
        let hello = Some(config.hello.clone());
        Self {
            config,
            phase: Phase::Greeting,
            timers,
            hello,
            ack: None,
            outbox: Outbox::default(),
            answers: Answers::default(),
            early: Vec::new(),
            bases: None,
            features: 0,
            events: VecDeque::new(),
        }
    }

    /// The batch whose `upto` this is, is durable. Ignored where no such batch is out.
    pub fn committed(&mut self, now: Now, upto: Option<Stamp>) {
        let Phase::On(receiver) = &mut self.phase else {
            return;
        };
        let Some(committed) = receiver.committed(upto) else {
            return;
        };
        self.ack = committed.ack.or(self.ack);
        if committed.compared {
            self.timers.clear(Timer::Compare);
            self.events.push_back(AgentEvent::Compared(committed.ack));
        } else {
            self.await_comparison(now);
        }
    }

    /// (Re)starts the clock of a comparison that waits for the hub.
    fn await_comparison(&mut self, now: Now) {
        let Phase::On(receiver) = &self.phase else {
            return;
        };
        if receiver.compares() {
            self.timers.set(Timer::Compare, now + COMPARE_DEADLINE);
        }
    }

    fn flush_soon(&mut self, now: Now) {
        let on = matches!(self.phase, Phase::On(_));
        if on && !self.outbox.is_empty() && !self.outbox.is_open() {
            self.timers.set_once(Timer::Flush, now + FLUSH_AFTER);
        }
    }

    /// How many changes are not handed out, and how many content bytes are here or asked for.
    #[cfg(test)]
    pub(super) fn load(&self) -> (usize, usize) {
        match &self.phase {
            Phase::On(receiver) => receiver.load(),
            Phase::Greeting | Phase::Over => (0, 0),
        }
    }

    fn close(&mut self, ending: Option<Ending>) {
        self.phase = Phase::Over;
        self.timers.clear_all();
        self.hello = None;
        self.ack = None;
        self.events.extend(ending.map(AgentEvent::Closed));
    }

    fn welcomed(&mut self, now: Now, welcome: Welcome) -> Result<(), Violation> {
        handshake::check(&self.config.hello, &welcome)?;
        let start = match welcome.mode {
            Mode::Resume => self.config.hello.position,
            Mode::Compare => None,
        };
        let receiver = Receiver::new(welcome.lineage.clone(), start);
        self.features = welcome.features;
        self.phase = Phase::On(Box::new(receiver));
        self.timers.clear(Timer::Handshake);
        self.await_comparison(now);
        self.flush_soon(now);
        self.events.push_back(AgentEvent::Welcomed(welcome));
        for fetch in std::mem::take(&mut self.early) {
            self.asked(fetch)?;
        }
        Ok(())
    }

    /// Takes a question.
    fn asked(&mut self, fetch: Fetch) -> Result<(), Violation> {
        if self.features & features::FETCH == 0 {
            return Err(Violation::Feature { frame: "fetch" });
        }
        self.answers.ask(&fetch)?;
        self.events.push_back(AgentEvent::Fetch(fetch));
        Ok(())
    }

    fn take(&mut self, now: Now, frame: HubFrame) -> Result<(), Violation> {
        frame.check()?;
        let name = frame.name();
        let unknown = frame.needs() & !self.features != 0;
        let out_of = |phase| Err(Violation::OutOfPhase { frame: name, phase });
        match (&mut self.phase, frame) {
            (Phase::Over, _) => Ok(()),
            (_, HubFrame::Refused(refused)) => {
                self.close(Some(Ending::Refused(refused)));
                Ok(())
            }
            (_, HubFrame::Restarting(Restarting { retry_in_ms })) => {
                let retry_in = Duration::from_millis(retry_in_ms);
                self.events.push_back(AgentEvent::Restarting(retry_in));
                Ok(())
            }
            (Phase::Greeting, HubFrame::Welcome(welcome)) if self.hello.is_none() => {
                self.welcomed(now, welcome)
            }
            (Phase::Greeting, HubFrame::Fetch(fetch)) if self.hello.is_none() => {
                if self.early.len() >= FETCHES_MAX {
                    return Err(Violation::Fetches { limit: FETCHES_MAX });
                }
                self.early.push(fetch);
                Ok(())
            }
            (Phase::Greeting, _) => out_of("before the welcome"),
            (Phase::On(_), HubFrame::Welcome(_)) => out_of("a second time"),
            (Phase::On(_), _) if unknown => Err(Violation::Feature { frame: name }),
            (Phase::On(receiver), HubFrame::Summary(summary)) if receiver.expects_summaries() => {
                summarise(receiver, summary)
            }
            (Phase::On(_), HubFrame::Summary(_)) => out_of("outside a comparison"),
            (
                Phase::On(receiver),
                HubFrame::Put(_) | HubFrame::Tombstone(_) | HubFrame::Synced(_),
            ) if receiver.expects_summaries() => out_of("within a comparison"),
            (Phase::On(receiver), HubFrame::Put(put)) => receiver.announce(put.into()),
            (Phase::On(receiver), HubFrame::Tombstone(tombstone)) => {
                receiver.announce(tombstone.into())
            }
            (Phase::On(receiver), HubFrame::Synced(Synced { stamp })) => receiver.synced(stamp),
            (Phase::On(receiver), HubFrame::Withdrawn(withdrawn)) => receiver.withdrawn(withdrawn),
            (Phase::On(receiver), HubFrame::Content(piece)) => receiver.content(&piece),
            (Phase::On(receiver), HubFrame::Delta(delta)) => {
                let (content, base) = (delta.digest, delta.base);
                receiver.delta(delta)?;
                self.events
                    .push_back(AgentEvent::NeedBase { content, base });
                Ok(())
            }
            (Phase::On(receiver), HubFrame::Freeze(freeze)) => {
                receiver.freeze(&freeze)?;
                self.events.push_back(AgentEvent::Freeze(freeze));
                Ok(())
            }
            (Phase::On(_), HubFrame::Fetch(fetch)) => self.asked(fetch),
        }
    }
}

/// The content over which another is worth asking for.
fn base_of(asking: &Asking, bases: &Bases) -> Option<Digest> {
    if asking.size < DELTA_BYTES_MIN {
        return None;
    }
    bases(&asking.want.key).filter(|base| *base != asking.digest)
}

/// Takes a part of the whole set.
fn summarise(receiver: &mut Receiver, summary: Summary) -> Result<(), Violation> {
    for entry in summary.entries {
        receiver.announce(entry.into())?;
    }
    match summary.complete {
        Some(revision) => receiver.complete(revision),
        None => Ok(()),
    }
}

impl Session for AgentSession {
    type In = HubFrame;
    type Out = AgentFrame;
    type Event = AgentEvent;

    fn handle_frame(&mut self, now: Now, frame: HubFrame) -> Result<(), Violation> {
        let taken = self.take(now, frame);
        match &taken {
            Ok(()) => self.await_comparison(now),
            Err(_) => self.close(None),
        }
        taken
    }

    fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.expire(now) {
            match (timer, &self.phase) {
                (Timer::Handshake, _) => self.close(Some(Ending::Late("a welcome"))),
                (Timer::Compare, Phase::On(receiver)) if receiver.waits_for_comparison() => {
                    self.close(Some(Ending::Late("the rest of a comparison")));
                }
                (Timer::Compare, _) => self.await_comparison(now),
                (Timer::Flush, _) => self.outbox.open(),
                (Timer::Fetch | Timer::Held, _) => {}
            }
        }
    }

    fn poll_timeout(&self) -> Option<(Now, &'static str)> {
        self.timers.next()
    }

    fn poll_transmit_on(&mut self, lane: Lane) -> Option<AgentFrame> {
        match (lane, &mut self.phase) {
            (Lane::Control, Phase::Greeting) => self.hello.take().map(AgentFrame::Hello),
            (Lane::Control, Phase::On(receiver)) => {
                if let Some(stamp) = self.ack.take() {
                    return Some(AgentFrame::Ack(Ack { stamp }));
                }
                let asking = receiver.poll_want(self.config.holds.as_ref())?;
                let bases = self.bases.as_ref();
                let bases = bases.filter(|_| self.features & features::DELTA != 0);
                let base = bases.and_then(|bases| base_of(&asking, bases));
                Some(match base {
                    Some(base) if (self.config.holds)(&base) => {
                        receiver.over(&asking.digest, base);
                        let Want { key, revision } = asking.want;
                        AgentFrame::WantOver(WantOver {
                            key,
                            revision,
                            base,
                        })
                    }
                    Some(_) | None => AgentFrame::Want(asking.want),
                })
            }
            (Lane::Reports, Phase::On(_)) => {
                let fetched = self.answers.poll_transmit().map(AgentFrame::Fetched);
                fetched.or_else(|| self.outbox.poll_transmit())
            }
            (Lane::Control | Lane::Desired | Lane::Content | Lane::Reports, _) => None,
        }
    }

    fn poll_event(&mut self) -> Option<AgentEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let Phase::On(receiver) = &mut self.phase else {
            return None;
        };
        if let Some(batch) = receiver.poll_batch(self.config.holds.as_ref()) {
            return Some(AgentEvent::Commit(batch));
        }
        receiver.poll_synced().map(AgentEvent::Synced)
    }
}
