//! The hub's end of a session.
//!
//! Knows neither the ledger nor QUIC: its shell reads the one and drives the other.

use std::collections::VecDeque;
use std::time::Duration;

use crate::wire::codec::Frame;
use crate::wire::frame::{Ack, Facts, Hello, RefusalCode, Refused, Restarting, Summary, Want};
use crate::wire::limits::MESSAGE_BYTES_MAX;
use crate::wire::{AgentFrame, Digest, HubFrame, Lane, Revision};

use super::outbound::{Outbound, Wanted};
use super::send::{Sender, Unsendable};
use super::timer::{Timer, Timers};
use super::{Change, Ending, Now, Session, Violation, handshake};
use crate::wire::limits::HELLO_DEADLINE;

mod beside;
mod contents;
mod event;
mod fetches;
mod freezing;

pub use event::{Admission, HubConfig, HubEvent};
use fetches::Fetches;
use freezing::Freezing;

/// Where a session is.
enum Phase {
    /// Nothing has been said.
    Waiting,
    /// The shell decides about this hello.
    Deciding(Hello),
    /// It is on.
    On(Box<Running>),
    /// It is over.
    Over,
}

/// A session that is on.
struct Running {
    sender: Sender,
    outbound: Outbound,
    /// The welcome, until it is transmitted.
    welcome: Option<HubFrame>,
    /// What both ends understand beyond the first release.
    features: u64,
    fetches: Fetches,
    /// A comparison that is held up is to be kept going.
    nudge: bool,
}

/// The hub's end of a session.
pub struct HubSession {
    config: HubConfig,
    phase: Phase,
    timers: Timers,
    control: VecDeque<HubFrame>,
    freezing: Freezing,
    events: VecDeque<HubEvent>,
}

impl HubSession {
    /// A session over a connection that was accepted at `now`. Lists in `config` that exceed their
    /// bounds are cut.
    pub fn new(config: HubConfig, now: Now) -> Self {
        let mut timers = Timers::default();
        timers.set(Timer::Handshake, now + HELLO_DEADLINE);
        Self {
            config: handshake::bounded(config),
            phase: Phase::Waiting,
            timers,
            control: VecDeque::new(),
            freezing: Freezing::default(),
            events: VecDeque::new(),
        }
    }

    /// Answers [`HubEvent::Hello`]. Ignored at any other time.
    pub fn admit(&mut self, now: Now, admission: Admission) {
        let Phase::Deciding(hello) = &self.phase else {
            return;
        };
        let floor = match admission {
            Admission::Welcome { floor } => floor,
            Admission::Refuse(refused) => return self.refuse(now, refused),
        };
        let mode = handshake::mode(&self.config.lineage, floor, hello);
        let welcome = handshake::welcome(&mut self.config, hello, mode);
        let features = welcome.features;
        let sender = Sender::new(mode, handshake::start(mode, hello));
        let welcome = Some(HubFrame::Welcome(welcome));
        self.phase = Phase::On(Box::new(Running {
            sender,
            outbound: Outbound::default(),
            welcome,
            features,
            fetches: Fetches::default(),
            nudge: false,
        }));
        self.events.push_back(HubEvent::Admitted(mode));
        self.hold(now);
    }

    /// Answers [`HubEvent::NeedChanges`]: the next entries, in revision order. What does not follow
    /// that order is ignored; what exceeds the room will be asked for again. After an answer without
    /// any new entry nothing is asked for until `changed`.
    pub fn offer(&mut self, _now: Now, changes: Vec<Change>) {
        let Phase::On(on) = &mut self.phase else {
            return;
        };
        let features = on.features;
        let known = changes.into_iter().map(|change| change.known_to(features));
        let unsendable = on.sender.offer(&self.config.lineage, known.collect());
        self.events
            .extend(unsendable.into_iter().map(|Unsendable { change, reason }| {
                HubEvent::Unsendable {
                    key: change.key,
                    stamp: change.stamp,
                    reason,
                }
            }));
    }

