//! Users at work on the member: namespaces, kinds and finalizers come and go.

use super::*;

const NAMESPACE: &str = "/api/v1/namespaces/web";

fn namespace(name: &str) -> (ItemKey, Value) {
    let key = ItemKey {
        group: String::new(),
        kind: "Namespace".into(),
        namespace: String::new(),
        name: name.into(),
    };
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    (key, object)
}

fn terminating() -> Fault {
    let cause = json!({"reason": "NamespaceTerminating", "field": "metadata.namespace"});
    let message = "it is being terminated";
    let details = json!({"causes": [cause]});
    Fault::Reply(
        403,
        json!({"reason": "Forbidden", "message": message, "details": details}),
    )
}

#[tokio::test(start_paused = true)]
async fn a_namespace_of_ours_that_a_user_deletes_comes_back_with_what_stands_in_it() {
    let world = World::new().await;
    let (team, object) = namespace("web");
    world.fake.remove(NAMESPACE);
    world.give(&team, 4, Some(object), vec![]).await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    world.fake.state().fault = Some(Box::new(|method, path| {
        let inside = path.starts_with(NAMESPACE) || path == PATH;
        (inside && method != http::Method::GET).then(terminating)
    }));
    let mut going = world.fake.get(NAMESPACE).unwrap();
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    world.fake.put(NAMESPACE, going);
    world.fake.remove(PATH);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let reports = world.shop.desk.take_reports(100);
    let check = |key: &ItemKey, reason: &str| {
        let said = reports.iter().rfind(|r| r.key == *key).unwrap();
        assert_eq!(
            (said.state, said.reason.as_str()),
            (ItemState::Pending, reason)
        );
    };
    check(&team, "BeingDeleted");
    check(&key(), "NamespaceTerminating");
    world.fake.state().fault = None;
    world.fake.remove(NAMESPACE);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.fake.get(NAMESPACE).is_some());
    assert_eq!(world.replicas(), Some(json!(3)), "it waits for no back-off");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_leaves_takes_nothing_of_others_along() {
    let world = World::new().await;
    let (team, object) = namespace("team");
    let inside = ItemKey {
        namespace: "team".into(),
        ..key()
    };
    let theirs = "/api/v1/namespaces/team/configmaps/theirs";
    world.give(&team, 5, Some(object), vec![]).await;
    world.give(&inside, 6, Some(content(3)), vec![]).await;
    world.settle().await;
    let object = json!({"metadata": {"name": "theirs", "namespace": "team"}});
    world.fake.put(theirs, object);
    world.give(&inside, 7, None, vec![]).await;
    world.give(&team, 8, None, vec![]).await;
    world.settle().await;
    assert!(world.fake.get(&PATH.replace("/web/", "/team/")).is_none());
    assert!(world.fake.get(theirs).is_some());
    let left = world.fake.get("/api/v1/namespaces/team").unwrap();
    assert_eq!(left.pointer("/metadata/labels/roadstead.dev~1owner"), None);
    assert_eq!(left.pointer("/metadata/deletionTimestamp"), None);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_served_no_more_is_not_said_to_be_applied() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Applied));
    let kinds = {
        let mut state = world.fake.state();
        state.hang_up();
        std::mem::take(&mut state.kinds)
    };
    tokio::time::sleep(Duration::from_secs(30)).await;
    let said = world.states().map(|(state, reason, _)| (state, reason));
    assert_eq!(said, Some((ItemState::Failed, "KindNotServed".into())));
    world.fake.state().kinds = kinds;
    world.shop.desk.kinds_changed();
    tokio::time::sleep(Duration::from_secs(130)).await;
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Applied));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_hangs_names_what_it_waits_for_until_it_is_done() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let mut object = world.fake.get(PATH).unwrap();
    object["metadata"]["finalizers"] = json!(["example.org/backup"]);
    world.fake.put(PATH, object);
    world.give(&key(), 6, None, vec![]).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let said = world.said().unwrap();
    assert_eq!(
        (said.state, said.reason.as_str()),
        (ItemState::Pending, "DeletionPending")
    );
    assert!(
        said.message.contains("example.org/backup"),
        "{}",
        said.message
    );
    world.fake.remove(PATH);
    world.settle().await;
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Removed));
}
