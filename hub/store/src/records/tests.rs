//! Keys there and back.

use roadstead_protocol::wire::{Digest, Epoch, Meta, Revision, Stamp};

use super::*;

fn item(group: &str, kind: &str, namespace: &str, name: &str) -> ItemKey {
    let [group, kind, namespace, name] = [group, kind, namespace, name].map(str::to_owned);
    ItemKey {
        group,
        kind,
        namespace,
        name,
    }
}

fn check_item(item: &ItemKey, expected: &str) {
    let key = ledger_key("uid-1", item).unwrap();
    assert_eq!(key.as_str(), expected);
    assert!(key.as_str().starts_with(&ledger_prefix("uid-1")));
    assert_eq!(
        parse_ledger_key(key.as_str()),
        Some(("uid-1".to_owned(), item.clone()))
    );
    let key = report_key("uid-1", item).unwrap();
    assert_eq!(
        parse_report_key(key.as_str()),
        Some(("uid-1".to_owned(), item.clone()))
    );
    assert_eq!(parse_ledger_key(key.as_str()), None);
}

#[test]
fn items_keys_there_and_back() {
    check_item(
        &item("apps", "Deployment", "default", "web"),
        "/ledger/uid-1/apps/Deployment/default/web",
    );
    check_item(
        &item("", "Namespace", "", "shop"),
        "/ledger/uid-1/core/Namespace/_/shop",
    );
}

#[test]
fn objects_keys_there_and_back() {
    let key = object_key("", "namespaces", "", "shop").unwrap();
    assert_eq!(key.as_str(), "/objects/core/namespaces/_/shop");
    let parsed = parse_object_key(key.as_str()).unwrap();
    assert_eq!(parsed.key().unwrap(), key);
    assert_eq!((parsed.group.as_str(), parsed.namespace.as_str()), ("", ""));
    assert!(key.as_str().starts_with(&objects_prefix("", "namespaces")));
    assert!(
        key.as_str()
            .starts_with(&objects_namespace_prefix("", "namespaces", ""))
    );
    assert_eq!(parse_object_key("/objects/core/namespaces/_"), None);
    assert_eq!(parse_object_key("/objects/core/namespaces/_/a/b"), None);
}

#[test]
fn a_part_is_one_segment() {
    assert!(object_key("", "configmaps", "default", "a/b").is_err());
    assert!(object_key("", "configmaps", "default", "").is_err());
    assert!(token_key("../x").is_err());
}

#[test]
fn contents_keys_there_and_back() {
    let digest = Digest::of(b"{}");
    let key = content_key(&digest).unwrap();
    assert_eq!(parse_content_key(key.as_str()), Some(digest));
    assert_eq!(parse_content_key("/content/00"), None);
    assert_eq!(
        parse_content_key(&format!("/content/{}", "zz".repeat(32))),
        None
    );
    assert_eq!(
        parse_content_key(&format!("/content/{}", "é".repeat(32))),
        None
    );
}

#[test]
fn ledger_entries_there_and_back() {
    let state = LedgerState::Put {
        digest: Digest::of(b"{}"),
        size: 2,
    };
    let decision = ObjectRef {
        namespace: "default".to_owned(),
        name: "deployment.apps.web".to_owned(),
    };
    let record = LedgerEntry {
        state,
        meta: vec![Meta::Overwrite],
        decision,
        template_uid: "t".to_owned(),
        policies: vec!["p".to_owned()],
    };
    let value = encode(&record).unwrap();
    let entry = Entry {
        key: Key::parse("/ledger/x").unwrap(),
        created: Default::default(),
        revision: Default::default(),
        value,
    };
    assert_eq!(decode::<LedgerEntry>(&entry).unwrap(), record);
}

fn stamp(revision: u64) -> Stamp {
    Stamp {
        epoch: Epoch(u64::MAX),
        revision: Revision(revision),
    }
}

