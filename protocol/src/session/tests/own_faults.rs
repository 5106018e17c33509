//! A hub whose own data is not as it says: it is named, and nothing else waits for it.

use std::time::Duration;

use bytes::Bytes;

use crate::session::testing::{key, put, stamp};
use crate::session::{HubEvent, Session};
use crate::wire::frame::{Ack, Want, Withdrawn};
use crate::wire::{AgentFrame, Digest, Epoch, HubFrame, Revision};

use super::hostile::serving;

const T0: Duration = Duration::ZERO;

#[test]
fn an_entry_that_cannot_travel_is_named_and_holds_nothing_up() {
    let mut hub = serving();
    let mut foreign = put("b", 13, b"x");
    foreign.stamp.epoch = Epoch(9);
    let changes = vec![put(&"n".repeat(300), 12, b"x"), foreign, put("c", 14, b"x")];
    hub.offer(T0, changes);
    let mut named = Vec::new();
    while let Some(event) = hub.poll_event() {
        if let HubEvent::Unsendable { stamp, .. } = event {
            named.push(stamp.revision);
        }
    }
    assert_eq!(named, [Revision(12), Revision(13)]);
    assert!(matches!(hub.poll_transmit(), Some(HubFrame::Put(put)) if put.key == key("c")));
}

/// The agent asked for a content by an item that it got past meanwhile, and waits for the content.
#[test]
fn a_withdrawal_names_what_asked_even_if_that_is_acknowledged() {
    let mut hub = serving();
    let want = Want {
        key: key("a"),
        revision: Revision(11),
    };
    hub.handle_frame(T0, AgentFrame::Want(want)).unwrap();
    let digest = Digest::of(b"one");
    assert_eq!(
        hub.poll_event(),
        Some(HubEvent::NeedContent { digest, base: None })
    );
    hub.handle_frame(T0, AgentFrame::Ack(Ack { stamp: stamp(11) }))
        .unwrap();
    hub.gone(T0, digest);
    let withdrawn = Withdrawn {
        key: key("a"),
        revision: Revision(11),
    };
    assert_eq!(hub.poll_transmit(), Some(HubFrame::Withdrawn(withdrawn)));
}

#[test]
fn a_content_of_another_length_is_named_and_withdrawn() {
    let mut hub = serving();
    let want = Want {
        key: key("a"),
        revision: Revision(11),
    };
    hub.handle_frame(T0, AgentFrame::Want(want)).unwrap();
    let digest = Digest::of(b"one");
    assert_eq!(
        hub.poll_event(),
        Some(HubEvent::NeedContent { digest, base: None })
    );
    hub.content(T0, digest, Bytes::from_static(b"longer"));
    assert!(matches!(
        hub.poll_event(),
        Some(HubEvent::Unsendable { .. })
    ));
    assert!(matches!(hub.poll_transmit(), Some(HubFrame::Withdrawn(_))));
}
