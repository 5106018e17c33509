//! Two sessions, one clock, and a carrier between them that tears, delays and reorders lanes.
//!
//! Frames cross as bytes, through the codec. Each lane keeps its order, carries few frames at a
//! time, and all lanes go at paces of their own: which one moves is the caller's choice.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::session::{AgentSession, HubSession, Now, Session, Violation};
use crate::wire::codec::{self, Frame, PREFIX_BYTES};
use crate::wire::limits::{CONTENT_BYTES_MAX, WINDOW_BYTES, WINDOW_SUMMARY};
use crate::wire::{AgentFrame, Digest, HubFrame, Lane};

use super::disk::Agent;
use super::ledger::Hub;

/// Frames that a lane carries at a time.
const LANE_FRAMES: usize = 3;
/// Steps within which two ends that are left alone must come to rest.
const REST_STEPS: usize = 100_000;

/// All lanes.
pub(super) const LANES: [Lane; 4] = [Lane::Control, Lane::Desired, Lane::Content, Lane::Reports];

/// A connection: bytes on their way, per direction and lane.
struct Link {
    hub: HubSession,
    agent: AgentSession,
    down: BTreeMap<Lane, VecDeque<Vec<u8>>>,
    up: BTreeMap<Lane, VecDeque<Vec<u8>>>,
    /// How often each content began to travel over this connection.
    travelled: BTreeMap<Digest, usize>,
}

/// Two ends and what is between them.
pub(super) struct Pair {
    pub(super) now: Now,
    pub(super) hub: Hub,
    pub(super) agent: Agent,
    link: Option<Link>,
}

impl Pair {
    pub(super) fn new() -> Self {
        Self {
            now: Duration::ZERO,
            hub: Hub::new(),
            agent: Agent::default(),
            link: None,
        }
    }

    /// The connection is lost, with all that was on its way and all that was not committed.
    pub(super) fn cut(&mut self) {
        self.link = None;
    }

    fn connect(&mut self) {
        let (hub, agent) = (self.hub.session(self.now), self.agent.session(self.now));
        let (down, up) = (BTreeMap::new(), BTreeMap::new());
        self.link = Some(Link {
            hub,
            agent,
            down,
            up,
            travelled: BTreeMap::new(),
        });
    }

    /// Something was written to the ledger: the hub's shell wakes its session.
    pub(super) fn changed(&mut self) {
        if let Some(link) = &mut self.link {
            link.hub.changed(self.now);
            self.hub.listen(self.now, &mut link.hub);
        }
    }

    /// The hub's shell answers one question. `false` where there was none.
    pub(super) fn hub_answers(&mut self) -> bool {
        self.link
            .as_mut()
            .is_some_and(|link| self.hub.answer(self.now, &mut link.hub))
    }

    /// The agent's shell commits. `false` where there was nothing to commit.
    pub(super) fn agent_commits(&mut self) -> bool {
        self.link
            .as_mut()
            .is_some_and(|link| self.agent.commit(self.now, &mut link.agent))
    }

    /// One frame arrives at the agent. `false` where none was on its way.
    pub(super) fn down(&mut self, lane: Lane) -> bool {
        let Some(link) = &mut self.link else {
            return false;
        };
        let queue = link.down.entry(lane).or_default();
        fill(queue, &mut link.hub, lane);
        self.hub.listen(self.now, &mut link.hub);
        let Some(bytes) = queue.pop_front() else {
            return false;
        };
        let frame: HubFrame = codec::decode(&bytes[PREFIX_BYTES..]).unwrap();
        if let HubFrame::Content(content) = &frame
            && content.offset == 0
        {
            *link.travelled.entry(content.digest).or_insert(0) += 1;
            assert!(!self.agent.holds(&content.digest), "held content travelled");
        }
        let taken = link.agent.handle_frame(self.now, frame);
        self.agent.listen(self.now, &mut link.agent);
        self.sound(taken);
        true
    }

    /// One frame arrives at the hub. `false` where none was on its way.
    pub(super) fn up(&mut self, lane: Lane) -> bool {
        let Some(link) = &mut self.link else {
            return false;
        };
        let queue = link.up.entry(lane).or_default();
        fill(queue, &mut link.agent, lane);
        let Some(bytes) = queue.pop_front() else {
            return false;
        };
        let frame: AgentFrame = codec::decode(&bytes[PREFIX_BYTES..]).unwrap();
        let taken = link.hub.handle_frame(self.now, frame);
        self.hub.listen(self.now, &mut link.hub);
        self.sound(taken);
        true
    }

