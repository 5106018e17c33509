//! Peers that say anything, in any order: nothing panics and nothing grows.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use crate::session::testing::{key, put, stamp, tombstone};
use crate::session::{AgentEvent, Change, HubEvent, Session};
use crate::wire::frame::{Ack, Content, Mode, Summary, Synced, Want, Withdrawn};
use crate::wire::{AgentFrame, Digest, Epoch, HubFrame, Revision, Stamp};

use super::hostile::{greeted, serving, welcome};

const T0: Duration = Duration::ZERO;

/// Frames that a confused peer might send, in any order.
fn any_hub_frame() -> impl Strategy<Value = HubFrame> {
    let stamps = (0..3_u64, 0..40_u64).prop_map(|(epoch, revision)| Stamp {
        epoch: Epoch(0xe0 + epoch),
        revision: Revision(revision),
    });
    let contents = prop::sample::select(vec![&b"one"[..], b"two", b"three"]);
    let change = (0..4_u8, stamps.clone(), contents.clone(), any::<bool>()).prop_map(
        |(name, stamp, content, is_put)| {
            let name = format!("n{name}");
            let mut change = if is_put {
                put(&name, 1, content)
            } else {
                tombstone(&name, 1)
            };
            change.stamp = stamp;
            change
        },
    );
    prop_oneof![
        6 => change.clone().prop_map(Change::into_frame),
        2 => change.prop_map(|change| HubFrame::Summary(Summary {
            entries: vec![change.into_entry()],
            complete: None,
        })),
        1 => (0..40_u64).prop_map(|revision| HubFrame::Summary(Summary {
            entries: Vec::new(),
            complete: Some(Revision(revision)),
        })),
        1 => stamps.prop_map(|stamp| HubFrame::Synced(Synced { stamp })),
        4 => (contents, 0..3_u32).prop_map(|(content, offset)| {
            let bytes = Bytes::from_static(content);
            let total = u32::try_from(bytes.len()).unwrap();
            let digest = Digest::of(&bytes);
            let at = usize::try_from(offset).unwrap();
            HubFrame::Content(Content { digest, offset, total, bytes: bytes.slice(at..) })
        }),
        1 => (0..4_u8, 0..40_u64).prop_map(|(name, revision)| HubFrame::Withdrawn(Withdrawn {
            key: key(&format!("n{name}")),
            revision: Revision(revision),
        })),
    ]
}

proptest! {
    #[test]
    fn a_confused_hub_never_panics_an_agent(
        frames in prop::collection::vec(any_hub_frame(), 0..60),
        compare in any::<bool>(),
    ) {
        let mode = if compare { Mode::Compare } else { Mode::Resume };
        let mut agent = greeted(Some(stamp(2)));
        agent.handle_frame(T0, HubFrame::Welcome(welcome(mode))).unwrap();
        for frame in frames {
            if agent.handle_frame(T0, frame).is_err() {
                break;
            }
            while agent.poll_transmit().is_some() {}
            while let Some(event) = agent.poll_event() {
                if let AgentEvent::Commit(batch) = event {
                    agent.committed(T0, batch.upto);
                }
            }
            prop_assert!(agent.load().1 <= 1 << 20);
        }
    }

    #[test]
    fn a_confused_agent_never_panics_a_hub(
        acks in prop::collection::vec((0..30_u64, any::<bool>(), 0..3_u8), 0..40),
    ) {
        let mut hub = serving();
        hub.offer(T0, (12..25).map(|n| put(&format!("n{}", n % 3), n, b"x")).collect());
        for (revision, is_ack, name) in acks {
            let frame = if is_ack {
                AgentFrame::Ack(Ack { stamp: stamp(revision) })
            } else {
                let key = key(&format!("n{name}"));
                AgentFrame::Want(Want { key, revision: Revision(revision) })
            };
            drop(hub.poll_transmit());
            if hub.handle_frame(T0, frame).is_err() {
                break;
            }
            while let Some(event) = hub.poll_event() {
                if let HubEvent::NeedContent { digest, .. } = event {
                    hub.content(T0, digest, Bytes::from_static(b"x"));
                }
            }
        }
    }
}
