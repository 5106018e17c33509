//! Values for the tests of sessions. Nothing here is in a build.

use bytes::Bytes;

use crate::wire::frame::{Hello, features};
use crate::wire::report::{Health, ItemReport, ItemState};
use crate::wire::stamp::EpochRange;
use crate::wire::{Digest, Epoch, ItemKey, Lineage, Revision, Stamp};

use super::hub::HubConfig;
use super::{Change, What};

/// The epoch that tests live in.
pub(super) const EPOCH: Epoch = Epoch(0xe1);

pub(super) fn lineage() -> Lineage {
    Lineage(vec![EpochRange {
        epoch: EPOCH,
        first: Revision(1),
        last: None,
    }])
}

pub(super) fn stamp(revision: u64) -> Stamp {
    Stamp {
        epoch: EPOCH,
        revision: Revision(revision),
    }
}

pub(super) fn key(name: &str) -> ItemKey {
    ItemKey {
        group: "apps".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

pub(super) fn put(name: &str, revision: u64, content: &[u8]) -> Change {
    let size = u32::try_from(content.len()).unwrap();
    let what = What::Put {
        digest: Digest::of(content),
        size,
    };
    Change {
        key: key(name),
        stamp: stamp(revision),
        meta: Vec::new(),
        what,
    }
}

pub(super) fn tombstone(name: &str, revision: u64) -> Change {
    let what = What::Tombstone;
    Change {
        key: key(name),
        stamp: stamp(revision),
        meta: Vec::new(),
        what,
    }
}

pub(super) fn report(name: &str, generation: i64) -> ItemReport {
    ItemReport {
        key: key(name),
        stamp: stamp(1),
        state: ItemState::Applied,
        reason: "Applied".to_owned(),
        message: String::new(),
        generation,
        health: Health::Healthy,
        status: Bytes::new(),
    }
}

pub(super) fn hello(position: Option<Stamp>) -> Hello {
    Hello {
        features: features::ALL,
        release: "0.1.0".to_owned(),
        member_uid: "5c6f…".to_owned(),
        boot: 1,
        nonce: 2,
        position,
        rewound: false,
    }
}

pub(super) fn hub_config() -> HubConfig {
    HubConfig {
        release: "0.1.0".to_owned(),
        hub: "h1".to_owned(),
        cluster: "c1".to_owned(),
        epoch: EPOCH,
        lineage: std::sync::Arc::new(lineage()),
        addresses: vec!["hub.example:7443".to_owned()],
        authorities: Vec::new(),
        features: features::ALL,
    }
}
