//! Objects that were on the member before, taken over where they are as they are given.

use super::*;

/// What somebody else made, with fields of its own.
fn foreign(replicas: u32) -> Value {
    let mut object = content(replicas);
    object["metadata"]["labels"] = json!({"team": "shop"});
    object["metadata"]["annotations"] = json!({"note": "made by hand"});
    object["spec"]["paused"] = json!(false);
    object
}

fn owner(world: &World) -> Option<Value> {
    let object = world.fake.get(PATH)?;
    object["metadata"]["labels"].get(OWNER_LABEL).cloned()
}

fn ours() -> Option<Value> {
    Some(json!(Owner::new("hub", "cluster").label()))
}

#[tokio::test(start_paused = true)]
async fn what_is_equal_is_taken_over_with_all_that_others_said() {
    let world = World::new().await;
    world.fake.put(PATH, foreign(3));
    world
        .give(&key(), 5, Some(content(3)), vec![Meta::AdoptIfEqual])
        .await;
    world.settle().await;
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Applied));
    assert_eq!(owner(&world), ours());
    let object = world.fake.get(PATH).unwrap();
    assert_eq!(object["metadata"]["labels"]["team"], "shop");
    // From then on it is ours like any other.
    world
        .give(&key(), 6, Some(content(4)), vec![Meta::AdoptIfEqual])
        .await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(4)));
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_left_alone_and_the_places_are_said() {
    let world = World::new().await;
    world.fake.put(PATH, foreign(1));
    let before = world.fake.get(PATH);
    world
        .give(&key(), 5, Some(content(3)), vec![Meta::AdoptIfEqual])
        .await;
    world.settle().await;
    let said = world.said().unwrap();
    let reason = said.reason.as_str();
    assert_eq!(
        (said.state, reason),
        (ItemState::Conflict, "ForeignObjectDiffers")
    );
    assert!(
        said.message.contains(".spec.replicas (3 given, 1 there)"),
        "{}",
        said.message
    );
    assert_eq!(world.fake.get(PATH), before);
    // Somebody makes them equal.
    world.fake.put(PATH, foreign(3));
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Applied));
    assert_eq!(owner(&world), ours());
}

#[tokio::test(start_paused = true)]
async fn the_values_of_a_secret_are_not_told() {
    let world = World::new().await;
    let secret = ItemKey {
        group: String::new(),
        kind: "Secret".into(),
        namespace: "web".into(),
        name: "keys".into(),
    };
    let with = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
            "data": {"key": value}})
    };
    let path = "/api/v1/namespaces/web/secrets/keys";
    world.fake.put(path, with("dGhlaXJz"));
    world
        .give(&secret, 5, Some(with("b3Vycw==")), vec![Meta::AdoptIfEqual])
        .await;
    world.settle().await;
    let reports = world.shop.desk.take_reports(100);
    let said = reports.iter().rfind(|report| report.key == secret).unwrap();
    assert_eq!(said.state, ItemState::Conflict);
    let told = |text: &str| said.message.contains(text);
    let hidden = !told("dGhlaXJz") && !told("b3Vycw");
    assert!(told(".data.key") && hidden, "{}", said.message);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_to_others_may_differ() {
    let world = World::new().await;
    world.fake.put(PATH, foreign(9));
    let left = Meta::IgnoreFields(vec!["/spec/replicas".to_owned()]);
    world
        .give(&key(), 5, Some(content(3)), vec![Meta::AdoptIfEqual, left])
        .await;
    world.settle().await;
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Applied));
    assert_eq!((owner(&world), world.replicas()), (ours(), Some(json!(9))));
}

#[tokio::test(start_paused = true)]
async fn what_another_hub_looks_after_is_not_taken_from_it() {
    let world = World::new().await;
    let mut theirs = foreign(3);
    theirs["metadata"]["labels"][OWNER_LABEL] = json!(Owner::new("other", "cluster").label());
    world.fake.put(PATH, theirs);
    world
        .give(&key(), 5, Some(content(3)), vec![Meta::AdoptIfEqual])
        .await;
    world.settle().await;
    let said = world.said().unwrap();
    assert_eq!(said.state, ItemState::Conflict);
    assert!(said.message.contains("another hub"), "{}", said.message);
    assert_ne!(owner(&world), ours());
}
