//! Contents that travel as what differs from one that the agent has.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::session::testing::{hello, hub_config, key, put, stamp};
use crate::session::{
    Admission, AgentConfig, AgentEvent, AgentSession, Batch, HubEvent, HubSession, Session,
    Violation,
};
use crate::wire::frame::{Delta, Hello, features};
use crate::wire::limits::DELTA_BYTES_MIN;
use crate::wire::{AgentFrame, Digest, HubFrame, ItemKey, Revision};

const T0: Duration = Duration::ZERO;

/// A content of some size with one field that differs.
fn content(field: &str) -> Bytes {
    let rest = "x".repeat(usize::try_from(DELTA_BYTES_MIN).unwrap() * 4);
    format!("{{\"field\":\"{field}\",\"rest\":\"{rest}\"}}").into()
}

/// A session that is on, with an agent that has `content("old")` for item `a`; everything said is
/// kept.
struct Talk {
    hub: HubSession,
    agent: AgentSession,
    said: Vec<&'static str>,
    batches: Vec<Batch>,
}

impl Talk {
    fn new(hub_features: u64, agent_features: u64) -> Self {
        let mut config = hub_config();
        config.features = hub_features;
        let old = Digest::of(&content("old"));
        let agent = AgentConfig {
            hello: Hello {
                features: agent_features,
                ..hello(Some(stamp(10)))
            },
            holds: Arc::new(move |digest| *digest == old),
        };
        let bases = Arc::new(move |item: &ItemKey| (*item == key("a")).then_some(old));
        Self {
            hub: HubSession::new(config, T0),
            agent: AgentSession::new(agent, T0).with_bases(bases),
            said: Vec::new(),
            batches: Vec::new(),
        }
    }

    /// Both say all they have to say; the hub has the base or not, and so has the agent.
    fn talk(&mut self, ledger: &[(&str, u64, Bytes)], hub_has: bool, base: Option<&Bytes>) {
        loop {
            let before = self.said.len();
            while let Some(frame) = self.agent.poll_transmit() {
                self.said.push(name(&frame));
                self.hub.handle_frame(T0, frame).unwrap();
            }
            while let Some(event) = self.hub.poll_event() {
                self.hub_acts(event, ledger, hub_has);
            }
            while let Some(frame) = self.hub.poll_transmit() {
                self.said.push(crate::wire::codec::Frame::name(&frame));
                self.agent.handle_frame(T0, frame).unwrap();
            }
            while let Some(event) = self.agent.poll_event() {
                match event {
                    AgentEvent::NeedBase {
                        content,
                        base: name,
                    } => {
                        assert_eq!(name, Digest::of(&self::content("old")));
                        self.agent.base(T0, &content, base);
                    }
                    AgentEvent::Commit(batch) => {
                        self.agent.committed(T0, batch.upto);
                        self.batches.push(batch);
                    }
                    AgentEvent::Welcomed(_) | AgentEvent::Synced(_) => {}
                    AgentEvent::Compared(_)
                    | AgentEvent::Freeze(_)
                    | AgentEvent::Fetch(_)
                    | AgentEvent::Restarting(_)
                    | AgentEvent::Closed(_) => panic!("{event:?}"),
                }
            }
            if self.said.len() == before {
                return;
            }
        }
    }

    fn hub_acts(&mut self, event: HubEvent, ledger: &[(&str, u64, Bytes)], hub_has: bool) {
        match event {
            HubEvent::Hello(_) => {
                let floor = Revision(0);
                self.hub.admit(T0, Admission::Welcome { floor });
            }
            HubEvent::NeedChanges { after, .. } => {
                let above = ledger.iter().filter(|(_, at, _)| *at > after.0);
                let changes = above.map(|(name, at, bytes)| put(name, *at, bytes));
                self.hub.offer(T0, changes.collect());
                self.hub.synced(T0, Revision(99));
            }
            HubEvent::NeedContent { digest, base } => {
                let found = ledger.iter().find(|(_, _, b)| Digest::of(b) == digest);
                let bytes = found.map(|(_, _, bytes)| bytes.clone()).unwrap();
                let base = base.filter(|_| hub_has).map(|_| content("old"));
                self.hub.content_over(T0, digest, bytes, base);
            }
            HubEvent::Admitted(_) | HubEvent::Acked(_) => {}
            HubEvent::Unsendable { .. }
            | HubEvent::Reports(_)
            | HubEvent::Facts(_)
            | HubEvent::Fetched { .. }
            | HubEvent::Closed(_) => panic!("{event:?}"),
        }
    }

