//! The ledger by revision, and its tombstones, over a store in memory.

use std::sync::Arc;

use roadstead_protocol::host::system;
use roadstead_protocol::wire::frame::Hello;
use roadstead_protocol::wire::{Digest, ItemKey};
use roadstead_store::records::{self, LedgerEntry, LedgerState, ObjectRef, SeenRecord};
use roadstead_store::{Backend, Key, Revision, Store, Txn};

use crate::admission;
use crate::directory::Directory;
use crate::index::Index;
use crate::tombstones;

const UID: &str = "a1";

async fn store() -> Store {
    let options = roadstead_store::Options::default();
    Store::open(system::env(), Backend::Memory, options)
        .await
        .unwrap()
}

fn key(uid: &str, name: &str) -> Key {
    let item = ItemKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    };
    records::ledger_key(uid, &item).unwrap()
}

fn entry(state: LedgerState) -> Vec<u8> {
    let entry = LedgerEntry {
        state,
        meta: Vec::new(),
        decision: ObjectRef::default(),
        template_uid: String::new(),
        policies: Vec::new(),
    };
    records::encode(&entry).unwrap().to_vec()
}

fn put() -> Vec<u8> {
    put_of(1)
}

fn put_of(content: u8) -> Vec<u8> {
    entry(LedgerState::Put {
        digest: Digest([content; 32]),
        size: 2,
    })
}

/// Writes in one transaction. The last revision.
async fn write(store: &Store, writes: &[(&str, Vec<u8>)]) -> Revision {
    let txn = writes.iter().fold(Txn::new(), |txn, (name, value)| {
        txn.put(key(UID, name), value.clone())
    });
    store.commit(txn).await.unwrap().last
}

fn hello(boot: u64) -> Hello {
    Hello {
        features: 0,
        release: String::new(),
        member_uid: String::new(),
        boot,
        nonce: boot,
        position: None,
        rewound: false,
    }
}

/// Notes a start.
async fn note(store: &Store, hello: &Hello) {
    let seen = SeenRecord {
        boot: hello.boot,
        nonce: format!("{:016x}", hello.nonce),
        ..SeenRecord::default()
    };
    let key = records::seen_key(UID).unwrap();
    let txn = Txn::new().put(key, records::encode(&seen).unwrap());
    store.commit(txn).await.unwrap();
}

fn names(index: &Index, after: Revision, room: usize) -> (Vec<String>, bool) {
    let page = index.page(after, room);
    let names = page
        .changes
        .into_iter()
        .map(|change| change.key.name)
        .collect();
    (names, page.complete.is_some())
}

#[tokio::test]
async fn pages_follow_revisions_and_say_when_there_is_no_more() {
    let store = store().await;
    let first = write(&store, &[("c", put())]).await;
    write(&store, &[("a", put()), ("b", put())]).await;
    store
        .commit(Txn::new().put(key("other", "x"), put()))
        .await
        .unwrap();
    let mut index = Index::open(&store, &Arc::new(store.lineage()), UID);
    let all = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&index, Revision(0), 9), (all(&["c", "a", "b"]), true));
    assert_eq!(names(&index, Revision(0), 2), (all(&["c", "a"]), false));
    assert_eq!(names(&index, Revision(0), 3), (all(&["c", "a", "b"]), true));
    assert_eq!(names(&index, first, 9), (all(&["a", "b"]), true));
    // A newer entry takes the place of the older one, and a deletion leaves none.
    write(&store, &[("c", put())]).await;
    store
        .commit(Txn::new().delete(key(UID, "a")))
        .await
        .unwrap();
    index.changed().await.unwrap();
    assert_eq!(names(&index, Revision(0), 9), (all(&["b", "c"]), true));
    assert_eq!(index.page(Revision(0), 9).complete, Some(store.revision()));
}

#[tokio::test]
async fn a_damaged_entry_is_passed_over() {
    let store = store().await;
    write(&store, &[("a", b"{}".to_vec()), ("b", put())]).await;
    let index = Index::open(&store, &Arc::new(store.lineage()), UID);
    assert_eq!(names(&index, Revision(0), 9), (vec!["b".to_owned()], true));
}

#[tokio::test]
async fn acknowledged_tombstones_go_and_what_is_newer_stays() {
    let store = store().await;
    let gone = || entry(LedgerState::Tombstone);
    note(&store, &hello(1)).await;
    write(&store, &[("a", gone()), ("b", put())]).await;
    let acked = write(&store, &[("c", gone())]).await;
    write(&store, &[("d", gone())]).await;
    let index = Index::open(&store, &Arc::new(store.lineage()), UID);
    let batch = index.tombstones(acked, 9);
    assert_eq!(
        batch.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        [&key(UID, "a"), &key(UID, "c")]
    );
    assert_eq!(index.tombstones(acked, 1).len(), 1);
    // Meanwhile a user wants `a` again.
    write(&store, &[("a", put())]).await;
    assert_eq!(
        tombstones::remove(&store, UID, &hello(1), batch.clone()).await,
        Ok(1)
    );
    let snapshot = store.snapshot();
    let left = |name: &str| snapshot.get(key(UID, name).as_str()).is_some();
    assert_eq!(["a", "b", "c", "d"].map(left), [true, true, false, true]);
    assert_eq!(tombstones::floor(&snapshot, UID), acked);
    // Doing it again does nothing.
    let revision = store.revision();
    assert_eq!(
        tombstones::remove(&store, UID, &hello(1), batch).await,
        Ok(0)
    );
    assert_eq!(store.revision(), revision);
}