    /// Both ends kept to the rules and to their bounds.
    fn sound(&self, taken: Result<(), Violation>) {
        assert_eq!(taken, Ok(()));
        let Some(link) = &self.link else { return };
        assert!(link.hub.load() <= WINDOW_SUMMARY);
        let (changes, bytes) = link.agent.load();
        assert!(changes <= WINDOW_SUMMARY && bytes <= WINDOW_BYTES + CONTENT_BYTES_MAX);
    }

    /// Time passes.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        if let Some(link) = &mut self.link {
            link.hub.handle_timeout(self.now);
            link.agent.handle_timeout(self.now);
            self.hub.listen(self.now, &mut link.hub);
            self.agent.listen(self.now, &mut link.agent);
        }
    }

    /// Connects if need be and lets everything happen that can, until nothing more does.
    pub(super) fn rest(&mut self) {
        if self.link.is_none() {
            self.connect();
        }
        for _ in 0..REST_STEPS {
            if !self.step() {
                assert_eq!(
                    (&self.hub.closed, &self.agent.closed),
                    (&Vec::new(), &Vec::new())
                );
                return;
            }
        }
        panic!("the two ends never come to rest");
    }

    /// Does one thing that can be done. `false` where there is none.
    pub(super) fn step(&mut self) -> bool {
        let lanes = LANES.into_iter();
        if lanes.clone().any(|lane| self.down(lane)) || lanes.into_iter().any(|lane| self.up(lane))
        {
            return true;
        }
        if self.hub_answers() || self.agent_commits() {
            return true;
        }
        let Some(link) = &self.link else { return false };
        let next = [link.hub.poll_timeout(), link.agent.poll_timeout()]
            .into_iter()
            .flatten()
            .min();
        let Some((at, _)) = next else { return false };
        self.pass(at.saturating_sub(self.now));
        true
    }

    /// Connects where there is no connection.
    pub(super) fn reconnect(&mut self) {
        if self.link.is_none() {
            self.connect();
        }
    }

    /// How often a content began to travel over the present connection.
    pub(super) fn travelled(&self, content: &[u8]) -> usize {
        let link = self.link.as_ref().unwrap();
        link.travelled
            .get(&Digest::of(content))
            .copied()
            .unwrap_or(0)
    }

    /// The frames that the hub would send on a lane now, as far as the lane has room.
    pub(super) fn on_lane(&mut self, lane: Lane) -> usize {
        let link = self.link.as_mut().unwrap();
        let queue = link.down.entry(lane).or_default();
        fill(queue, &mut link.hub, lane);
        queue.len()
    }

    /// The agent's disk is what the hub's ledger says; beyond it nothing but what `may_stay`.
    pub(super) fn check_settled(&self, may_stay: bool) {
        for entry in self.hub.entries.values() {
            let held = self.agent.disk.items.get(&entry.key);
            let held = held.unwrap_or_else(|| panic!("{entry:?} is missing"));
            assert_eq!((held.stamp, held.digest), (entry.stamp, entry.digest()));
        }
        let puts = self
            .agent
            .disk
            .items
            .iter()
            .filter(|(_, held)| held.digest.is_some());
        for (key, held) in puts {
            assert!(
                may_stay || self.hub.entries.contains_key(key),
                "{key} stays: {held:?}"
            );
        }
        for (key, generation) in &self.agent.generations {
            assert_eq!(
                self.hub.reports.get(key).map(|r| r.generation),
                Some(*generation),
                "{key}"
            );
        }
        assert!(
            self.agent.held.is_empty(),
            "held within one history: {:?}",
            self.agent.held
        );
        let link = self.link.as_ref().unwrap();
        assert_eq!((link.hub.load(), link.agent.load()), (0, (0, 0)));
    }
}

/// Fills a lane up to what it carries.
fn fill<S: Session>(queue: &mut VecDeque<Vec<u8>>, session: &mut S, lane: Lane) {
    while queue.len() < LANE_FRAMES {
        let Some(frame) = session.poll_transmit_on(lane) else {
            return;
        };
        assert_eq!(frame.lane(), lane);
        queue.push_back(codec::encode(&frame).unwrap());
    }
}
