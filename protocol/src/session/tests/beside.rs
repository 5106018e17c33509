//! Freezes and fetches, between the two machines, and to and from peers that know neither.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::session::testing::{hello, hub_config, key, put, stamp};
use crate::session::{
    Admission, AgentConfig, AgentEvent, AgentSession, HubEvent, HubSession, Session, Violation,
};
use crate::wire::frame::{Fetch, Fetched, Freeze, Hello, Mode, Welcome, features};
use crate::wire::limits::{
    COMPARE_DEADLINE, CONTENT_BYTES_MAX, FETCH_DEADLINE, FETCHES_MAX, MESSAGE_BYTES_MAX,
};
use crate::wire::{AgentFrame, Epoch, HubFrame, Revision, Stamp};

use super::hostile::welcome;

const T0: Duration = Duration::ZERO;

fn freeze(revision: u64, frozen: bool) -> Freeze {
    Freeze {
        stamp: stamp(revision),
        frozen,
        reason: "the move".to_owned(),
        meta: Vec::new(),
    }
}

/// A hub that decides about an agent with these features.
fn deciding(features: u64, position: Option<Stamp>) -> HubSession {
    let mut hub = HubSession::new(hub_config(), T0);
    let hello = Hello {
        features,
        ..hello(position)
    };
    hub.handle_frame(T0, AgentFrame::Hello(hello)).unwrap();
    assert!(matches!(hub.poll_event(), Some(HubEvent::Hello(_))));
    hub
}

fn admit(hub: &mut HubSession) {
    hub.admit(T0, Admission::Welcome { floor: Revision(0) });
    assert!(matches!(hub.poll_event(), Some(HubEvent::Admitted(_))));
}

fn sent(hub: &mut HubSession) -> Vec<&'static str> {
    std::iter::from_fn(|| hub.poll_transmit())
        .map(|frame| frame.name())
        .collect()
}

fn asks(hub: &mut HubSession) -> bool {
    let events = std::iter::from_fn(|| hub.poll_event());
    events
        .filter(|event| matches!(event, HubEvent::NeedChanges { .. }))
        .count()
        > 0
}

/// An agent that is let in with these features.
fn admitted(agreed: u64) -> AgentSession {
    let config = AgentConfig {
        hello: hello(Some(stamp(10))),
        holds: Arc::new(|_| false),
    };
    let mut agent = AgentSession::new(config, T0);
    assert!(agent.poll_transmit().is_some());
    let welcome = Welcome {
        features: agreed,
        ..welcome(Mode::Resume)
    };
    agent.handle_frame(T0, HubFrame::Welcome(welcome)).unwrap();
    assert!(matches!(agent.poll_event(), Some(AgentEvent::Welcomed(_))));
    agent
}

#[test]
fn a_freeze_goes_after_the_welcome_and_before_everything_else() {
    let mut hub = deciding(features::ALL, Some(stamp(10)));
    hub.freeze(T0, freeze(5, true));
    admit(&mut hub);
    hub.offer(T0, vec![put("a", 11, b"one")]);
    assert_eq!(sent(&mut hub), ["welcome", "freeze", "put"]);
    hub.offer(T0, vec![put("b", 12, b"two")]);
    hub.freeze(T0, freeze(13, false));
    hub.freeze(T0, freeze(14, true));
    assert_eq!(sent(&mut hub), ["freeze", "put"], "the newest, at once");
}

#[test]
fn an_agent_hears_of_a_freeze_before_what_was_announced_after_it() {
    let mut agent = admitted(features::ALL);
    let order = freeze(12, true);
    for frame in [
        HubFrame::Freeze(order.clone()),
        crate::session::testing::tombstone("a", 11).into_frame(),
    ] {
        agent.handle_frame(T0, frame).unwrap();
    }
    assert_eq!(agent.poll_event(), Some(AgentEvent::Freeze(order)));
    assert!(matches!(agent.poll_event(), Some(AgentEvent::Commit(_))));
}

