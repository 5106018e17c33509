//! One or more frames of each variant, with every value that an enum inside them can take.
//!
//! For golden files and tests of the codec only; nothing here is in a build.

use bytes::Bytes;

use super::frame::{
    Ack, Content, Delta, Facts, Fetch, Fetched, Freeze, Hello, Mode, Part, Put, RefusalCode,
    Refused, Restarting, Summary, SummaryEntry, Synced, Tombstone, Want, WantOver, Welcome,
    Withdrawn,
};
use super::item::Propagation;
use super::report::{Health, ItemReport, ItemState};
use super::stamp::EpochRange;
use super::{AgentFrame, Digest, Epoch, HubFrame, ItemKey, Lineage, Meta, Revision, Stamp};

fn stamp(revision: u64) -> Stamp {
    Stamp {
        epoch: Epoch(0x0123_4567_89ab_cdef),
        revision: Revision(revision),
    }
}

fn key() -> ItemKey {
    ItemKey {
        group: "apps".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    }
}

fn put(meta: Vec<Meta>) -> Put {
    Put {
        key: key(),
        stamp: stamp(300),
        digest: Digest([0xd1; 32]),
        size: 70_000,
        meta,
    }
}

fn tombstone(meta: Vec<Meta>) -> Tombstone {
    Tombstone {
        key: ItemKey {
            group: String::new(),
            ..key()
        },
        stamp: stamp(301),
        meta,
    }
}

/// Every meta entry there is.
fn every_meta() -> Vec<Meta> {
    vec![
        Meta::Release,
        Meta::Propagation(Propagation::Background),
        Meta::Propagation(Propagation::Foreground),
        Meta::Propagation(Propagation::Orphan),
        Meta::ActAs {
            namespace: "shop".to_owned(),
            name: "deployer".to_owned(),
        },
        Meta::Overwrite,
        Meta::IgnoreFields(vec![
            "/spec/replicas".to_owned(),
            "/metadata/labels/a~1b".to_owned(),
        ]),
        Meta::Replaces(stamp(7)),
    ]
}

fn refusals() -> impl Iterator<Item = (&'static str, HubFrame)> {
    let codes = [
        ("refused-detached", RefusalCode::Detached),
        ("refused-older-boot", RefusalCode::OlderBoot),
        ("refused-other-member", RefusalCode::OtherMember),
        ("refused-protocol", RefusalCode::Protocol),
        ("refused-busy", RefusalCode::Busy),
        ("refused-replaced", RefusalCode::Replaced),
        ("refused-unknown-cluster", RefusalCode::UnknownCluster),
    ];
    codes.into_iter().map(|(name, code)| {
        (
            name,
            HubFrame::Refused(Refused {
                code,
                message: "the cluster was detached".to_owned(),
            }),
        )
    })
}

fn welcome(mode: Mode) -> HubFrame {
    HubFrame::Welcome(Welcome {
        features: 5,
        release: "0.1.0".to_owned(),
        hub: "3b9f2a".to_owned(),
        cluster: "7f1c2a34-0d4e-4c61-9a55-2b8b1c0e9d10".to_owned(),
        epoch: Epoch(u64::MAX),
        lineage: Lineage(vec![
            EpochRange {
                epoch: Epoch(1),
                first: Revision(1),
                last: Some(Revision(9)),
            },
            EpochRange {
                epoch: Epoch(u64::MAX),
                first: Revision(1 << 40),
                last: None,
            },
        ]),
        mode,
        addresses: vec![
            "hub.example.com:7443".to_owned(),
            "[2001:db8::1]:7443".to_owned(),
        ],
        authorities: vec!["-----BEGIN CERTIFICATE-----\n…\n".to_owned()],
    })
}

