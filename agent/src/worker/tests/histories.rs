//! What has happened before: kills, lost disks, other writers. In each the end is spelled out.

use super::*;
use crate::store::Write;

fn foreign(replicas: u32) -> Value {
    json!({"metadata": {"name": "shop"}, "spec": {"replicas": replicas}})
}

fn elsewhere(epoch: u64, revision: u64) -> Stamp {
    Stamp {
        epoch: Epoch(epoch),
        revision: Revision(revision),
    }
}

/// What was applied last, as an agent with a newer disk would have applied it.
fn by_another(world: &World, at: Stamp, replicas: u32) -> Value {
    let mut object = world.fake.get(PATH).unwrap();
    object["metadata"]["annotations"][STAMP_ANNOTATION] = json!(at.to_string());
    object["spec"]["replicas"] = json!(replicas);
    object
}

/// Every change is answered with a broken connection, and carried out after this time.
fn late(world: &World, seconds: u64) {
    world.fake.state().fault = Some(Box::new(move |method, _| {
        (method == http::Method::PATCH).then(|| Fault::Late(Duration::from_secs(seconds)))
    }));
}

impl World {
    pub(super) async fn restarted(self, disk: &MemoryDisk) -> Self {
        let fake = self.fake.clone();
        drop(self);
        tokio::time::sleep(Duration::from_secs(1)).await;
        Self::with(fake, disk).await
    }
}

#[tokio::test(start_paused = true)]
async fn created_killed_before_it_was_noted_and_then_tombstoned() {
    let disk = MemoryDisk::default();
    let world = World::with(Fake::new(), &disk).await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let forget = vec![Write::DropInventory(key())];
    world.shop.disk.commit(forget).await.unwrap();
    let world = world.restarted(&disk).await;
    world.give(&key(), 6, None, vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), None);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Removed));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_lands_after_its_tombstone_is_undone_before_it_is_said_to_be() {
    let world = World::new().await;
    late(&world, 20);
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.give(&key(), 6, None, vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), None);
    let said = world.states().map(|(state, reason, _)| (state, reason));
    assert_eq!(said, Some((ItemState::Pending, "DeletionPending".into())));
    // A broken connection is no answer: neither is that nothing is there yet.
    world.fake.state().fault = None;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_ne!(world.said().map(|s| s.state), Some(ItemState::Removed));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(world.replicas(), None);
    let writes = world.fake.state().writes.clone();
    assert!(writes.contains(&format!("DELETE {PATH}")), "it landed");
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Removed));
}

#[tokio::test(start_paused = true)]
async fn a_creation_of_an_earlier_start_that_lands_late_is_waited_for() {
    let disk = MemoryDisk::default();
    let world = World::with(Fake::new(), &disk).await;
    late(&world, 10);
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The next start hears of the tombstone before it gets to the item.
    let fake = world.fake.clone();
    fake.state().fault = Some(Box::new(|_, _| Some(Fault::Answer(503, "", "away"))));
    let world = world.restarted(&disk).await;
    world.give(&key(), 6, None, vec![]).await;
    fake.state().fault = None;
    world.settle().await;
    assert_eq!(world.replicas(), None);
    assert_ne!(world.said().map(|s| s.state), Some(ItemState::Removed));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.replicas(), None);
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Removed));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_lands_late_takes_nothing_from_a_user() {
    let world = World::new().await;
    late(&world, 20);
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    world.fake.put(PATH, foreign(1));
    world.fake.state().fault = None;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let object = world.fake.get(PATH).unwrap();
    assert_eq!(object["spec"]["replicas"], json!(1));
    assert_eq!(object.pointer("/metadata/labels"), None);
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Conflict));
}

#[tokio::test(start_paused = true)]
async fn what_a_user_makes_in_the_moment_before_the_first_apply_is_left_alone() {
    let world = World::new().await;
    world.fake.state().fault = Some(Box::new(|method, path| {
        (method == http::Method::PATCH && path == PATH).then(|| Fault::After(foreign(1)))
    }));
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let object = world.fake.get(PATH).unwrap();
    assert_eq!(object["spec"]["replicas"], json!(1));
    assert_eq!(object.pointer("/metadata/labels"), None);
    let said = world.states().map(|(state, reason, _)| (state, reason));
    assert_eq!(said, Some((ItemState::Conflict, "ForeignObject".into())));
}