#[test]
fn a_freeze_of_another_history_is_a_violation() {
    let mut agent = admitted(features::ALL);
    let mut order = freeze(12, true);
    order.stamp.epoch = Epoch(9);
    let refused = Violation::ForeignStamp {
        key: Freeze::key(),
        stamp: order.stamp,
    };
    let taken = agent.handle_frame(T0, HubFrame::Freeze(order));
    assert_eq!(taken, Err(refused));
}

#[test]
fn an_agent_that_cannot_be_frozen_gets_no_changes_meanwhile() {
    let mut hub = deciding(features::FETCH, Some(stamp(10)));
    hub.freeze(T0, freeze(5, true));
    admit(&mut hub);
    assert!(hub.is_held() && !asks(&mut hub));
    hub.offer(T0, vec![put("a", 11, b"one")]);
    assert_eq!(sent(&mut hub), ["welcome"]);
    hub.freeze(T0, freeze(12, false));
    assert!(!hub.is_held());
    assert_eq!(sent(&mut hub), ["put"]);
    hub.freeze(T0, freeze(13, true));
    hub.changed(T0);
    assert!(!asks(&mut hub), "while it goes on");
    hub.freeze(T0, freeze(14, false));
    assert!(asks(&mut hub));
    let mut told = deciding(features::ALL, Some(stamp(10)));
    told.freeze(T0, freeze(5, true));
    admit(&mut told);
    assert!(!told.is_held() && asks(&mut told));
}

#[test]
fn a_comparison_that_a_freeze_holds_up_is_kept_going() {
    let mut hub = deciding(0, None);
    hub.freeze(T0, freeze(5, true));
    admit(&mut hub);
    assert_eq!(sent(&mut hub), ["welcome"]);
    let mut now = T0;
    for _ in 0..3 {
        let (at, why) = hub.poll_timeout().unwrap();
        assert!(at - now < COMPARE_DEADLINE, "{why}");
        now = at;
        hub.handle_timeout(now);
        assert_eq!(sent(&mut hub), ["summary"]);
    }
    hub.freeze(now, freeze(6, false));
    assert_eq!(hub.poll_timeout(), None);
    assert!(asks(&mut hub));
}

#[test]
fn an_order_that_cannot_travel_is_named_and_holds_everything_back() {
    let mut hub = deciding(features::ALL, Some(stamp(10)));
    let mut order = freeze(5, true);
    order.stamp.epoch = Epoch(9);
    hub.freeze(T0, order);
    let named = hub.poll_event();
    assert!(matches!(named, Some(HubEvent::Unsendable { key, .. }) if key == Freeze::key()));
    admit(&mut hub);
    hub.offer(T0, vec![put("a", 11, b"one")]);
    assert_eq!(sent(&mut hub), ["welcome"]);
    let long = Freeze {
        reason: "ü".repeat(MESSAGE_BYTES_MAX),
        ..freeze(12, true)
    };
    hub.freeze(T0, long);
    assert_eq!(sent(&mut hub), ["freeze", "put"]);
}

/// Moves all frames between the two.
fn exchange(hub: &mut HubSession, agent: &mut AgentSession) {
    while let Some(frame) = hub.poll_transmit() {
        agent.handle_frame(T0, frame).unwrap();
    }
    while let Some(frame) = agent.poll_transmit() {
        hub.handle_frame(T0, frame).unwrap();
    }
}

#[test]
fn objects_are_fetched_whole_or_with_a_reason() {
    let mut hub = deciding(features::ALL, Some(stamp(10)));
    admit(&mut hub);
    let mut agent = admitted(features::ALL);
    while hub.poll_transmit().is_some() || hub.poll_event().is_some() {}
    let large = Bytes::from(vec![b'x'; CONTENT_BYTES_MAX]);
    let problem = "it is not there".to_owned();
    for (id, name, content) in [
        (1, "a", Ok(large)),
        (2, "b", Err(problem)),
        (3, "c", Ok(Bytes::from_static(b"{}"))),
    ] {
        hub.fetch(T0, id, key(name));
        exchange(&mut hub, &mut agent);
        let asked = AgentEvent::Fetch(Fetch { id, key: key(name) });
        assert_eq!(agent.poll_event(), Some(asked));
        agent.fetched(T0, id, &key(name), content.clone());
        exchange(&mut hub, &mut agent);
        let key = key(name);
        assert_eq!(
            hub.poll_event(),
            Some(HubEvent::Fetched { id, key, content })
        );
    }
    assert_eq!(hub.poll_timeout(), None);
}