    /// After `offer` (or instead of it, where nothing is above `after`): there was nothing more in
    /// the ledger as of `revision`. Nothing is asked for until `changed`.
    pub fn synced(&mut self, _now: Now, revision: Revision) {
        if let Phase::On(on) = &mut self.phase {
            on.sender.synced(&self.config.lineage, revision);
        }
    }

    /// The ledger may have grown. A hint: spurious calls cost one read.
    pub fn changed(&mut self, _now: Now) {
        if let Phase::On(on) = &mut self.phase {
            on.sender.changed();
        }
    }

    /// Ends the session from this side, at any time. A message beyond its bound is cut.
    pub fn refuse(&mut self, _now: Now, mut refused: Refused) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let end = refused.message.floor_char_boundary(MESSAGE_BYTES_MAX);
        refused.message.truncate(end);
        self.close(Ending::Refused(refused));
    }

    /// Tells the agent that the hub goes down on purpose and when to come back. The session goes on
    /// until the connection is closed.
    pub fn restarting(&mut self, _now: Now, retry_in: Duration) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
        // Said again with another time, the newer replaces what has not left.
        self.control.clear();
        self.control
            .push_back(HubFrame::Restarting(Restarting { retry_in_ms }));
    }

    /// The newest revision that the agent has acknowledged in this session, or resumed from.
    pub fn acked(&self) -> Revision {
        match &self.phase {
            Phase::On(on) => on.sender.acked(),
            Phase::Waiting | Phase::Deciding(_) | Phase::Over => Revision(0),
        }
    }

    /// How many entries are out.
    #[cfg(test)]
    pub(super) fn load(&self) -> usize {
        match &self.phase {
            Phase::On(on) => on.sender.load(),
            Phase::Waiting | Phase::Deciding(_) | Phase::Over => 0,
        }
    }

    fn close(&mut self, ending: Ending) {
        self.phase = Phase::Over;
        self.timers.clear_all();
        self.control.clear();
        if let Ending::Refused(refused) = &ending {
            self.control.push_back(HubFrame::Refused(refused.clone()));
        }
        self.events.push_back(HubEvent::Closed(ending));
    }

    fn take(&mut self, frame: AgentFrame) -> Result<(), Violation> {
        frame.check()?;
        let (name, needs) = (frame.name(), frame.needs());
        match (&mut self.phase, frame) {
            (Phase::Waiting, AgentFrame::Hello(hello)) => {
                self.timers.clear(Timer::Handshake);
                self.events.push_back(HubEvent::Hello(hello.clone()));
                self.phase = Phase::Deciding(hello);
                Ok(())
            }
            (Phase::On(on), _) if needs & !on.features != 0 => {
                Err(Violation::Feature { frame: name })
            }
            (Phase::On(on), AgentFrame::Ack(Ack { stamp })) => {
                if on.sender.ack(&self.config.lineage, stamp)? {
                    self.events.push_back(HubEvent::Acked(stamp.revision));
                }
                Ok(())
            }
            (Phase::On(on), AgentFrame::Want(want)) => on.want(want, None),
            (Phase::On(on), AgentFrame::WantOver(over)) => {
                let (key, revision) = (over.key, over.revision);
                on.want(Want { key, revision }, Some(over.base))
            }
            (Phase::On(_), AgentFrame::Reports(reports)) => {
                self.events.push_back(HubEvent::Reports(reports));
                Ok(())
            }
            (Phase::On(_), AgentFrame::Facts(Facts { json })) => {
                self.events.push_back(HubEvent::Facts(json));
                Ok(())
            }
            (Phase::On(on), AgentFrame::Fetched(piece)) => {
                let answer = on.fetches.piece(piece)?;
                self.fetched(answer);
                self.await_fetches();
                Ok(())
            }
            // What was on its way when the session ended.
            (Phase::Over, _) => Ok(()),
            (Phase::Waiting, _) => Err(Violation::OutOfPhase {
                frame: name,
                phase: "before hello",
            }),
            (Phase::Deciding(_), _) => Err(Violation::OutOfPhase {
                frame: name,
                phase: "before the welcome",
            }),
            (Phase::On(_), AgentFrame::Hello(_)) => Err(Violation::OutOfPhase {
                frame: name,
                phase: "a second time",
            }),
        }
    }
}

