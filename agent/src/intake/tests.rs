//! What batches leave on the disk and in memory.

use bytes::Bytes;
use roadstead_protocol::session::What;
use roadstead_protocol::wire::frame::Mode;
use roadstead_protocol::wire::item::Meta;
use roadstead_protocol::wire::stamp::EpochRange;
use roadstead_protocol::wire::{Epoch, Revision};

use super::*;
use crate::desk::Desk;
use crate::store::Loaded;

fn key(name: &str) -> ItemKey {
    ItemKey {
        group: String::new(),
        kind: "ConfigMap".into(),
        namespace: "a".into(),
        name: name.into(),
    }
}

fn stamp(epoch: u64, revision: u64) -> Stamp {
    Stamp {
        epoch: Epoch(epoch),
        revision: Revision(revision),
    }
}

fn lineage(epochs: &[u64]) -> Lineage {
    let range = |epoch: &u64| EpochRange {
        epoch: Epoch(*epoch),
        first: Revision(epoch * 100),
        last: Some(Revision(epoch * 100 + 99)),
    };
    Lineage(epochs.iter().map(range).collect())
}

fn put(name: &str, stamp: Stamp, content: &'static str) -> Delivered {
    let bytes = Bytes::from_static(content.as_bytes());
    let what = What::Put {
        digest: Digest::of(&bytes),
        size: u32::try_from(bytes.len()).unwrap(),
    };
    Delivered {
        change: Change {
            key: key(name),
            stamp,
            meta: vec![],
            what,
        },
        content: Some(bytes),
    }
}

fn tombstone(name: &str, stamp: Stamp) -> Delivered {
    Delivered {
        change: Change {
            key: key(name),
            stamp,
            meta: vec![],
            what: What::Tombstone,
        },
        content: None,
    }
}

fn batch(changes: Vec<Delivered>, position: Option<Stamp>) -> Batch {
    Batch {
        changes,
        upto: position,
        position,
        mode: Mode::Resume,
        compared: false,
    }
}

fn take(desk: &Desk, lineage: &Lineage, batch: &Batch) -> Vec<Write> {
    let named = batch.changes.iter().map(|d| d.change.key.clone()).collect();
    let (writes, entered) = intake(&desk.lock(), lineage, batch, &named);
    desk.enter(entered);
    writes
}

fn content_of(desk: &Desk, name: &str) -> Option<Digest> {
    desk.lock()
        .items
        .get(&key(name))
        .and_then(|item| item.digest)
}

#[test]
fn contents_are_kept_as_long_as_an_item_names_them() {
    let desk = Desk::new(&Loaded::default());
    let history = lineage(&[1]);
    let equal = vec![
        put("a", stamp(1, 101), "same"),
        put("b", stamp(1, 102), "same"),
    ];
    let writes = take(&desk, &history, &batch(equal, Some(stamp(1, 102))));
    let contents = writes
        .iter()
        .filter(|w| matches!(w, Write::Content(..)))
        .count();
    assert_eq!(contents, 1, "equal content is stored once");
    let digest = Digest::of(b"same");
    take(
        &desk,
        &history,
        &batch(vec![tombstone("a", stamp(1, 103))], None),
    );
    assert!(desk.holds(&digest));
    let writes = take(
        &desk,
        &history,
        &batch(vec![put("b", stamp(1, 104), "other")], None),
    );
    assert!(!desk.holds(&digest) && desk.holds(&Digest::of(b"other")));
    assert!(
        writes
            .iter()
            .any(|w| matches!(w, Write::DropContent(d) if *d == digest))
    );
    assert_eq!(desk.position().stamp, Some(stamp(1, 102)));
}

#[test]
fn another_history_is_held_and_a_word_from_the_user_ends_it() {
    let desk = Desk::new(&Loaded::default());
    take(
        &desk,
        &lineage(&[1, 2]),
        &batch(vec![put("a", stamp(2, 250), "new")], None),
    );
    // The hub was restored: epoch 2 never happened for it.
    let restored = lineage(&[1, 3]);
    for offer in [
        put("a", stamp(3, 301), "old"),
        tombstone("a", stamp(3, 302)),
    ] {
        take(&desk, &restored, &batch(vec![offer], None));
        assert_eq!(content_of(&desk, "a"), Some(Digest::of(b"new")));
        assert!(desk.lock().items[&key("a")].held.is_some());
    }
    let mut order = put("a", stamp(3, 303), "old");
    order.change.meta = vec![Meta::Replaces(stamp(2, 250))];
    take(&desk, &restored, &batch(vec![order], None));
    assert_eq!(content_of(&desk, "a"), Some(Digest::of(b"old")));
    assert_eq!(desk.lock().items[&key("a")].held, None);
}

#[test]
fn an_empty_hub_removes_nothing() {
    let desk = Desk::new(&Loaded::default());
    take(
        &desk,
        &lineage(&[1]),
        &batch(vec![put("a", stamp(1, 101), "x")], None),
    );
    let compared = Batch {
        mode: Mode::Compare,
        compared: true,
        ..batch(vec![], None)
    };
    take(&desk, &lineage(&[9]), &compared);
    let item = desk.lock().items[&key("a")].clone();
    assert!(!item.listed && item.digest.is_some());
}