#[test]
fn answers_and_fetches_keys_there_and_back() {
    let web = item("apps", "Deployment", "default", "web");
    let key = answer_key("uid-1", &web).unwrap();
    assert_eq!(key.as_str(), "/answers/uid-1/apps/Deployment/default/web");
    assert!(key.as_str().starts_with(&answers_prefix("uid-1")));
    let parsed = parse_answer_key(key.as_str());
    assert_eq!(parsed, Some(("uid-1".to_owned(), web)));
    let key = fetch_key("uid-1", 7).unwrap();
    assert!(key.as_str().starts_with(&fetches_prefix("uid-1")));
    assert_eq!(parse_fetch_key(key.as_str()), Some(("uid-1".to_owned(), 7)));
    assert_eq!(parse_fetch_key("/fetches/uid-1"), None);
    assert_eq!(
        fetched_key("uid-1", 7).unwrap().as_str(),
        "/fetched/uid-1/7"
    );
    assert_eq!(freeze_key("uid-1").unwrap().as_str(), "/freeze/uid-1");
}

#[test]
fn an_answer_names_the_newest_that_were_shown() {
    let mut answer = Answer::default();
    for revision in [1, 2, 3, 4, 2, 5] {
        answer.add(stamp(revision));
    }
    assert_eq!(answer.replaces, [3, 4, 2, 5].map(stamp));
    let text = encode(&answer).unwrap();
    assert_eq!(serde_json::from_slice::<Answer>(&text).unwrap(), answer);
}

#[test]
fn what_is_no_json_is_a_problem() {
    let content = FetchResult::new(Ok(Bytes::from_static(b"{\"kind\":\"Pod\"}")));
    let text = encode(&content).unwrap();
    let back: FetchResult = serde_json::from_slice(&text).unwrap();
    assert!(matches!(back, FetchResult::Content(raw) if raw.get() == "{\"kind\":\"Pod\"}"));
    let broken = FetchResult::new(Ok(Bytes::from_static(b"{")));
    assert!(matches!(broken, FetchResult::Problem(_)));
}

#[test]
fn only_what_waits_for_somebody_is_a_hold() {
    use roadstead_protocol::wire::frame::Freeze;
    use roadstead_protocol::wire::report::{Health, ItemReport, ItemState};
    let check = |state, reason: &str, key: ItemKey, waits: bool| {
        let report = ItemReport {
            key,
            stamp: stamp(7),
            state,
            reason: reason.to_owned(),
            message: String::new(),
            generation: 0,
            health: Health::Unknown,
            status: Bytes::new(),
        };
        assert_eq!(
            HoldRecord::of(&report).is_some(),
            waits,
            "{state:?} {reason}"
        );
    };
    let web = || item("apps", "Deployment", "default", "web");
    check(ItemState::Held, "OtherHistory", web(), true);
    check(ItemState::Unclaimed, NOT_IN_HUB, web(), true);
    check(ItemState::Pending, DELETION_PENDING, web(), true);
    check(ItemState::Pending, "", web(), false);
    check(ItemState::Applied, "", web(), false);
    check(ItemState::Applied, "Frozen", Freeze::key(), true);
    check(ItemState::Removed, "Thawed", Freeze::key(), false);
    let key = hold_key("uid-1", &web()).unwrap();
    assert!(key.as_str().starts_with(&holds_prefix("uid-1")));
    assert_eq!(
        parse_hold_key(key.as_str()),
        Some(("uid-1".to_owned(), web()))
    );
}

#[test]
fn links_lead_from_one_item_to_another_and_back() {
    let (needed, by) = (
        item("", "Kind", "", "a:b"),
        item("apps", "Kind", "n", "web"),
    );
    for prefix in [REQUIRES_PREFIX, AWAITS_PREFIX] {
        let key = link_key(prefix, &needed, &by).unwrap();
        assert!(key.as_str().starts_with(&links_prefix(prefix, &needed)));
        let read = parse_link_key(prefix, key.as_str());
        assert_eq!(read, Some((needed.clone(), by.clone())));
    }
    let key = link_key(REQUIRES_PREFIX, &needed, &by).unwrap();
    assert_eq!(key.as_str(), "/requires/core/Kind/_/a:b/apps/Kind/n/web");
    assert_eq!(parse_link_key(AWAITS_PREFIX, key.as_str()), None);
    assert_eq!(
        parse_link_key(REQUIRES_PREFIX, "/requires/core/Kind/_/a"),
        None
    );
}
