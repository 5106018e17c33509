//! Every case of the judgement, one line each.

use super::*;
use crate::wire::stamp::EpochRange;
use crate::wire::{Epoch, ItemKey, Revision};

use crate::session::What;

/// The hub's present life, a former one, and one that it knows nothing of.
const NOW: Epoch = Epoch(2);
const BEFORE: Epoch = Epoch(1);
const FOREIGN: Epoch = Epoch(9);

fn lineage() -> Lineage {
    Lineage(vec![
        EpochRange {
            epoch: BEFORE,
            first: Revision(10),
            last: Some(Revision(20)),
        },
        EpochRange {
            epoch: NOW,
            first: Revision(100),
            last: None,
        },
    ])
}

fn at(epoch: Epoch, revision: u64) -> Stamp {
    Stamp {
        epoch,
        revision: Revision(revision),
    }
}

fn held(stamp: Stamp, content: Option<&[u8]>) -> Option<Held> {
    Some(Held {
        stamp,
        digest: content.map(Digest::of),
    })
}

fn offer(stamp: Stamp, content: Option<&[u8]>, meta: Vec<Meta>) -> Change {
    let what = match content {
        Some(bytes) => What::Put {
            digest: Digest::of(bytes),
            size: 1,
        },
        None => What::Tombstone,
    };
    let key = ItemKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: "shop".to_owned(),
        name: "a".to_owned(),
    };
    Change {
        key,
        stamp,
        meta,
        what,
    }
}

fn check(offered: (Stamp, Option<&[u8]>), held: Option<Held>, expected: Verdict) {
    let offer = offer(offered.0, offered.1, Vec::new());
    let verdict = verdict(&lineage(), &offer, held.as_ref());
    assert_eq!(verdict, expected, "{offer:?} over {held:?}");
}

const A: Option<&[u8]> = Some(b"a");
const B: Option<&[u8]> = Some(b"b");
const GONE: Option<&[u8]> = None;

#[test]
fn over_nothing_everything_acts() {
    check((at(NOW, 100), A), None, Verdict::Act);
    check((at(BEFORE, 15), GONE), None, Verdict::Act);
}

#[test]
fn within_a_history_the_newer_acts_and_the_older_is_ignored() {
    check((at(NOW, 101), B), held(at(NOW, 100), A), Verdict::Act);
    check((at(NOW, 101), A), held(at(NOW, 100), A), Verdict::Act);
    check((at(NOW, 101), GONE), held(at(BEFORE, 20), A), Verdict::Act);
    check((at(NOW, 101), A), held(at(NOW, 100), GONE), Verdict::Act);
    check((at(NOW, 100), B), held(at(NOW, 101), A), Verdict::Older);
    check((at(NOW, 100), A), held(at(NOW, 101), GONE), Verdict::Older);
    check(
        (at(BEFORE, 12), GONE),
        held(at(NOW, 100), A),
        Verdict::Older,
    );
}

#[test]
fn one_stamp_is_one_content() {
    check((at(NOW, 100), A), held(at(NOW, 100), A), Verdict::Same);
    check(
        (at(NOW, 100), GONE),
        held(at(NOW, 100), GONE),
        Verdict::Same,
    );
    check(
        (at(NOW, 100), B),
        held(at(NOW, 100), A),
        Verdict::SameStampDiffers,
    );
    check(
        (at(NOW, 100), GONE),
        held(at(NOW, 100), A),
        Verdict::SameStampDiffers,
    );
}

#[test]
fn over_a_foreign_stamp_nothing_acts_but_equal_content_is_restamped() {
    // A stamp of another hub, of the gap, and past the end of a former life (a restored hub).
    for stamp in [
        at(FOREIGN, 50),
        at(NOW, 50),
        at(BEFORE, 21),
        at(BEFORE, 500),
    ] {
        check((at(NOW, 100), B), held(stamp, A), Verdict::Hold);
        check((at(NOW, 100), GONE), held(stamp, A), Verdict::Hold);
        check((at(NOW, 100), A), held(stamp, GONE), Verdict::Hold);
        check((at(NOW, 100), A), held(stamp, A), Verdict::Restamp);
        check((at(NOW, 100), GONE), held(stamp, GONE), Verdict::Restamp);
    }
}

#[test]
fn what_a_hub_stamps_outside_its_own_history_never_acts() {
    check((at(FOREIGN, 100), A), None, Verdict::Hold);
    check((at(NOW, 99), A), held(at(BEFORE, 10), A), Verdict::Hold);
}

#[test]
fn an_order_that_names_what_it_replaces_ends_the_hold_on_exactly_that() {
    let held = held(at(FOREIGN, 50), A);
    let check = |replaces, content, expected| {
        let meta = vec![Meta::Overwrite, Meta::Replaces(replaces)];
        let offer = offer(at(NOW, 100), content, meta);
        assert_eq!(verdict(&lineage(), &offer, held.as_ref()), expected);
    };
    check(at(FOREIGN, 50), B, Verdict::Act);
    check(at(FOREIGN, 50), GONE, Verdict::Act);
    check(at(FOREIGN, 51), B, Verdict::Hold);
}

