//! A peer that breaks the rules is named and left; nothing panics and nothing grows.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::session::testing::{EPOCH, hello, hub_config, key, lineage, put, stamp, tombstone};
use crate::session::{
    Admission, AgentConfig, AgentEvent, AgentSession, Ending, HubEvent, HubSession, Session,
    Violation,
};
use crate::wire::frame::{
    Ack, Content, Mode, RefusalCode, Refused, Summary, Synced, Want, Welcome, Withdrawn,
};
use crate::wire::limits::WINDOW_ITEMS;
use crate::wire::limits::{COMPARE_DEADLINE, HELLO_DEADLINE, WELCOME_DEADLINE};
use crate::wire::stamp::EpochRange;
use crate::wire::{AgentFrame, Digest, Epoch, HubFrame, Lineage, Revision, Stamp};

const T0: Duration = Duration::ZERO;

pub(super) fn welcome(mode: Mode) -> Welcome {
    Welcome {
        features: 0,
        release: "0.1.0".to_owned(),
        hub: "h1".to_owned(),
        cluster: "c1".to_owned(),
        epoch: EPOCH,
        lineage: lineage(),
        mode,
        addresses: Vec::new(),
        authorities: Vec::new(),
    }
}

/// An agent that has said its hello.
pub(super) fn greeted(position: Option<Stamp>) -> AgentSession {
    let config = AgentConfig {
        hello: hello(position),
        holds: Arc::new(|_| false),
    };
    let mut agent = AgentSession::new(config, T0);
    assert!(matches!(agent.poll_transmit(), Some(AgentFrame::Hello(_))));
    agent
}

/// An agent that was let in to resume after revision 10.
fn resumed() -> AgentSession {
    let mut agent = greeted(Some(stamp(10)));
    agent
        .handle_frame(T0, HubFrame::Welcome(welcome(Mode::Resume)))
        .unwrap();
    assert!(matches!(agent.poll_event(), Some(AgentEvent::Welcomed(_))));
    agent
}

/// A hub that has let an agent in after revision 10, and announced a put at 11.
pub(super) fn serving() -> HubSession {
    let mut hub = HubSession::new(hub_config(), T0);
    hub.handle_frame(T0, AgentFrame::Hello(hello(Some(stamp(10)))))
        .unwrap();
    assert!(matches!(hub.poll_event(), Some(HubEvent::Hello(_))));
    hub.admit(T0, Admission::Welcome { floor: Revision(0) });
    hub.offer(T0, vec![put("a", 11, b"one")]);
    while hub.poll_transmit().is_some() {}
    while hub.poll_event().is_some() {}
    hub
}

/// The agent takes all frames but the last, which is a violation that ends the session.
fn agent_refuses(mut agent: AgentSession, frames: Vec<HubFrame>, expected: Violation) {
    let last = frames.len() - 1;
    for (at, frame) in frames.into_iter().enumerate() {
        let taken = agent.handle_frame(T0, frame);
        if at < last {
            assert_eq!(taken, Ok(()));
            while agent.poll_transmit().is_some() {}
        } else {
            assert_eq!(taken, Err(expected.clone()));
        }
    }
    assert_eq!(agent.poll_transmit(), None);
    assert_eq!(agent.poll_timeout(), None);
    assert_eq!(
        agent.handle_frame(T0, tombstone("late", 99).into_frame()),
        Ok(()),
        "over"
    );
}

/// The hub refuses, says so, and is done.
fn hub_refuses(mut hub: HubSession, frame: AgentFrame, expected: Violation) {
    assert_eq!(hub.handle_frame(T0, frame), Err(expected.clone()));
    let message = expected.to_string();
    let refused = Refused {
        code: RefusalCode::Protocol,
        message,
    };
    assert_eq!(
        hub.poll_transmit(),
        Some(HubFrame::Refused(refused.clone()))
    );
    assert_eq!(hub.poll_transmit(), None);
    assert_eq!(
        hub.poll_event(),
        Some(HubEvent::Closed(Ending::Refused(refused)))
    );
    assert_eq!((hub.poll_event(), hub.poll_timeout()), (None, None));
}

fn check_agent(frames: Vec<HubFrame>, expected: Violation) {
    agent_refuses(resumed(), frames, expected);
}

#[test]
fn an_agent_names_what_is_wrong_with_stamps() {
    let after = |revision, after| Violation::NotAscending {
        revision: Revision(revision),
        after: Revision(after),
    };
    check_agent(vec![put("a", 10, b"x").into_frame()], after(10, 10));
    let twice = vec![
        tombstone("a", 12).into_frame(),
        tombstone("b", 12).into_frame(),
    ];
    check_agent(twice, after(12, 12));
    check_agent(
        vec![HubFrame::Synced(Synced { stamp: stamp(9) })],
        after(9, 10),
    );
    let foreign = Stamp {
        epoch: Epoch(9),
        revision: Revision(20),
    };
    let mut change = put("a", 20, b"x");
    change.stamp = foreign;
    let expected = Violation::ForeignStamp {
        key: key("a"),
        stamp: foreign,
    };
    check_agent(vec![change.into_frame()], expected);
}

#[test]
fn an_agent_names_what_came_at_the_wrong_time() {
    let summary = HubFrame::Summary(Summary {
        entries: Vec::new(),
        complete: None,
    });
    let phase = "outside a comparison";
    check_agent(
        vec![summary],
        Violation::OutOfPhase {
            frame: "summary",
            phase,
        },
    );
    let again = HubFrame::Welcome(welcome(Mode::Resume));
    let phase = "a second time";
    check_agent(
        vec![again],
        Violation::OutOfPhase {
            frame: "welcome",
            phase,
        },
    );
    let (key, revision) = (key("a"), Revision(99));
    let withdrawn = HubFrame::Withdrawn(Withdrawn {
        key: key.clone(),
        revision,
    });
    check_agent(vec![withdrawn], Violation::Withdrawn { key, revision });
}