/// Frames of the hub.
pub(super) fn hub() -> Vec<(&'static str, HubFrame)> {
    let entries = vec![
        SummaryEntry::Put(put(Vec::new())),
        SummaryEntry::Tombstone(tombstone(Vec::new())),
    ];
    let piece = Bytes::from_static(b"{\"kind\":\"Deployment\"}");
    let content = Content {
        digest: Digest([0xd1; 32]),
        offset: 65_536,
        total: 70_000,
        bytes: piece,
    };
    let mut frames = vec![
        ("welcome-resume", welcome(Mode::Resume)),
        ("welcome-compare", welcome(Mode::Compare)),
        ("put", HubFrame::Put(put(Vec::new()))),
        ("put-meta", HubFrame::Put(put(every_meta()))),
        ("put-adopt", HubFrame::Put(put(vec![Meta::AdoptIfEqual]))),
        ("tombstone", HubFrame::Tombstone(tombstone(Vec::new()))),
        (
            "tombstone-meta",
            HubFrame::Tombstone(tombstone(every_meta())),
        ),
        ("content", HubFrame::Content(content)),
        (
            "summary",
            HubFrame::Summary(Summary {
                entries,
                complete: None,
            }),
        ),
        (
            "summary-complete",
            HubFrame::Summary(Summary {
                entries: Vec::new(),
                complete: Some(Revision(300)),
            }),
        ),
        ("synced", HubFrame::Synced(Synced { stamp: stamp(302) })),
        (
            "restarting",
            HubFrame::Restarting(Restarting { retry_in_ms: 2_500 }),
        ),
        (
            "withdrawn",
            HubFrame::Withdrawn(Withdrawn {
                key: key(),
                revision: Revision(300),
            }),
        ),
    ];
    frames.extend(refusals());
    frames.extend(freezes());
    frames
}

/// Frames of a freeze and of a fetch.
fn freezes() -> Vec<(&'static str, HubFrame)> {
    let freeze = |frozen, reason: &str, meta| {
        HubFrame::Freeze(Freeze {
            stamp: stamp(303),
            frozen,
            reason: reason.to_owned(),
            meta,
        })
    };
    vec![
        ("freeze", freeze(true, "night of the move", Vec::new())),
        ("freeze-lifted", freeze(false, "", every_meta())),
        ("fetch", HubFrame::Fetch(Fetch { id: 9, key: key() })),
        ("delta", HubFrame::Delta(delta())),
    ]
}

fn delta() -> Delta {
    let copy = |offset, length| Part::Copy { offset, length };
    Delta {
        digest: Digest([0xd1; 32]),
        base: Digest([0xb0; 32]),
        total: 70_000,
        parts: vec![
            copy(0, 300),
            Part::New(Bytes::from_static(b"\"web:2\"")),
            copy(307, 69_693),
        ],
    }
}

fn fetched(problem: &str, bytes: &'static [u8]) -> AgentFrame {
    AgentFrame::Fetched(Fetched {
        id: 9,
        key: key(),
        offset: if bytes.is_empty() { 0 } else { 65_536 },
        total: if bytes.is_empty() { 0 } else { 70_000 },
        bytes: Bytes::from_static(bytes),
        problem: problem.to_owned(),
    })
}

fn hello(position: Option<Stamp>) -> AgentFrame {
    AgentFrame::Hello(Hello {
        features: 5,
        release: "0.1.0".to_owned(),
        member_uid: "0b6f4c3e-91a7-4f0e-8d28-3f0b6f1f2a77".to_owned(),
        boot: 12,
        nonce: 0xfeed_f00d_dead_beef,
        rewound: position.is_none(),
        position,
    })
}

/// A report of each state and each health.
fn reports() -> Vec<ItemReport> {
    let states = [
        (ItemState::Pending, Health::Unknown),
        (ItemState::Applied, Health::Healthy),
        (ItemState::Conflict, Health::Progressing),
        (ItemState::Failed, Health::Degraded),
        (ItemState::Held, Health::Suspended),
        (ItemState::Removed, Health::Unknown),
        (ItemState::Unclaimed, Health::Unknown),
    ];
    let report = |(state, health)| ItemReport {
        key: key(),
        stamp: stamp(300),
        state,
        reason: "Reason".to_owned(),
        message: "words of the member's API server".to_owned(),
        generation: -1,
        health,
        status: Bytes::from_static(b"{\"readyReplicas\":3}"),
    };
    states.into_iter().map(report).collect()
}

/// Frames of the agent.
pub(super) fn agent() -> Vec<(&'static str, AgentFrame)> {
    let facts = Facts {
        json: Bytes::from_static(b"{\"version\":\"v1.36.3\"}"),
    };
    vec![
        ("hello", hello(Some(stamp(300)))),
        ("hello-empty", hello(None)),
        ("ack", AgentFrame::Ack(Ack { stamp: stamp(300) })),
        (
            "want",
            AgentFrame::Want(Want {
                key: key(),
                revision: Revision(300),
            }),
        ),
        (
            "want-over",
            AgentFrame::WantOver(WantOver {
                key: key(),
                revision: Revision(300),
                base: Digest([0xb0; 32]),
            }),
        ),
        ("reports", AgentFrame::Reports(reports())),
        ("facts", AgentFrame::Facts(facts)),
        ("fetched", fetched("", b"{\"kind\":\"Deployment\"}")),
        ("fetched-problem", fetched("it is not there", b"")),
    ]
}