#[test]
fn a_disk_that_went_back_forgets_what_an_unknown_history_may_have_removed() {
    let check = |rewound, epochs: &[u64], listed: Option<bool>| {
        let desk = Desk::new(&Loaded::default());
        let first = batch(vec![put("a", stamp(1, 101), "x")], None);
        take(&desk, &lineage(&[1]), &first);
        desk.anchored(rewound);
        let compared = Batch {
            mode: Mode::Compare,
            compared: true,
            ..batch(vec![], None)
        };
        take(&desk, &lineage(epochs), &compared);
        let item = desk.lock().items.get(&key("a")).map(|item| item.listed);
        assert_eq!(item, listed, "{rewound} {epochs:?}");
        assert_eq!(desk.holds(&Digest::of(b"x")), listed.is_some());
    };
    check(false, &[9], Some(false));
    check(false, &[1], Some(false));
    check(true, &[1], Some(false));
    check(true, &[9], None);
}

#[test]
fn what_was_put_there_goes_with_what_is_forgotten() {
    let desk = Desk::new(&Loaded::default());
    let first = batch(vec![put("a", stamp(1, 101), "x")], None);
    take(&desk, &lineage(&[1]), &first);
    let inventory = crate::store::record::Inventory {
        uid: "u".into(),
        stamp: stamp(1, 101),
        digest: Digest::of(b"x"),
        mark: Default::default(),
        fields: Default::default(),
    };
    desk.enter_inventory(&key("a"), Some(inventory));
    desk.anchored(true);
    let compared = Batch {
        mode: Mode::Compare,
        compared: true,
        ..batch(vec![], None)
    };
    let writes = take(&desk, &lineage(&[9]), &compared);
    assert!(
        desk.lock().inventory.is_empty(),
        "nobody may take it for judged"
    );
    let dropped = |write: &Write| matches!(write, Write::DropInventory(k) if *k == key("a"));
    assert!(writes.iter().any(dropped));
}

#[test]
fn a_hold_ends_with_the_offer() {
    let desk = Desk::new(&Loaded::default());
    let given = vec![
        put("a", stamp(2, 250), "new"),
        tombstone("b", stamp(2, 251)),
    ];
    take(&desk, &lineage(&[1, 2]), &batch(given, None));
    let offers = vec![
        put("a", stamp(3, 301), "old"),
        put("b", stamp(3, 302), "old"),
    ];
    take(&desk, &lineage(&[1, 3]), &batch(offers, None));
    let held = |name: &str| desk.lock().items[&key(name)].held.is_some();
    assert!(held("a") && held("b"));
    let compared = Batch {
        mode: Mode::Compare,
        compared: true,
        ..batch(vec![], None)
    };
    take(&desk, &lineage(&[1, 3]), &compared);
    assert!(!held("a") && !held("b"));
    let item = |name: &str| desk.lock().items[&key(name)].clone();
    assert_eq!(
        (item("a").listed, item("a").digest.is_some()),
        (false, true)
    );
    assert_eq!(
        (item("b").listed, item("b").digest.is_some()),
        (true, false)
    );
}

#[test]
fn after_half_of_another_hubs_set_the_next_one_compares() {
    let desk = Desk::new(&Loaded::default());
    let (one, other) = (lineage(&[1, 2]), lineage(&[1, 3]));
    let all = batch(vec![put("a", stamp(2, 201), "x")], Some(stamp(2, 201)));
    take(&desk, &one, &all);
    assert_eq!(desk.position().resumable(), Some(stamp(2, 201)));
    // The other's comparison begins, and its session ends in the middle of it.
    let half = Batch {
        mode: Mode::Compare,
        ..batch(vec![put("b", stamp(3, 301), "y")], None)
    };
    take(&desk, &other, &half);
    assert_eq!(desk.position().resumable(), None);
    assert_eq!(
        desk.position().stamp,
        Some(stamp(2, 201)),
        "the disk did not go back"
    );
}

#[test]
fn an_older_offer_changes_nothing_and_writes_nothing() {
    let desk = Desk::new(&Loaded::default());
    let history = lineage(&[1]);
    let first = batch(vec![put("a", stamp(1, 105), "x")], Some(stamp(1, 105)));
    take(&desk, &history, &first);
    assert!(take(&desk, &history, &first).is_empty());
    assert!(
        take(
            &desk,
            &history,
            &batch(vec![tombstone("a", stamp(1, 104))], None)
        )
        .is_empty()
    );
}

proptest::proptest! {
    /// Contents named, contents held and items always agree.
    #[test]
    fn memory_agrees_with_itself(steps in proptest::collection::vec((0..4usize, 0..3usize, proptest::bool::ANY), 1..60)) {
        let desk = Desk::new(&Loaded::default());
        let history = Lineage(vec![EpochRange { epoch: Epoch(1), first: Revision(1), last: None }]);
        let mut revision = 0;
        for (name, content, gone) in steps {
            revision += 1;
            let name = ["a", "b", "c", "d"][name];
            let change = if gone { tombstone(name, stamp(1, revision)) } else { put(name, stamp(1, revision), ["x", "y", "z"][content]) };
            take(&desk, &history, &batch(vec![change], Some(stamp(1, revision))));
            let known = desk.lock();
            let named: BTreeSet<Digest> = known.items.values().filter_map(|item| item.digest).collect();
            proptest::prop_assert_eq!(&named, &known.contents);
            proptest::prop_assert_eq!(named, known.named.keys().copied().collect::<BTreeSet<_>>());
        }
    }
}

#[test]
fn no_batch_ends_a_detachment() {
    let desk = Desk::new(&Loaded {
        position: Position {
            detached: true,
            ..Position::default()
        },
        ..Loaded::default()
    });
    let upto = Some(stamp(1, 101));
    take(&desk, &lineage(&[1]), &batch(vec![], upto));
    assert_eq!(
        (desk.position().stamp, desk.position().detached),
        (upto, true)
    );
}
