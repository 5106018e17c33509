//! What a welcome changes, and what it never does.

use roadstead_protocol::host::clock::Floored;
use roadstead_protocol::wire::Epoch;
use roadstead_protocol::wire::frame::Mode;

use super::*;
use crate::link::kept::Kept;
use crate::store::Loaded;
use crate::store::record::{Former, Identity, Position};
use crate::store::tests::{MemoryDisk, env};

async fn welcomed(detached: bool) -> (Conversation, ControlFlow<()>) {
    let (disk, _, _) = Disk::open(env(), MemoryDisk::default().opener())
        .await
        .unwrap();
    let identity = Identity {
        key: vec![],
        certificates: vec![],
        hub: "hub".to_owned(),
        cluster: "cluster".to_owned(),
        addresses: vec![],
        authorities: vec![],
    };
    let kept = Kept {
        identity,
        former: Former::default(),
    };
    let clock = Arc::new(Floored::new(env().clock, 0));
    let keep = Arc::new(Keep::new(disk.clone(), clock, kept));
    let position = Position {
        detached,
        ..Position::default()
    };
    let desk = Arc::new(Desk::new(&Loaded {
        position,
        ..Loaded::default()
    }));
    desk.anchored(false);
    let start = watch::Sender::new(None).subscribe();
    let mut conversation = Conversation::new(desk, disk, start, (keep, "a:1".to_owned()));
    let flow = conversation.welcome(Welcome {
        features: 0,
        release: String::new(),
        hub: "hub".to_owned(),
        cluster: "cluster".to_owned(),
        epoch: Epoch(1),
        lineage: Lineage(vec![]),
        mode: Mode::Compare,
        addresses: vec![],
        authorities: vec![],
    });
    (conversation, flow)
}

/// As from a hub that was restored from a copy taken before it detached the cluster.
#[tokio::test]
async fn a_welcome_does_not_end_a_detachment() {
    let (conversation, flow) = welcomed(true).await;
    assert!(flow.is_break() && !conversation.welcomed());
    assert!(matches!(conversation.ended, Some(Ended::Detached)));
    assert!(conversation.desk.position().detached);
    assert!(!conversation.desk.may_write() && !conversation.desk.is_admitted());
}

#[tokio::test]
async fn a_cluster_that_is_attached_is_let_in() {
    let (conversation, flow) = welcomed(false).await;
    assert!(flow.is_continue() && conversation.welcomed());
    assert!(conversation.ended.is_none() && conversation.desk.may_write());
}
