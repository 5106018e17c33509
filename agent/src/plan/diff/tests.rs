//! The decision as a table: a line of text in, an action out.

use bytes::Bytes;
use roadstead_protocol::wire::report::Health;
use roadstead_protocol::wire::stamp::EpochRange;
use roadstead_protocol::wire::{Digest, Epoch, Revision};

use super::super::live::Mark;
use super::*;

fn stamp(text: &str) -> Stamp {
    let (epoch, revision) = text.split_once('/').unwrap();
    Stamp {
        epoch: Epoch(epoch.parse().unwrap()),
        revision: Revision(revision.parse().unwrap()),
    }
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

#[derive(Default)]
struct Case {
    item: Option<Item>,
    inventory: Option<Inventory>,
    live: Option<Live>,
    read: bool,
    absent: bool,
    unseen: bool,
    namespace: bool,
}

fn meta(word: &str) -> Option<Meta> {
    Some(match word {
        "+overwrite" => Meta::Overwrite,
        "+adopt" => Meta::AdoptIfEqual,
        "+release" => Meta::Release,
        "+left" => Meta::IgnoreFields(vec![String::new()]),
        "+foreground" => Meta::Propagation(Propagation::Foreground),
        other => Meta::Replaces(stamp(other.strip_prefix("+replaces=")?)),
    })
}

/// `put 1/5 a +overwrite`, `del 1/6`, `inv uid 1/5 a mark`, `live uid [ours|former] [1/5] [mark] [deleting]`, `absent`.
fn parse(line: &str) -> Case {
    let mut case = Case::default();
    for part in line.split(';').map(str::trim) {
        let words: Vec<&str> = part.split_whitespace().collect();
        let has = |word: &str| words.contains(&word);
        match words[0] {
            "put" | "del" => {
                let meta = words.iter().filter_map(|word| meta(word)).collect();
                let digest = (words[0] == "put").then(|| digest(words[2]));
                case.item = Some(Item {
                    stamp: stamp(words[1]),
                    digest,
                    meta,
                    listed: !has("+unlisted"),
                    held: None,
                });
            }
            "inv" => {
                case.inventory = Some(Inventory {
                    uid: words[1].into(),
                    stamp: stamp(words[2]),
                    digest: digest(words[3]),
                    mark: mark(words[4]),
                    fields: Mark::default(),
                });
            }
            "live" | "watched" => {
                case.read = words[0] == "live";
                case.live = Some(Live {
                    uid: words[1].into(),
                    version: "1".into(),
                    generation: 1,
                    owned: has("ours"),
                    stamp: words.iter().find(|w| w.contains('/')).map(|w| stamp(w)),
                    former: has("former"),
                    others: has("others"),
                    made_here: has("made-here"),
                    deleting: has("deleting"),
                    finalizers: vec![],
                    controlled: has("controlled"),
                    mark: words
                        .iter()
                        .find(|w| w.starts_with('m') && w.len() == 2)
                        .map(|w| mark(w))
                        .unwrap_or_default(),
                    fields: Mark::default(),
                    health: Health::Healthy,
                    why: String::new(),
                    status: Bytes::new(),
                });
            }
            "absent" => case.absent = true,
            "unseen" => case.unseen = true,
            "namespace" => case.namespace = true,
            other => panic!("{other}"),
        }
    }
    case
}

fn mark(text: &str) -> Mark {
    let mut mark = [0; 16];
    mark[0] = text.as_bytes()[1];
    Mark(mark)
}

fn check(line: &str, expected: &str) {
    let case = parse(line);
    let kind = if case.namespace {
        ("", "Namespace")
    } else {
        ("apps", "Deployment")
    };
    let key = ItemKey {
        group: kind.0.into(),
        kind: kind.1.into(),
        namespace: String::new(),
        name: "x".into(),
    };
    let lineage = Lineage(vec![EpochRange {
        epoch: Epoch(1),
        first: Revision(1),
        last: None,
    }]);
    let seen = match &case.live {
        Some(live) if case.read => Seen::Read(live),
        Some(live) => Seen::Watched(live),
        None if case.absent => Seen::Absent,
        None if case.unseen => Seen::Unseen,
        None => Seen::Unknown,
    };
    let input = Input {
        key: &key,
        item: case.item.as_ref(),
        inventory: case.inventory.as_ref(),
        seen,
        accepted: None,
        lineage: &lineage,
    };
    let action = diff(&input);
    let said = format!("{action:?}");
    let name = said.split('(').next().unwrap_or_default();
    // What is said to people is not the table's to repeat.
    let worded = matches!(action, Action::Conflict(_) | Action::Hold(_));
    let action = if worded { name } else { said.as_str() };
    assert_eq!(action, expected, "{line}");
}

#[test]
fn a_put() {
    check("put 1/5 a", "Read");
    check("put 1/5 a; absent", "Create");
    check("put 1/5 a; unseen", "Create");
    check("put 1/5 a; inv u 1/5 a m1; unseen", "Create");
    check(
        "put 1/5 a; inv u 1/5 a m1; watched u ours 1/5 m1",
        "Applied",
    );
    check(
        "put 1/6 a; inv u 1/5 a m1; watched u ours 1/5 m1",
        "Applied",
    );
    check("put 1/5 a; inv u 1/5 a m1; watched u ours 1/5 m2", "Read");
    check("put 1/5 a; inv u 1/5 a m1; live u ours 1/5 m2", "Verify");
    check("put 1/6 b; inv u 1/5 a m1; live u ours 1/5 m1", "Apply");
    check("put 1/5 a; inv u 1/5 a m1; live u m1", "Apply");
    check("put 1/5 a; inv u 1/5 a m1; live v ours 1/5 m1", "Apply");
    check("put 1/5 a; live u ours 1/5", "Apply");
    check(
        "put 1/5 a; inv u 1/5 a m1; live u ours 1/5 deleting",
        "AwaitDeletion",
    );
}

#[test]
fn what_went_from_where_it_is_left_as_it_is_stays_gone_until_something_new_is_given() {
    check("put 1/5 a +left; absent", "Create");
    check("put 1/5 a +left; inv u 1/5 a m1; live u 1/5 m2", "Verify");
    check("put 1/5 a; inv u 1/5 a m1; live u 1/5 m2", "Apply");
    check("put 1/5 a +left; inv u 1/5 a m1; unseen", "Read");
    check("put 1/6 a +left; inv u 1/5 a m1; absent", "Leave");
    check("put 1/6 b +left; inv u 1/5 a m1; absent", "Create");
    check(
        "put 1/5 a +left; inv u 1/5 a m1; live u ours 1/5 m2",
        "Verify",
    );
    check(
        "put 1/6 b +left; inv u 1/5 a m1; live u ours 1/5 m2",
        "Apply",
    );
    check(
        "del 1/6; inv u 1/5 a m1; live u ours 1/5 m2",
        "Delete(Background)",
    );
}

#[test]
fn a_put_over_what_is_not_ours() {
    check("put 1/5 a; live u", "Conflict");
    check("put 1/5 a; inv v 1/5 a m1; live u", "Conflict");
    check("put 1/5 a +overwrite; live u", "Apply");
    check("put 1/5 a; live u made-here", "Apply");
}

#[test]
fn what_is_not_ours_is_compared_where_equals_are_adopted() {
    check("put 1/5 a +adopt; live u", "Adopt");
    check("put 1/5 a +adopt; watched u m1", "Read");
    check("put 1/5 a +adopt; unseen", "Create");
    check("put 1/5 a +adopt; live u deleting", "Conflict");
    // Two owners of one object would never rest.
    check("put 1/5 a +adopt; live u others", "Conflict");
    check("put 1/5 a +adopt +overwrite; live u others", "Apply");
    // What is ours is applied, whatever it says.
    check(
        "put 1/6 b +adopt; inv u 1/5 a m1; live u ours 1/5 m1",
        "Apply",
    );
}

#[test]
fn nothing_goes_backwards() {
    check("put 1/5 a; live u ours 1/6", "Hold");
    check("put 1/5 a; live u ours 2/3", "Hold");
    check("put 1/5 a +replaces=2/3; live u ours 2/3", "Apply");
    check("del 1/5; inv u 1/4 a m1; live u ours 1/6", "Hold");
    check("del 1/5; inv u 1/4 a m1; live u ours 2/3", "Hold");
}

#[test]
fn an_update_goes_over_what_a_watch_saw_only_where_that_is_as_it_was_left() {
    let seen = |live: &str, expected: &str| {
        check(
            &format!("put 1/6 b; inv u 1/5 a m1; watched {live}"),
            expected,
        );
    };
    seen("u ours 1/5 m1", "Apply");
    seen("u ours 1/5 m2", "Read");
    seen("v ours 1/5 m1", "Read");
    seen("u 1/5 m1", "Read");
    seen("u ours 1/5 m1 deleting", "Read");
    seen("u ours 2/3 m1", "Read");
    check("put 1/6 b; watched u ours 1/5 m1", "Read");
}

#[test]
fn what_this_disk_put_there_is_no_other_history() {
    // Given in a life that the hub lost, restamped by the hub that took over, and not written anew.
    check("put 1/9 b; inv u 2/3 a m1; live u ours 2/3 m1", "Apply");
    check(
        "del 1/9; inv u 2/3 a m1; live u ours 2/3 m1",
        "Delete(Background)",
    );
    // Another disk put it there.
    check("put 1/9 b; inv u 2/3 a m1; live u ours 2/4 m1", "Hold");
    check("put 1/9 b; inv v 2/3 a m1; live u ours 2/3 m1", "Hold");
    check("del 1/9; inv u 2/3 a m1; live u ours 2/4 m1", "Hold");
}

#[test]
fn a_tombstone() {
    check("del 1/6", "Read");
    check("del 1/6; unseen", "Read");
    check("del 1/6; absent", "Removed");
    check("del 1/6; inv u 1/5 a m1; absent", "Forget");
    check("del 1/6; inv u 1/5 a m1; watched u ours 1/5", "Read");
    check(
        "del 1/6; inv u 1/5 a m1; live u ours 1/5",
        "Delete(Background)",
    );
    check(
        "del 1/6 +foreground; inv u 1/5 a m1; live u ours 1/5",
        "Delete(Foreground)",
    );
    check(
        "del 1/6 +release; inv u 1/5 a m1; live u ours 1/5",
        "Release",
    );
    check(
        "del 1/6; inv u 1/5 a m1; live u ours 1/5 deleting",
        "AwaitDeletion",
    );
}

#[test]
fn a_tombstone_over_what_is_not_known_to_be_ours() {
    check("del 1/6; inv u 1/5 a m1; live u", "Forget");
    check("del 1/6; live u", "Removed");
    check("del 1/6; live u ours 1/5", "Claim");
    check("del 1/6; inv v 1/5 a m1; live u ours 1/5", "Claim");
    check("del 1/6; live u ours", "Unclaimed");
    check("del 1/6; live u ours 1/5 controlled", "Unclaimed");
}

#[test]
fn what_holds_others_is_let_go_unless_the_deletion_was_confirmed() {
    check(
        "namespace; del 1/6; inv u 1/5 a m1; live u ours 1/5",
        "Release",
    );
    check(
        "namespace; del 1/6 +foreground; inv u 1/5 a m1; live u ours 1/5",
        "Delete(Foreground)",
    );
    check(
        "namespace; del 1/6 +foreground +release; inv u 1/5 a m1; live u ours 1/5",
        "Release",
    );
}

#[test]
fn what_is_in_no_list() {
    check("watched u ours 1/5", "Unclaimed");
    check("watched u ours", "Ignore");
    check("watched u ours 1/5 controlled", "Ignore");
    check("absent", "Ignore");
    check("inv u 1/5 a m1; absent", "Ignore");
}

#[test]
fn what_is_ours_from_before_the_cluster_was_joined_again() {
    check("watched u former 1/5", "Unclaimed");
    check("live u former 1/5", "Unclaimed");
    check("watched u former", "Ignore");
    check("watched u former 1/5 controlled", "Ignore");
    // Given again it is ours, noted on this disk or not, and gets the label of now.
    check("put 1/9 a; inv u 1/5 a m1; watched u former 1/5 m1", "Read");
    check("put 1/9 a; inv u 1/5 a m1; live u former 1/5 m1", "Apply");
    check(
        "put 1/9 a +left; inv u 1/5 a m1; live u former 1/5 m1",
        "Apply",
    );
    check("put 1/9 a; live u former 1/5", "Apply");
    check("put 1/9 a; live u former 2/5", "Hold");
    check("put 1/9 a; live u former 1/10", "Hold");
    // Taken away, by a user who was shown it or after it was given again.
    check("del 1/9; watched u former 1/5", "Read");
    check("del 1/9; live u former 1/5", "Claim");
    check(
        "del 1/9; inv u 1/5 a m1; live u former 1/5",
        "Delete(Background)",
    );
    check(
        "del 1/9 +release; inv u 1/5 a m1; live u former 1/5",
        "Release",
    );
    check("del 1/9; live u former 2/5", "Hold");
    check("del 1/9 +replaces=2/5; live u former 2/5", "Claim");
}

#[test]
fn what_a_hub_that_knows_the_history_names_no_more() {
    let unlisted = |rest: &str, expected: &str| {
        check(&format!("put 1/5 a +unlisted; {rest}"), expected);
    };
    unlisted("absent", "Ignore");
    unlisted("inv u 1/5 a m1; absent", "Ignore");
    unlisted("inv u 1/5 a m1; live u m1", "Ignore");
    unlisted("inv u 1/5 a m1; live u ours 1/5 m2", "Unclaimed");
    unlisted("inv u 1/5 a m1; watched u ours 1/5 m1", "Unclaimed");
    // A history that the hub does not know: a hub that was restored stops nothing.
    check("put 2/5 a +unlisted; absent", "Create");
}
