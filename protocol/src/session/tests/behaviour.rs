//! One behaviour each, over a connection that works.

use std::time::Duration;

use bytes::Bytes;

use crate::session::testing::key;
use crate::wire::Lane;
use crate::wire::limits::{CONTENT_BYTES_MAX, WINDOW_ITEMS};

use super::disk::Disk;
use super::ledger::Hub;
use super::pair::Pair;

fn small(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[test]
fn an_empty_agent_gets_everything_and_then_only_what_changes() {
    let mut pair = Pair::new();
    pair.hub.put("a", small("one"));
    pair.hub.put("b", small("two"));
    pair.rest();
    pair.check_settled(false);
    assert_eq!(pair.agent.compared, 1);

    pair.cut();
    pair.hub.put("b", small("three"));
    pair.hub.delete("a");
    pair.rest();
    pair.check_settled(false);
    assert_eq!(pair.agent.compared, 1, "resumed from the position");
    assert_eq!((pair.travelled(b"one"), pair.travelled(b"three")), (0, 1));
    assert!(pair.agent.synced.is_some());
}

#[test]
fn equal_content_travels_once() {
    let mut pair = Pair::new();
    for name in 0..50 {
        pair.hub.put(&format!("n{name}"), small("equal"));
    }
    pair.rest();
    assert_eq!(pair.travelled(b"equal"), 1);
    pair.hub.put("later", small("equal"));
    pair.changed();
    pair.rest();
    assert_eq!(pair.travelled(b"equal"), 1);
    pair.check_settled(false);
}

#[test]
fn a_comparison_moves_only_what_differs() {
    let mut pair = Pair::new();
    pair.hub.put("a", small("same"));
    pair.hub.put("b", small("old"));
    pair.rest();
    pair.cut();
    pair.hub.put("b", small("new"));
    // The agent lost its place, but not its items.
    let disk = Disk {
        position: None,
        ..pair.agent.disk.clone()
    };
    pair.agent.rewind(disk);
    pair.rest();
    pair.check_settled(false);
    assert_eq!((pair.travelled(b"same"), pair.travelled(b"new")), (0, 1));
}

#[test]
fn a_tombstone_does_not_wait_for_a_large_content_on_the_wire() {
    let mut pair = Pair::new();
    pair.hub.put("small", small("x"));
    pair.rest();
    pair.hub
        .put("large", Bytes::from(vec![7; CONTENT_BYTES_MAX]));
    pair.changed();
    while pair.hub_answers() || pair.down(Lane::Desired) || pair.up(Lane::Control) {}
    assert!(pair.on_lane(Lane::Content) > 0);
    pair.hub.delete("small");
    pair.changed();
    while pair.hub_answers() {}
    assert!(
        pair.on_lane(Lane::Desired) > 0,
        "announced while the content is on its way"
    );
    pair.rest();
    pair.check_settled(false);
}

#[test]
fn a_later_put_supersedes_a_tombstone_that_was_not_committed() {
    let mut pair = Pair::new();
    pair.hub.put("a", small("one"));
    pair.rest();
    pair.hub.delete("a");
    pair.changed();
    while pair.hub_answers() || pair.down(Lane::Desired) {}
    // Known to the agent as a batch by now; a second one waits behind it.
    pair.hub.put("a", small("two"));
    pair.hub.delete("a");
    pair.hub.put("a", small("three"));
    pair.changed();
    pair.rest();
    pair.check_settled(false);
    assert_eq!(pair.travelled(b"two"), 0, "never needed");
}

#[test]
fn a_content_that_is_gone_is_passed_over() {
    let mut pair = Pair::new();
    pair.rest();
    pair.hub.put("a", small("one"));
    pair.hub.put("b", small("other"));
    pair.changed();
    while pair.hub_answers() || pair.down(Lane::Desired) {}
    // The agent's question is answered after the content was superseded and dropped.
    pair.hub.put("a", small("two"));
    while pair.up(Lane::Control) || pair.hub_answers() || pair.down(Lane::Desired) {}
    pair.rest();
    pair.check_settled(false);
    assert_eq!((pair.travelled(b"one"), pair.travelled(b"two")), (0, 1));
}

/// A window full of puts whose content is gone does not keep out what supersedes them.
#[test]
fn a_window_of_withdrawn_puts_is_freed() {
    let mut pair = Pair::new();
    pair.rest();
    let write = |pair: &mut Pair, content: &str| {
        for name in 0..WINDOW_ITEMS {
            pair.hub.put(&format!("n{name}"), small(content));
        }
        pair.changed();
    };
    write(&mut pair, "one");
    while pair.hub_answers() || pair.down(Lane::Desired) {}
    assert!(pair.up(Lane::Control));
    write(&mut pair, "two");
    pair.rest();
    pair.check_settled(false);
    assert_eq!((pair.travelled(b"one"), pair.travelled(b"two")), (0, 1));
}

#[test]
fn more_than_a_window_arrives_in_turns() {
    let mut pair = Pair::new();
    pair.rest();
    for name in 0..WINDOW_ITEMS * 5 {
        pair.hub.put(&format!("n{name}"), small(&name.to_string()));
    }
    pair.changed();
    pair.rest();
    pair.check_settled(false);
}

#[test]
fn tombstones_wait_for_an_agent_that_is_away() {
    let mut pair = Pair::new();
    pair.hub.put("a", small("one"));
    pair.rest();
    pair.cut();
    pair.hub.delete("a");
    pair.hub.restart();
    pair.hub.restart();
    assert!(pair.hub.entries.contains_key(&key("a")));
    pair.rest();
    pair.check_settled(false);
    assert!(
        pair.hub.entries.is_empty(),
        "acknowledged, so no longer in the ledger"
    );
    assert_eq!(pair.agent.disk.items[&key("a")].digest, None);
}

/// A hub restored from an old copy, or an empty one in its place, overwrites and removes nothing.
#[test]
fn a_hub_of_another_history_moves_nothing() {
    let mut pair = Pair::new();
    pair.hub.put("kept", small("one"));
    pair.hub.put("equal", small("equal"));
    pair.hub.put("unknown", small("three"));
    pair.rest();
    let before = pair.agent.disk.items.clone();

    pair.cut();
    let mut other = Hub::new();
    other.lineage.0[0].epoch.0 = 0xbad;
    other.revision = 500;
    other.put("kept", small("other"));
    other.put("equal", small("equal"));
    other.put("unknown", small("x"));
    other.delete("unknown");
    other.put("fresh", small("fresh"));
    pair.hub = other;
    pair.rest();

    let after = &pair.agent.disk.items;
    assert_eq!(pair.agent.compared, 2);
    assert_eq!(
        (after[&key("kept")], after[&key("unknown")]),
        (before[&key("kept")], before[&key("unknown")])
    );
    assert_eq!(
        after[&key("equal")].stamp,
        pair.hub.entries[&key("equal")].stamp,
        "restamped"
    );
    assert!(after.contains_key(&key("fresh")));
    let held: Vec<_> = pair
        .agent
        .held
        .keys()
        .map(|key| key.name.as_str())
        .collect();
    assert_eq!(held, ["kept", "unknown"]);
}

#[test]
fn an_empty_hub_in_place_of_another_removes_nothing() {
    let mut pair = Pair::new();
    pair.hub.put("a", small("one"));
    pair.rest();
    pair.cut();
    pair.hub = Hub::new();
    pair.hub.lineage.0[0].epoch.0 = 0xbad;
    let before = pair.agent.disk.clone();
    pair.rest();
    assert_eq!(pair.agent.disk.items, before.items);
    assert_eq!(pair.agent.disk.position, before.position);
    assert_eq!(pair.agent.compared, 2);
}

#[test]
fn at_rest_nothing_is_sent() {
    let mut pair = Pair::new();
    pair.hub.put("a", small("one"));
    pair.rest();
    pair.pass(Duration::from_secs(3600));
    for lane in super::pair::LANES {
        assert!(!pair.down(lane) && !pair.up(lane));
    }
    // A hint that leads to nothing costs a read, and no frame.
    pair.changed();
    assert!(pair.hub_answers());
    assert_eq!(pair.on_lane(Lane::Desired), 0);
}
