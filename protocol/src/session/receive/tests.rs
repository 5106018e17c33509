//! What the receiving side asks for, hands out and lets go.

use super::*;
use crate::session::testing::{key, lineage, put, stamp, tombstone};
use crate::wire::limits::CONTENT_BYTES_MAX;

fn nothing(_: &Digest) -> bool {
    false
}

fn after(revision: u64) -> Receiver {
    Receiver::new(lineage(), Some(stamp(revision)))
}

fn deliver(receiver: &mut Receiver, content: &[u8]) {
    let total = u32::try_from(content.len()).unwrap();
    let bytes = Bytes::copy_from_slice(content);
    let digest = Digest::of(content);
    receiver
        .content(&Content {
            digest,
            offset: 0,
            total,
            bytes,
        })
        .unwrap();
}

fn wants(receiver: &mut Receiver) -> Vec<u64> {
    std::iter::from_fn(|| receiver.poll_want(&nothing).map(|asking| asking.want))
        .map(|want| want.revision.0)
        .collect()
}

fn handed(batch: Option<Batch>) -> Vec<u64> {
    batch
        .unwrap()
        .changes
        .iter()
        .map(|delivered| delivered.change.revision().0)
        .collect()
}

#[test]
fn a_newer_change_takes_the_place_of_one_that_was_not_handed_out() {
    let mut receiver = after(1);
    receiver.announce(put("a", 2, b"one")).unwrap();
    receiver.announce(tombstone("a", 3)).unwrap();
    receiver.announce(put("b", 4, b"two")).unwrap();
    receiver.announce(put("a", 5, b"two")).unwrap();
    assert_eq!(
        wants(&mut receiver),
        [4],
        "the first is superseded, the last is equal"
    );
    deliver(&mut receiver, b"two");
    let batch = receiver.poll_batch(&nothing);
    assert_eq!(handed(batch), [4, 5]);
}

#[test]
fn one_batch_is_out_at_a_time_and_only_the_complete_front() {
    let mut receiver = after(1);
    receiver.announce(tombstone("a", 2)).unwrap();
    receiver.announce(put("b", 3, b"one")).unwrap();
    receiver.announce(tombstone("c", 4)).unwrap();
    assert_eq!(handed(receiver.poll_batch(&nothing)), [2]);
    assert_eq!(wants(&mut receiver), [3]);
    deliver(&mut receiver, b"one");
    assert_eq!(receiver.poll_batch(&nothing), None);
    assert!(
        receiver.committed(Some(stamp(9))).is_none(),
        "not that batch"
    );
    assert_eq!(
        receiver.committed(Some(stamp(2))).unwrap().ack,
        Some(stamp(2))
    );
    let batch = receiver.poll_batch(&nothing);
    assert_eq!(batch.as_ref().unwrap().position, Some(stamp(4)));
    assert_eq!(handed(batch), [3, 4]);
}

#[test]
fn content_stays_until_its_batch_is_durable() {
    let mut receiver = after(1);
    receiver.announce(put("a", 2, b"one")).unwrap();
    assert_eq!(wants(&mut receiver), [2]);
    deliver(&mut receiver, b"one");
    assert_eq!(handed(receiver.poll_batch(&nothing)), [2]);
    receiver.announce(put("b", 3, b"one")).unwrap();
    assert_eq!(
        wants(&mut receiver),
        [0; 0],
        "it is here, though not yet durable"
    );
    receiver.committed(Some(stamp(2))).unwrap();
    assert_eq!(handed(receiver.poll_batch(&nothing)), [3]);
    receiver.committed(Some(stamp(3))).unwrap();
    assert_eq!(receiver.load(), (0, 0));
}

#[test]
fn a_content_that_is_no_longer_held_is_asked_for_after_all() {
    let mut receiver = after(1);
    receiver.announce(put("a", 2, b"one")).unwrap();
    assert_eq!(receiver.poll_want(&|_: &Digest| true), None);
    assert_eq!(receiver.poll_batch(&nothing), None);
    assert_eq!(wants(&mut receiver), [2]);
}

#[test]
fn a_content_for_which_nothing_waits_any_more_is_let_go_when_it_comes() {
    let mut receiver = after(1);
    receiver.announce(put("a", 2, b"one")).unwrap();
    assert_eq!(wants(&mut receiver), [2]);
    receiver.announce(tombstone("a", 3)).unwrap();
    deliver(&mut receiver, b"one");
    assert_eq!(receiver.load(), (1, 0));
    assert_eq!(handed(receiver.poll_batch(&nothing)), [3]);
}