#[tokio::test]
async fn a_base_is_what_this_ledger_named_for_the_item_and_nothing_else() {
    let store = store().await;
    write(&store, &[("a", put_of(1)), ("b", put_of(11))]).await;
    let mut index = Index::open(&store, &Arc::new(store.lineage()), UID);
    let bases = |index: &Index, content: u8| -> Vec<u8> {
        let is = |base: &u8| index.is_base(&Digest([content; 32]), &Digest([*base; 32]));
        (0..=40).filter(is).collect()
    };
    let none: [u8; 0] = [];
    assert_eq!(bases(&index, 1), none);
    write(&store, &[("a", put_of(2)), ("b", put_of(12))]).await;
    let other = Txn::new().put(key("other", "a"), put_of(30));
    store.commit(other).await.unwrap();
    let other = Txn::new().put(key("other", "a"), put_of(31));
    store.commit(other).await.unwrap();
    index.changed().await.unwrap();
    assert_eq!(bases(&index, 2), [1]);
    assert_eq!(bases(&index, 12), [11]);
    assert_eq!(bases(&index, 31), none);
    // What comes before the agent has that is carried over, also over a deletion.
    let acked = write(&store, &[("a", entry(LedgerState::Tombstone))]).await;
    write(&store, &[("a", put_of(3))]).await;
    index.changed().await.unwrap();
    assert_eq!(bases(&index, 3), [1, 2]);
    for content in 4..9 {
        write(&store, &[("a", put_of(content))]).await;
    }
    index.changed().await.unwrap();
    assert_eq!(bases(&index, 8), [1, 5, 6, 7]);
    // Once it has it, it is forgotten.
    index.acked(acked);
    assert_eq!(bases(&index, 12), none);
    assert_eq!(bases(&index, 8), [1, 5, 6, 7]);
    index.acked(store.revision());
    assert_eq!(bases(&index, 8), none);
}

#[tokio::test]
async fn former_contents_are_bounded() {
    let store = store().await;
    let all = |first: u8| {
        let names = (0..1025).map(|n| format!("n{n:04}"));
        names.fold(Txn::new(), |txn, name| {
            txn.put(key(UID, &name), put_of(first))
        })
    };
    store.commit(all(1)).await.unwrap();
    let mut index = Index::open(&store, &Arc::new(store.lineage()), UID);
    store.commit(all(2)).await.unwrap();
    write(&store, &[("n0000", put_of(3)), ("n1024", put_of(4))]).await;
    index.changed().await.unwrap();
    let is = |content: u8, base: u8| index.is_base(&Digest([content; 32]), &Digest([base; 32]));
    assert!(is(3, 1), "it was remembered, and is");
    assert!(!is(4, 1), "there was no room for it");
}

#[tokio::test]
async fn the_session_of_a_former_start_raises_no_floor() {
    let store = store().await;
    note(&store, &hello(1)).await;
    let acked = write(&store, &[("a", entry(LedgerState::Tombstone))]).await;
    let batch = Index::open(&store, &Arc::new(store.lineage()), UID).tombstones(acked, 9);
    // The agent was restored and came back, at a position before the tombstone.
    note(&store, &hello(2)).await;
    let removed = tombstones::remove(&store, UID, &hello(1), batch.clone()).await;
    assert_eq!(removed, Ok(0));
    assert!(store.snapshot().get(key(UID, "a").as_str()).is_some());
    let removed = tombstones::remove(&store, UID, &hello(2), batch).await;
    assert_eq!(removed, Ok(1));
}

#[tokio::test]
async fn a_floor_that_cannot_be_read_is_above_everything() {
    let store = store().await;
    assert_eq!(tombstones::floor(&store.snapshot(), UID), Revision(0));
    let key = Key::parse("/floor/a1").unwrap();
    store.commit(Txn::new().put(key, "what")).await.unwrap();
    assert_eq!(
        tombstones::floor(&store.snapshot(), UID),
        Revision(u64::MAX)
    );
}

/// The size of what an async function gives.
fn size<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn what_waits_for_an_idle_agent_is_small() {
    let task = size(crate::accept::connection);
    assert!(task <= 6 * 1024, "a connection's task has {task} bytes");
}

#[tokio::test]
async fn an_agent_that_understands_more_than_at_its_last_start_compares_once() {
    let store = store().await;
    let cluster = records::object_key("cluster.kurator.dev", "attachedclusters", "d", "a").unwrap();
    let object = format!("{{\"metadata\":{{\"name\":\"a\",\"uid\":\"{UID}\"}}}}");
    let txn = Txn::new().put(cluster, object.into_bytes());
    store.commit(txn).await.unwrap();
    let directory = Directory::new(store.clone());
    let floor = async |boot: u64, features: u64| {
        let hello = Hello {
            features,
            ..hello(boot)
        };
        let decided = admission::decide(&store, &directory, (UID, None), &hello).await;
        decided.unwrap()
    };
    let all = Revision(u64::MAX);
    assert_eq!(
        floor(1, 0).await,
        Revision(0),
        "it understands nothing more"
    );
    assert_eq!(
        floor(2, 5).await,
        all,
        "something may have been left unsaid"
    );
    assert_eq!(floor(2, 5).await, Revision(0), "once");
    assert_eq!(floor(3, 5).await, Revision(0));
    assert_eq!(floor(4, 1).await, Revision(0), "it understands less");
    assert_eq!(floor(5, 5).await, all);
}