#[tokio::test(start_paused = true)]
async fn another_writer_that_is_newer_is_overtaken_neither_by_an_update_nor_by_a_deletion() {
    for given in [Some(content(4)), None] {
        let world = World::new().await;
        world.give(&key(), 5, Some(content(3)), vec![]).await;
        world.settle().await;
        let newer = by_another(&world, stamp(9), 9);
        world.fake.state().fault = Some(Box::new(move |method, path| {
            let hit = method != http::Method::GET && path == PATH;
            hit.then(|| Fault::After(newer.clone()))
        }));
        world.give(&key(), 6, given, vec![]).await;
        world.settle().await;
        assert_eq!(world.replicas(), Some(json!(9)));
        let held = (ItemState::Held, "NewerHere".to_owned(), stamp(9));
        assert_eq!(world.states(), Some(held), "the stamp that is there");
    }
}

#[tokio::test(start_paused = true)]
async fn deleted_and_made_anew_by_a_user_it_is_theirs() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    world.fake.remove(PATH);
    world.fake.put(PATH, foreign(1));
    world.settle().await;
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Conflict));
    world.give(&key(), 6, None, vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(1)));
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Removed));
}

#[tokio::test(start_paused = true)]
async fn on_an_emptied_disk_what_is_there_goes_on_as_it_is() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let before = world.fake.get(PATH);
    let world = world.restarted(&MemoryDisk::default()).await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    assert_eq!(world.fake.get(PATH), before);
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Applied));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_no_list_is_said_once_the_list_is_known() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let world = world.restarted(&MemoryDisk::default()).await;
    let desk = &world.shop.desk;
    desk.watch_kind(("apps".into(), "Deployment".into()));
    world.settle().await;
    assert_eq!(world.said(), None, "the hub was not heard yet");
    desk.compared();
    world.settle().await;
    let unclaimed = (ItemState::Unclaimed, "Unclaimed".to_owned(), stamp(5));
    assert_eq!(world.states(), Some(unclaimed));
    assert_eq!(world.replicas(), Some(json!(3)));
}

#[tokio::test(start_paused = true)]
async fn on_an_emptied_disk_another_history_is_held_until_it_is_named() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let there = elsewhere(8, 500);
    world.fake.put(PATH, by_another(&world, there, 9));
    let world = world.restarted(&MemoryDisk::default()).await;
    for (revision, offer) in [(6, Some(content(3))), (7, None)] {
        world.give(&key(), revision, offer, vec![]).await;
        world.settle().await;
        assert_eq!(world.replicas(), Some(json!(9)));
        world.shop.desk.say_all();
        let held = (ItemState::Held, "OtherHistory".to_owned(), there);
        assert_eq!(world.states(), Some(held));
    }
    let order = vec![Meta::Replaces(there)];
    world.give(&key(), 8, Some(content(3)), order).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(3)));
}

#[tokio::test(start_paused = true)]
async fn what_a_restored_hub_restamped_is_its_own_from_then_on() {
    let mut world = World::new().await;
    world.give(&key(), 50, Some(content(3)), vec![]).await;
    world.settle().await;
    // It was restored from before that: its first life ended earlier.
    let range = |epoch, first, last: Option<u64>| EpochRange {
        epoch: Epoch(epoch),
        first: Revision(first),
        last: last.map(Revision),
    };
    world.lineage = Lineage(vec![range(7, 1, Some(40)), range(9, 100, None)]);
    let writes = world.traffic().0;
    let (same, other) = (Some(content(3)), Some(content(4)));
    world.give_at(&key(), elsewhere(9, 100), same, vec![]).await;
    world.settle().await;
    assert_eq!(
        world.traffic().0,
        writes,
        "equal content is not written anew"
    );
    world
        .give_at(&key(), elsewhere(9, 101), other, vec![])
        .await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(4)));
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Applied));
}
