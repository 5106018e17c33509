//! What a content becomes.

use serde_json::json;

use super::*;

fn key() -> ItemKey {
    ItemKey {
        group: "apps".into(),
        kind: "Deployment".into(),
        namespace: "web".into(),
        name: "shop".into(),
    }
}

const STAMP: Stamp = Stamp {
    epoch: Epoch(0xab),
    revision: Revision(42),
};

#[test]
fn a_stamp_reads_as_it_is_written() {
    assert_eq!(parse_stamp(&STAMP.to_string()), Some(STAMP));
    for bad in [
        "",
        "x",
        "ab/1",
        "00000000000000zz/1",
        "00000000000000ab/",
        "00000000000000ab/-1",
    ] {
        assert_eq!(parse_stamp(bad), None, "{bad}");
    }
}

#[test]
fn an_owner_is_a_valid_label_value() {
    let owner = Owner::new("hub", "cluster");
    assert_eq!(owner.label().len(), 32);
    assert_ne!(owner, Owner::new("hub", "other"));
}

#[test]
fn an_owner_knows_who_the_member_was_before() {
    let before = Owner::new("hub", "before");
    let owner = Owner::new("hub", "cluster");
    let one = format!("roadstead.dev%2Fowner%3D{}", owner.label());
    assert_eq!(owner.selector(), one);
    let now = owner
        .clone()
        .after("hub", &["before".to_owned(), "cluster".to_owned()]);
    assert_eq!(now.label(), owner.label());
    assert!(now.was(before.label()) && !now.was(now.label()) && !owner.was(before.label()));
    let both = format!(
        "roadstead.dev%2Fowner%20in%20%28{}%2C{}%29",
        now.label(),
        before.label()
    );
    assert_eq!(now.selector(), both);
    assert!(
        !owner
            .after("another", &["before".to_owned()])
            .was(before.label())
    );
}

#[test]
fn owner_and_stamp_are_added_and_what_is_left_is_given_at_first() {
    let content = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "shop", "labels": {"a": "b"}},
        "spec": {"replicas": 3, "paused": false},
    });
    let meta = [Meta::IgnoreFields(vec![
        "/spec/replicas".into(),
        "/metadata".into(),
    ])];
    let owner = Owner::new("hub", "cluster");
    let config = config(&key(), &content, (&owner, STAMP), &meta, None);
    let expected = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "shop", "namespace": "web",
            "labels": {"a": "b", OWNER_LABEL: owner.label()},
            "annotations": {STAMP_ANNOTATION: "00000000000000ab/42"},
        },
        "spec": {"replicas": 3, "paused": false},
    });
    assert_eq!(config, expected);
}

#[test]
fn a_content_must_be_the_object_that_its_key_names() {
    let check = |content: Value, expected: &str| {
        let error = read(&key(), content.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        json!({}),
        "the content is not a Kubernetes object: apiVersion is missing",
    );
    check(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "other"}}),
        "the content is of Deployment.apps other, its key says Deployment.apps web/shop",
    );
    assert!(read(&key(), b"{").is_err());
}