#[test]
fn a_named_replacement_does_not_turn_time_back() {
    let meta = vec![Meta::Replaces(at(NOW, 101))];
    let offer = offer(at(NOW, 100), B, meta);
    let held = held(at(NOW, 101), A);
    assert_eq!(verdict(&lineage(), &offer, held.as_ref()), Verdict::Older);
}

fn epochs(list: &[(u64, u64, Option<u64>)]) -> Lineage {
    let range = |(epoch, first, last): &(u64, u64, Option<u64>)| EpochRange {
        epoch: Epoch(*epoch),
        first: Revision(*first),
        last: last.map(Revision),
    };
    Lineage(list.iter().map(range).collect())
}

#[test]
fn what_a_hub_no_longer_names_is_still_its_history_where_both_share_an_epoch() {
    let recorded = epochs(&[(1, 10, Some(19)), (2, 20, Some(29)), (3, 30, None)]);
    let later = epochs(&[(2, 20, Some(29)), (3, 30, Some(35)), (4, 40, None)]);
    let whole = extend(&recorded, &later);
    let expected = epochs(&[
        (1, 10, Some(19)),
        (2, 20, Some(29)),
        (3, 30, Some(35)),
        (4, 40, None),
    ]);
    assert_eq!(whole, expected);
    assert_eq!(extend(&whole, &later), expected, "said again");
    assert_eq!(extend(&Lineage::default(), &later), later);
    // So what the hub once gave is not held against it.
    let old = held(at(Epoch(1), 12), Some(b"x"));
    let put = offer(at(Epoch(4), 41), Some(b"y"), Vec::new());
    assert_eq!(verdict(&later, &put, old.as_ref()), Verdict::Hold);
    assert_eq!(verdict(&whole, &put, old.as_ref()), Verdict::Act);
}

#[test]
fn a_hub_that_leaves_epochs_out_in_the_middle_is_of_the_same_history() {
    let recorded = epochs(&[
        (2, 20, Some(29)),
        (3, 30, Some(39)),
        (4, 40, Some(49)),
        (5, 50, None),
    ]);
    // It has something of epoch 1 still, and nothing of 3 any more.
    let later = epochs(&[
        (1, 10, Some(19)),
        (2, 20, Some(29)),
        (4, 40, Some(49)),
        (5, 50, Some(55)),
        (6, 60, None),
    ]);
    let whole = extend(&recorded, &later);
    let expected = epochs(&[
        (1, 10, Some(19)),
        (2, 20, Some(29)),
        (3, 30, Some(39)),
        (4, 40, Some(49)),
        (5, 50, Some(55)),
        (6, 60, None),
    ]);
    assert_eq!(whole, expected);
    // A copy of epoch 4's time knows 3 as well, and nothing of 5.
    let fork = epochs(&[(2, 20, Some(29)), (4, 40, Some(45)), (9, 70, None)]);
    let whole = extend(&recorded, &fork);
    assert!(whole.contains(at(Epoch(3), 35)) && whole.contains(at(Epoch(4), 45)));
    assert!(!whole.contains(at(Epoch(4), 46)) && !whole.contains(at(Epoch(5), 51)));
}

#[test]
fn a_stranger_and_a_fork_inherit_nothing_that_is_not_theirs() {
    let recorded = epochs(&[(1, 10, Some(19)), (2, 20, Some(29)), (3, 30, None)]);
    let stranger = epochs(&[(7, 20, Some(29)), (8, 40, None)]);
    assert_eq!(extend(&recorded, &stranger), stranger);
    let namesake = epochs(&[(2, 21, None)]);
    assert_eq!(extend(&recorded, &namesake), namesake, "begun elsewhere");
    // A copy of epoch 2's time: what came after it elsewhere is not its history.
    let fork = epochs(&[(2, 20, Some(25)), (9, 50, None)]);
    let whole = extend(&recorded, &fork);
    let expected = epochs(&[(1, 10, Some(19)), (2, 20, Some(25)), (9, 50, None)]);
    assert_eq!(whole, expected);
    assert!(!whole.contains(at(Epoch(2), 26)) && !whole.contains(at(Epoch(3), 31)));
    let damaged = epochs(&[(1, 25, Some(29)), (2, 20, None)]);
    assert_eq!(extend(&damaged, &fork), fork);
}

#[test]
fn what_an_agent_remembers_of_a_history_is_bounded() {
    let count = u64::try_from(LINEAGE_KNOWN_MAX).unwrap();
    let range = |n: u64| (n + 1, n * 10 + 1, Some(n * 10 + 9));
    let recorded: Vec<_> = (0..count).map(range).collect();
    let offered: Vec<_> = (count - 1..count + 5).map(range).collect();
    let whole = extend(&epochs(&recorded), &epochs(&offered));
    assert_eq!(whole.0.len(), LINEAGE_KNOWN_MAX);
    assert_eq!(whole.0.first().map(|r| r.epoch), Some(Epoch(6)));
    assert_eq!(whole.0.last().map(|r| r.epoch), Some(Epoch(count + 5)));
}
