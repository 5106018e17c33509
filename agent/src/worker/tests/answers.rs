//! A member that refuses, conflicts, asks for patience, forgets, or never answers.

use super::*;

/// The member answers every change with this for a while; then it heals.
async fn check(fault: fn() -> Fault, state: ItemState, reason: &str) {
    let world = World::new().await;
    world.fake.state().fault = Some(Box::new(move |method, path| {
        (method == http::Method::PATCH && path == PATH).then(fault)
    }));
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let said = world.said().unwrap();
    assert_eq!((said.state, said.reason.as_str()), (state, reason));
    let (_, reads) = world.traffic();
    assert!(reads < 60, "{reason}: {reads} questions in a minute");
    world.fake.state().fault = None;
    tokio::time::sleep(Duration::from_secs(125)).await;
    assert_eq!(world.replicas(), Some(json!(3)), "{reason}");
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Applied));
}

#[tokio::test(start_paused = true)]
async fn whatever_it_answers_is_said_and_tried_again_in_good_time() {
    let refused = || Fault::Answer(403, "Forbidden", "no");
    check(refused, ItemState::Failed, "Forbidden").await;
    let busy = || Fault::Answer(429, "TooManyRequests", "later");
    check(busy, ItemState::Failed, "TooManyRequests").await;
    let away = || Fault::Answer(503, "ServiceUnavailable", "later");
    check(away, ItemState::Failed, "ServiceUnavailable").await;
    let broken = || Fault::Answer(500, "InternalError", "oops");
    check(broken, ItemState::Failed, "InternalError").await;
    let gone = || Fault::Answer(410, "Gone", "gone");
    check(gone, ItemState::Failed, "Gone").await;
    check(|| Fault::Silence, ItemState::Failed, "Timeout").await;
    // Nothing is there and yet it conflicts, as where writers chase one another.
    let conflict = || Fault::Answer(409, "Conflict", "modified");
    check(conflict, ItemState::Pending, "Contended").await;
}

#[tokio::test(start_paused = true)]
async fn many_objects_that_hang_delay_no_other() {
    let world = World::new().await;
    world.fake.state().fault = Some(Box::new(|method, path| {
        let hit = method == http::Method::PATCH && path.contains("/bad-");
        hit.then_some(Fault::Silence)
    }));
    for i in 0..20 {
        let name = format!("bad-{i:02}");
        let mut object = content(1);
        object["metadata"]["name"] = json!(name);
        let bad = ItemKey { name, ..key() };
        world.give(&bad, 5 + i, Some(object), vec![]).await;
    }
    world.give(&key(), 90, Some(content(3)), vec![]).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(world.replicas(), Some(json!(3)));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_forgets_is_listed_anew_and_not_in_a_tight_loop() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    {
        let mut state = world.fake.state();
        state.expired = true;
        state.hang_up();
    }
    let (_, before) = world.traffic();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (_, after) = world.traffic();
    assert!(after - before < 120, "{} lists", after - before);
    world.fake.state().expired = false;
    tokio::time::sleep(Duration::from_secs(65)).await;
    world.fake.remove(PATH);
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(3)));
}