    /// What was committed, in order.
    fn committed(&self) -> Vec<Bytes> {
        let changes = self.batches.iter().flat_map(|batch| &batch.changes);
        changes
            .map(|delivered| delivered.content.clone().unwrap())
            .collect()
    }

    fn count(&self, what: &str) -> usize {
        self.said.iter().filter(|said| **said == what).count()
    }
}

fn name(frame: &AgentFrame) -> &'static str {
    crate::wire::codec::Frame::name(frame)
}

#[test]
fn a_changed_field_travels_alone() {
    let (old, new) = (content("old"), content("new"));
    let mut talk = Talk::new(features::ALL, features::ALL);
    talk.talk(&[("a", 11, new.clone())], true, Some(&old));
    assert_eq!(talk.committed(), [new]);
    assert_eq!((talk.count("want over"), talk.count("delta")), (1, 1));
    assert_eq!((talk.count("want"), talk.count("content")), (0, 0));
    assert_eq!(talk.agent.load(), (0, 0), "nothing is left over");
}

#[test]
fn where_one_end_cannot_or_has_no_base_the_whole_travels() {
    let (old, new) = (content("old"), content("new"));
    let ledger = [("a", 11, new.clone())];
    for (hub, agent, over) in [
        (features::ALL, features::FREEZE, 0),
        (0, features::ALL, 0),
        (features::ALL, features::ALL, 1),
    ] {
        let mut talk = Talk::new(hub, agent);
        talk.talk(&ledger, false, Some(&old));
        assert_eq!(talk.committed(), std::slice::from_ref(&new));
        assert_eq!(talk.count("want over"), over);
        assert_eq!((talk.count("delta"), talk.count("content")), (0, 1));
    }
    let small = Bytes::from_static(b"{\"small\":true}");
    let mut talk = Talk::new(features::ALL, features::ALL);
    talk.talk(&[("a", 11, small), ("b", 12, new)], true, Some(&old));
    assert_eq!((talk.count("want over"), talk.count("want")), (0, 2));
}

#[test]
fn a_base_that_is_gone_or_damaged_costs_a_round_trip_and_nothing_else() {
    let mut damaged = content("old").to_vec();
    *damaged.last_mut().unwrap() = b'?';
    let damaged = Bytes::from(damaged);
    for base in [None, Some(&damaged)] {
        let (new, later) = (content("new"), content("later"));
        let mut talk = Talk::new(features::ALL, features::ALL);
        talk.talk(&[("a", 11, new.clone())], true, base);
        assert_eq!((talk.count("delta"), talk.count("want")), (1, 1));
        talk.hub.changed(T0);
        talk.talk(&[("a", 12, later.clone())], true, base);
        assert_eq!(talk.committed(), [new, later]);
        assert_eq!(talk.count("want over"), 1, "it is not tried again");
        assert_eq!(talk.agent.load(), (0, 0));
    }
}

#[test]
fn a_difference_that_was_not_asked_for_is_a_violation() {
    let mut talk = Talk::new(features::ALL, features::ALL);
    talk.talk(&[], true, None);
    let digest = Digest::of(b"never");
    let delta = HubFrame::Delta(Delta {
        digest,
        base: digest,
        total: 0,
        parts: Vec::new(),
    });
    let refused = talk.agent.handle_frame(T0, delta);
    assert_eq!(refused, Err(Violation::Unasked { digest }));
}
