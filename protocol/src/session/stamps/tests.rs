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
