//! A batch on a disk without room: it waits, that is said, and it is there once there is room.

use std::sync::Arc;

use roadstead_protocol::wire::item::ItemKey;
use roadstead_protocol::wire::{Epoch, Revision, Stamp};

use super::*;
use crate::store::record::Item;
use crate::store::tests::{Full, MemoryDisk, env};

fn key() -> ItemKey {
    ItemKey {
        group: "apps".into(),
        kind: "Deployment".into(),
        namespace: "a".into(),
        name: "web".into(),
    }
}

fn batch() -> (Vec<Write>, Entered) {
    let stamp = Stamp {
        epoch: Epoch(1),
        revision: Revision(7),
    };
    let item = Item {
        stamp,
        digest: None,
        meta: vec![],
        listed: true,
        held: None,
    };
    let entered = Entered {
        items: [(key(), Some(item.clone()))].into(),
        ..Entered::default()
    };
    (vec![Write::Item(key(), item)], entered)
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_for_and_said() {
    let medium = MemoryDisk::default();
    let (disk, loaded, _writer) = Disk::open(env(), medium.opener()).await.unwrap();
    let desk = Arc::new(Desk::new(&loaded));
    let over = watch::Sender::new(false);
    medium.full(Full::All);
    let (at, on, until) = (desk.clone(), disk.clone(), over.subscribe());
    let writing = tokio::spawn(async move { persist(&at, &on, batch(), until).await });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!writing.is_finished(), "it is tried again");
    let said = desk.take_reports(9);
    let [report] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(
        (report.state, report.reason.as_str()),
        (ItemState::Pending, "AgentDisk")
    );
    assert_eq!(
        report.stamp.revision,
        Revision(7),
        "it is about what was given"
    );
    assert!(
        report.message.contains("goes on being kept"),
        "{}",
        report.message
    );
    assert!(
        desk.lock().items.is_empty(),
        "nothing counts that is not durable"
    );

    medium.full(Full::Not);
    writing.await.unwrap().unwrap();
    assert!(desk.lock().items.contains_key(&key()));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_after_the_session() {
    let medium = MemoryDisk::default();
    let (disk, loaded, _writer) = Disk::open(env(), medium.opener()).await.unwrap();
    let desk = Desk::new(&loaded);
    let over = watch::Sender::new(false);
    medium.full(Full::All);
    let writing = persist(&desk, &disk, batch(), over.subscribe());
    let ends = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        over.send_replace(true);
    };
    let (written, ()) = tokio::join!(writing, ends);
    assert!(matches!(written, Err(DiskError::Unavailable(_))));
    assert!(desk.lock().items.is_empty());
}