#[test]
fn asking_keeps_to_the_byte_budget_but_never_blocks_the_front() {
    let large = |n: u8| vec![n; CONTENT_BYTES_MAX];
    let mut receiver = after(1);
    for n in 0..6 {
        receiver
            .announce(put(&format!("n{n}"), 2 + u64::from(n), &large(n)))
            .unwrap();
    }
    let fit = WINDOW_BYTES / CONTENT_BYTES_MAX;
    assert_eq!(wants(&mut receiver).len(), fit);

    // The first was held when it was announced, and is not when its turn comes.
    let mut receiver = after(1);
    receiver.announce(put("held", 2, &large(9))).unwrap();
    let holds = |digest: &Digest| *digest == Digest::of(&large(9));
    for n in 0..6 {
        receiver
            .announce(put(&format!("n{n}"), 3 + u64::from(n), &large(n)))
            .unwrap();
    }
    while receiver.poll_want(&holds).is_some() {}
    assert_eq!(receiver.poll_batch(&nothing), None);
    assert_eq!(
        wants(&mut receiver),
        [2],
        "beyond the budget, because all else waits for it"
    );
}

#[test]
fn a_withdrawal_frees_what_waits_for_the_same_content() {
    let mut receiver = after(1);
    receiver.announce(put("a", 2, b"one")).unwrap();
    receiver.announce(put("b", 3, b"one")).unwrap();
    assert_eq!(wants(&mut receiver), [2]);
    receiver
        .withdrawn(Withdrawn {
            key: key("a"),
            revision: Revision(2),
        })
        .unwrap();
    assert_eq!(wants(&mut receiver), [3], "nobody else asks for it now");
    receiver
        .withdrawn(Withdrawn {
            key: key("b"),
            revision: Revision(3),
        })
        .unwrap();
    assert_eq!(receiver.load(), (0, 0));
}

#[test]
fn a_comparison_ends_after_all_it_named_and_before_all_that_follows() {
    let mut receiver = Receiver::new(lineage(), None);
    receiver.announce(put("a", 2, b"one")).unwrap();
    receiver.complete(Revision(8)).unwrap();
    receiver.announce(tombstone("b", 9)).unwrap();
    assert_eq!(receiver.poll_batch(&nothing), None);
    assert_eq!(wants(&mut receiver), [2]);
    deliver(&mut receiver, b"one");
    let named = receiver.poll_batch(&nothing).unwrap();
    assert_eq!(
        (named.upto, named.position, named.compared),
        (Some(stamp(2)), None, false)
    );
    receiver.committed(named.upto).unwrap();
    let end = receiver.poll_batch(&nothing).unwrap();
    assert_eq!(
        (end.upto, end.position, end.compared),
        (Some(stamp(8)), Some(stamp(8)), true)
    );
    assert!(receiver.committed(end.upto).unwrap().compared);
    let next = receiver.poll_batch(&nothing).unwrap();
    assert_eq!((next.mode, next.position), (Mode::Resume, Some(stamp(9))));
}

#[test]
fn synced_is_told_after_all_that_came_before_it() {
    let mut receiver = after(1);
    receiver.announce(tombstone("a", 2)).unwrap();
    receiver.synced(stamp(5)).unwrap();
    receiver.announce(put("b", 6, b"one")).unwrap();
    receiver.synced(stamp(7)).unwrap();
    assert_eq!(receiver.poll_synced(), None);
    let batch = receiver.poll_batch(&nothing).unwrap();
    assert_eq!(receiver.poll_synced(), None);
    receiver.committed(batch.upto).unwrap();
    assert_eq!(receiver.poll_synced(), Some(stamp(5)));
    assert_eq!(receiver.poll_synced(), None, "the put is not complete");
}

#[test]
fn what_is_passed_over_is_acknowledged_although_nothing_changes() {
    let mut receiver = after(1);
    receiver.announce(tombstone("a", 2)).unwrap();
    receiver.announce(put("b", 3, b"one")).unwrap();
    let batch = receiver.poll_batch(&nothing).unwrap();
    assert_eq!(batch.upto, Some(stamp(2)));
    receiver.committed(batch.upto).unwrap();
    receiver
        .withdrawn(Withdrawn {
            key: key("b"),
            revision: Revision(3),
        })
        .unwrap();
    let batch = receiver.poll_batch(&nothing).unwrap();
    assert_eq!(
        (batch.changes.len(), batch.upto, batch.position),
        (0, Some(stamp(3)), Some(stamp(3)))
    );
    receiver.committed(batch.upto).unwrap();
    assert_eq!(receiver.poll_batch(&nothing), None);
}