impl Running {
    /// The next announcement; while they are held, only what keeps a comparison going.
    fn announce(&mut self, held: bool) -> Option<HubFrame> {
        let nudge = std::mem::take(&mut self.nudge);
        if !held {
            return self.sender.poll_transmit();
        }
        let empty = Summary {
            entries: Vec::new(),
            complete: None,
        };
        (nudge && self.sender.compares()).then_some(HubFrame::Summary(empty))
    }

    fn want(&mut self, want: Want, base: Option<Digest>) -> Result<(), Violation> {
        let Want { key, revision } = want;
        let entry = self
            .sender
            .unacked(revision)
            .filter(|entry| entry.key == key);
        let Some(entry) = entry else {
            return Err(Violation::Want { key, revision });
        };
        // Without content it was withdrawn, which the agent may not know yet.
        if let Some((digest, size)) = entry.content {
            self.outbound.want(Wanted {
                digest,
                size,
                key,
                revision,
                base,
            });
        }
        Ok(())
    }
}

impl Session for HubSession {
    type In = AgentFrame;
    type Out = HubFrame;
    type Event = HubEvent;

    fn handle_frame(&mut self, now: Now, frame: AgentFrame) -> Result<(), Violation> {
        let taken = self.take(frame);
        if let Err(violation) = &taken {
            let message = violation.to_string();
            self.refuse(
                now,
                Refused {
                    code: RefusalCode::Protocol,
                    message,
                },
            );
        }
        taken
    }

    fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Handshake => self.close(Ending::Late("a hello")),
                Timer::Fetch => {
                    if let Phase::On(on) = &mut self.phase {
                        let late = on.fetches.expire(now);
                        self.fetched(late);
                    }
                    self.await_fetches();
                }
                Timer::Held => {
                    if let Phase::On(on) = &mut self.phase {
                        on.nudge = true;
                    }
                    self.hold(now);
                }
                Timer::Compare | Timer::Flush => {}
            }
        }
    }

    fn poll_timeout(&self) -> Option<(Now, &'static str)> {
        self.timers.next()
    }

    fn poll_transmit_on(&mut self, lane: Lane) -> Option<HubFrame> {
        match (lane, &mut self.phase) {
            (Lane::Control, phase) => self.control.pop_front().or_else(|| match phase {
                Phase::On(on) => on.fetches.poll_transmit().map(HubFrame::Fetch),
                Phase::Waiting | Phase::Deciding(_) | Phase::Over => None,
            }),
            (Lane::Desired, Phase::On(on)) => {
                let order = |order: &mut Freezing| order.poll_transmit(on.features);
                let first = on.welcome.take();
                let first = first.or_else(|| order(&mut self.freezing).map(HubFrame::Freeze));
                first.or_else(|| on.announce(self.freezing.holds(on.features)))
            }
            (Lane::Content, Phase::On(on)) => on.outbound.poll_transmit(),
            (Lane::Desired | Lane::Content | Lane::Reports, _) => None,
        }
    }

    fn poll_event(&mut self) -> Option<HubEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        // Nothing is kept that an idle session does not need: there are thousands.
        self.events = VecDeque::new();
        let Phase::On(on) = &mut self.phase else {
            return None;
        };
        if !self.freezing.holds(on.features)
            && let Some((after, room)) = on.sender.poll_need()
        {
            return Some(HubEvent::NeedChanges { after, room });
        }
        on.outbound
            .poll_need()
            .map(|(digest, base)| HubEvent::NeedContent { digest, base })
    }
}
