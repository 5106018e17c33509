use roadstead_protocol::wire::report::Health;

use super::*;
use crate::store::Loaded;

fn key() -> ItemKey {
    ItemKey {
        group: String::new(),
        kind: "ConfigMap".into(),
        namespace: "web".into(),
        name: "settings".into(),
    }
}

fn live(version: &str) -> Live {
    Live {
        uid: "u".into(),
        version: version.into(),
        generation: 0,
        owned: true,
        stamp: None,
        former: false,
        others: false,
        made_here: false,
        deleting: false,
        finalizers: vec![],
        controlled: false,
        mark: Mark::default(),
        fields: Mark::default(),
        health: Health::Healthy,
        why: String::new(),
        status: Bytes::new(),
    }
}

fn seen(desk: &Desk) -> Option<String> {
    desk.lock()
        .live
        .get(&key())
        .map(|live| live.version.clone())
}

fn desk() -> Desk {
    Desk::new(&Loaded::default())
}

#[test]
fn an_answer_counts_where_the_watch_was_silent() {
    let desk = desk();
    desk.see(key(), Some(live("1")));
    desk.asking(&key());
    desk.answered(&key(), Some(&live("2")));
    assert_eq!(seen(&desk).as_deref(), Some("2"));
}

#[test]
fn a_late_answer_does_not_undo_what_the_watch_saw() {
    let desk = desk();
    desk.asking(&key());
    desk.see(key(), Some(live("2")));
    desk.see(key(), Some(live("3")));
    desk.answered(&key(), Some(&live("2")));
    assert_eq!(seen(&desk).as_deref(), Some("3"));
}

#[test]
fn a_late_answer_brings_nothing_back_that_the_watch_saw_go() {
    for by_list in [false, true] {
        let desk = desk();
        desk.see(key(), Some(live("1")));
        desk.asking(&key());
        if by_list {
            desk.listed(&kind_of(&key()), BTreeMap::new());
        } else {
            desk.see(key(), None);
        }
        desk.answered(&key(), Some(&live("1")));
        assert_eq!(seen(&desk), None);
    }
}