#[test]
fn an_agent_names_what_is_wrong_with_contents() {
    let whole = |digest, bytes: &'static [u8]| {
        let total = u32::try_from(bytes.len()).unwrap();
        let bytes = Bytes::from_static(bytes);
        HubFrame::Content(Content {
            digest,
            offset: 0,
            total,
            bytes,
        })
    };
    let (unasked, digest) = (Digest::of(b"x"), Digest::of(b"one"));
    check_agent(
        vec![whole(unasked, b"x")],
        Violation::Unasked { digest: unasked },
    );
    let put = || put("a", 11, b"one").into_frame();
    check_agent(
        vec![put(), whole(digest, b"two")],
        Violation::Corrupt { digest },
    );
    let length = Violation::Length {
        digest,
        got: 5,
        announced: 3,
    };
    check_agent(vec![put(), whole(digest, b"three")], length);
}

#[test]
fn an_agent_takes_no_more_than_a_window() {
    let fits = (0..WINDOW_ITEMS as u64).map(|n| put(&format!("n{n}"), 11 + n, b"x").into_frame());
    let beyond = put("beyond", 5_000, b"x").into_frame();
    let frames = fits.chain([beyond]).collect();
    agent_refuses(
        resumed(),
        frames,
        Violation::Window {
            limit: WINDOW_ITEMS,
        },
    );
}

#[test]
fn an_agent_believes_no_welcome_that_makes_no_sense() {
    let check = |position, welcome, what| {
        let frames = vec![HubFrame::Welcome(welcome)];
        agent_refuses(greeted(position), frames, Violation::Welcome(what));
    };
    let resume = || welcome(Mode::Resume);
    let nowhere = "resumes from a place that is not in its lineage";
    check(None, resume(), nowhere);
    check(
        Some(Stamp {
            epoch: Epoch(9),
            revision: Revision(3),
        }),
        resume(),
        nowhere,
    );
    let features = Welcome {
        features: 1 << 63,
        ..resume()
    };
    check(
        Some(stamp(10)),
        features,
        "names features that were not offered",
    );
    let dead = "names an epoch that does not live";
    check(
        Some(stamp(10)),
        Welcome {
            epoch: Epoch(9),
            ..resume()
        },
        dead,
    );
    check(
        Some(stamp(10)),
        Welcome {
            lineage: Lineage(Vec::new()),
            ..resume()
        },
        dead,
    );
    let range = |first| EpochRange {
        epoch: EPOCH,
        first: Revision(first),
        last: None,
    };
    let lineage = Lineage(vec![range(5), range(1)]);
    check(
        Some(stamp(10)),
        Welcome {
            lineage,
            ..resume()
        },
        "has a lineage out of order",
    );
}

#[test]
fn a_hub_names_what_its_agent_did_wrong() {
    let want = |name: &str, revision| {
        AgentFrame::Want(Want {
            key: key(name),
            revision: Revision(revision),
        })
    };
    let check = |frame, expected| hub_refuses(serving(), frame, expected);
    let refused = |name, revision| Violation::Want {
        key: key(name),
        revision: Revision(revision),
    };
    check(want("a", 12), refused("a", 12));
    check(want("b", 11), refused("b", 11));
    let acked = |stamp| Violation::Ack {
        stamp,
        acked: Revision(10),
        sent: Revision(11),
    };
    for stamp in [
        stamp(9),
        stamp(12),
        Stamp {
            epoch: Epoch(9),
            revision: Revision(11),
        },
    ] {
        check(AgentFrame::Ack(Ack { stamp }), acked(stamp));
    }
    let (frame, phase) = ("hello", "a second time");
    check(
        AgentFrame::Hello(hello(None)),
        Violation::OutOfPhase { frame, phase },
    );
    let early = HubSession::new(hub_config(), T0);
    let (frame, phase) = ("ack", "before hello");
    let ack = AgentFrame::Ack(Ack { stamp: stamp(1) });
    hub_refuses(early, ack, Violation::OutOfPhase { frame, phase });
}

#[test]
fn silence_ends_a_session() {
    let mut hub = HubSession::new(hub_config(), T0);
    assert_eq!(
        hub.poll_timeout(),
        Some((HELLO_DEADLINE, "handshake deadline"))
    );
    hub.handle_timeout(HELLO_DEADLINE);
    assert_eq!(
        hub.poll_event(),
        Some(HubEvent::Closed(Ending::Late("a hello")))
    );

    let mut agent = greeted(None);
    agent.handle_timeout(WELCOME_DEADLINE);
    let late = AgentEvent::Closed(Ending::Late("a welcome"));
    assert_eq!(agent.poll_event(), Some(late));

    let mut agent = greeted(None);
    agent
        .handle_frame(T0, HubFrame::Welcome(welcome(Mode::Compare)))
        .unwrap();
    assert!(matches!(agent.poll_event(), Some(AgentEvent::Welcomed(_))));
    assert_eq!(
        agent.poll_timeout(),
        Some((COMPARE_DEADLINE, "comparison deadline"))
    );
    agent.handle_timeout(COMPARE_DEADLINE);
    let late = AgentEvent::Closed(Ending::Late("the rest of a comparison"));
    assert_eq!(agent.poll_event(), Some(late));
}
