//! What the hub leaves to whoever changes it on the member.

use super::*;

fn left(pointers: &[&str]) -> Vec<Meta> {
    let pointers = pointers.iter().map(|p| (*p).to_owned()).collect();
    vec![Meta::IgnoreFields(pointers)]
}

fn paused(replicas: u32, paused: bool) -> Value {
    let mut content = content(replicas);
    content["spec"]["paused"] = paused.into();
    content
}

impl World {
    /// Somebody changes the number of replicas on the member.
    fn scale(&self, replicas: u32) {
        let mut live = self.fake.get(PATH).unwrap();
        live["spec"]["replicas"] = replicas.into();
        self.fake.put(PATH, live);
    }

    fn heard(&self) -> (ItemState, String) {
        let reports = self.shop.desk.take_reports(100);
        let said = reports.iter().rfind(|r| r.key == key()).unwrap();
        (said.state, format!("{}: {}", said.reason, said.message))
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_left_is_given_once_and_then_is_whatever_it_is_there() {
    let world = World::new().await;
    let meta = || left(&["/spec/replicas"]);
    world.give(&key(), 5, Some(paused(3, false)), meta()).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(3)));
    world.scale(10);
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(10)));
    // New content changes the rest, and never that.
    world.give(&key(), 6, Some(paused(4, true)), meta()).await;
    world.settle().await;
    let live = world.fake.get(PATH).unwrap();
    assert_eq!(
        (&live["spec"]["replicas"], &live["spec"]["paused"]),
        (&json!(10), &json!(true))
    );
    assert_eq!(world.heard().0, ItemState::Applied);
    // Switched off, it is put right.
    world.give(&key(), 7, Some(paused(4, true)), vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(4)));
}

#[tokio::test(start_paused = true)]
async fn switching_it_on_does_not_touch_what_runs() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(10)), vec![]).await;
    world.settle().await;
    world.fake.state().writes.clear();
    world
        .give(&key(), 6, Some(content(10)), left(&["/spec/replicas"]))
        .await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(10)));
    assert_eq!(world.heard().0, ItemState::Applied);
}

#[tokio::test(start_paused = true)]
async fn what_is_only_reported_stays_as_it_was_changed_until_something_new_is_given() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), left(&[""])).await;
    world.settle().await;
    assert_eq!(world.heard().0, ItemState::Applied);
    world.scale(10);
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(10)));
    let (state, words) = world.heard();
    assert_eq!(state, ItemState::Conflict);
    assert!(
        words.contains(
            "Drifted: it was changed on the member at .spec.replicas (3 given, 10 there)"
        ),
        "{words}"
    );
    let before = world.traffic();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(world.traffic().0, before.0, "nothing is written");
    // Put back by whoever changed it.
    world.scale(3);
    world.settle().await;
    assert_eq!(world.heard().0, ItemState::Applied);
    world.fake.remove(PATH);
    world.settle().await;
    assert_eq!(world.fake.get(PATH), None);
    let (state, words) = world.heard();
    assert_eq!(state, ItemState::Conflict);
    assert!(
        words.contains("Drifted: it was deleted on the member"),
        "{words}"
    );
    world.give(&key(), 6, Some(content(4)), left(&[""])).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(4)));
    world.give(&key(), 7, None, vec![]).await;
    world.settle().await;
    assert_eq!(world.fake.get(PATH), None);
}

#[tokio::test(start_paused = true)]
async fn what_lost_our_label_is_neither_gone_nor_put_right_where_changes_are_only_reported() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), left(&[""])).await;
    world.settle().await;
    let mut live = world.fake.get(PATH).unwrap();
    live["spec"]["replicas"] = 7.into();
    live["metadata"]["labels"] = json!({});
    world.fake.put(PATH, live);
    world.settle().await;
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(world.replicas(), Some(json!(7)));
    let (state, words) = world.heard();
    assert_eq!(state, ItemState::Conflict);
    assert!(words.contains("was changed on the member"), "{words}");
}