#[test]
fn a_question_that_cannot_be_asked_or_is_not_answered_is_told() {
    let problem = |hub: &mut HubSession| match hub.poll_event() {
        Some(HubEvent::Fetched {
            content: Err(problem),
            ..
        }) => problem,
        other => panic!("{other:?}"),
    };
    let mut early = deciding(features::ALL, Some(stamp(10)));
    early.fetch(T0, 1, key("a"));
    assert!(problem(&mut early).contains("not here"));
    let mut old = deciding(features::FREEZE, Some(stamp(10)));
    admit(&mut old);
    old.fetch(T0, 1, key("a"));
    assert!(problem(&mut old).contains("upgrade"));
    assert_eq!(sent(&mut old), ["welcome"]);
    let mut hub = deciding(features::ALL, Some(stamp(10)));
    admit(&mut hub);
    for id in 0..=u64::try_from(FETCHES_MAX).unwrap() {
        hub.fetch(T0, id, key("a"));
    }
    assert!(problem(&mut hub).contains("try again"));
    while hub.poll_event().is_some() {}
    assert_eq!(hub.poll_timeout(), Some((FETCH_DEADLINE, "fetch deadline")));
    hub.handle_timeout(FETCH_DEADLINE);
    assert!(problem(&mut hub).contains("did not answer"));
}

#[test]
fn what_was_not_agreed_on_is_a_violation_in_both_directions() {
    let mut agent = admitted(features::FETCH);
    let refused = agent.handle_frame(T0, HubFrame::Freeze(freeze(12, true)));
    assert_eq!(refused, Err(Violation::Feature { frame: "freeze" }));
    let mut agent = admitted(features::FREEZE);
    let fetch = HubFrame::Fetch(Fetch {
        id: 1,
        key: key("a"),
    });
    let refused = agent.handle_frame(T0, fetch);
    assert_eq!(refused, Err(Violation::Feature { frame: "fetch" }));
    let mut hub = deciding(features::FREEZE, Some(stamp(10)));
    admit(&mut hub);
    let fetched = AgentFrame::Fetched(Fetched {
        id: 1,
        key: key("a"),
        offset: 0,
        total: 0,
        bytes: Bytes::new(),
        problem: String::new(),
    });
    let refused = hub.handle_frame(T0, fetched);
    assert_eq!(refused, Err(Violation::Feature { frame: "fetched" }));
}

#[test]
fn a_question_may_overtake_the_welcome_but_not_in_a_crowd() {
    let fetch = |id| HubFrame::Fetch(Fetch { id, key: key("a") });
    let most = u64::try_from(FETCHES_MAX).unwrap();
    let agreed = |features| {
        HubFrame::Welcome(Welcome {
            features,
            ..welcome(Mode::Resume)
        })
    };
    let mut agent = super::hostile::greeted(Some(stamp(10)));
    for id in 0..most {
        agent.handle_frame(T0, fetch(id)).unwrap();
    }
    assert_eq!(agent.poll_event(), None);
    agent.handle_frame(T0, agreed(features::ALL)).unwrap();
    assert!(matches!(agent.poll_event(), Some(AgentEvent::Welcomed(_))));
    for id in 0..most {
        let asked = Fetch { id, key: key("a") };
        assert_eq!(agent.poll_event(), Some(AgentEvent::Fetch(asked)));
    }
    let mut crowded = super::hostile::greeted(Some(stamp(10)));
    for id in 0..most {
        crowded.handle_frame(T0, fetch(id)).unwrap();
    }
    let limit = Violation::Fetches { limit: FETCHES_MAX };
    assert_eq!(crowded.handle_frame(T0, fetch(most)), Err(limit));
    let mut unagreed = super::hostile::greeted(Some(stamp(10)));
    unagreed.handle_frame(T0, fetch(1)).unwrap();
    let refused = unagreed.handle_frame(T0, agreed(features::FREEZE));
    assert_eq!(refused, Err(Violation::Feature { frame: "fetch" }));
}
