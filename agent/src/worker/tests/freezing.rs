//! While a cluster is frozen nothing on it is touched, whoever asks; and what the hub asks to see.

use roadstead_protocol::wire::frame::{Fetch, Freeze as Order};

use super::*;
use crate::store::Write;
use crate::store::record::Freeze;

impl World {
    async fn freeze(&self, revision: u64, frozen: bool) {
        let freeze = Freeze {
            stamp: stamp(revision),
            frozen,
            reason: "network maintenance".into(),
            held: None,
        };
        self.shop.desk.enter_freeze(freeze.clone());
        self.shop.desk.freeze_written(&freeze);
        let writes = vec![Write::Freeze(freeze)];
        self.shop.disk.commit(writes).await.unwrap();
        self.shop.desk.judge_freeze(&self.lineage);
    }

    fn all_said(&self) -> Vec<(String, ItemState, String)> {
        self.shop.desk.say_all();
        let reports = self.shop.desk.take_reports(100);
        let row = |r: ItemReport| (r.key.name, r.state, r.reason);
        reports.into_iter().map(row).collect()
    }
}

fn named(name: &str) -> (ItemKey, Value) {
    let mut object = content(1);
    object["metadata"]["name"] = json!(name);
    let key = ItemKey {
        name: name.into(),
        ..key()
    };
    (key, object)
}

fn frozen() -> (String, ItemState, String) {
    ("freeze".into(), ItemState::Applied, "Frozen".into())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_applied_repaired_or_deleted_until_it_is_lifted() {
    let disk = MemoryDisk::default();
    let world = World::with(Fake::new(), &disk).await;
    let (drifts, object) = named("drifts");
    world.give(&drifts, 5, Some(object), vec![]).await;
    let (leaves, object) = named("leaves");
    world.give(&leaves, 6, Some(object), vec![]).await;
    world.settle().await;
    world.freeze(7, true).await;
    world.settle().await;
    let before = world.traffic().0;
    let at = |name: &str| PATH.replace("shop", name);
    let mut drifted = world.fake.get(&at("drifts")).unwrap();
    drifted["spec"]["replicas"] = json!(9);
    world.fake.put(&at("drifts"), drifted);
    world.give(&leaves, 8, None, vec![]).await;
    let (comes, object) = named("comes");
    world.give(&comes, 9, Some(object), vec![]).await;
    world.settle().await;
    let pending = |name: &str| (name.to_owned(), ItemState::Pending, "Frozen".to_owned());
    let waiting = ["comes", "drifts", "leaves"].map(pending);
    assert_eq!(world.all_said(), [&waiting[..], &[frozen()]].concat());
    let fake = world.fake.clone();
    drop(world);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // It starts anew with the hub away.
    let world = World::with(fake, &disk).await;
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(world.traffic().0, before, "{:?}", world.fake.state().writes);
    world.freeze(10, false).await;
    world.settle().await;
    assert!(world.fake.get(&at("comes")).is_some());
    assert!(world.fake.get(&at("leaves")).is_none());
    let repaired = world.fake.get(&at("drifts")).unwrap();
    assert_eq!(repaired["spec"]["replicas"], json!(1));
    let thawed = ("freeze".into(), ItemState::Removed, "Thawed".into());
    assert!(world.all_said().contains(&thawed));
}

#[tokio::test(start_paused = true)]
async fn it_is_reported_when_nothing_from_before_is_under_way() {
    let world = World::new().await;
    world.fake.state().fault = Some(Box::new(|method, _| {
        (method == http::Method::PATCH).then_some(Fault::Silence)
    }));
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.freeze(7, true).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.all_said(), []);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(world.all_said().contains(&frozen()));
    world.fake.state().fault = None;
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(world.replicas(), None);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_does_not_know_a_freeze_is_told_what_to_name() {
    let world = World::new().await;
    world.freeze(7, true).await;
    world.settle().await;
    world.shop.desk.judge_freeze(&Lineage(vec![]));
    world.settle().await;
    world.shop.desk.say_all();
    let said = world.shop.desk.take_reports(9).pop().unwrap();
    assert_eq!(said.key, Order::key());
    assert_eq!(
        (said.state, said.reason.as_str(), said.stamp),
        (ItemState::Held, "OtherHistory", stamp(7))
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_is_shown_as_it_is_where_the_agent_has_to_do_with_it() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let (theirs, object) = named("theirs");
    world.fake.put(&PATH.replace("shop", "theirs"), object);
    for (id, key) in [(1, key()), (2, theirs)] {
        assert!(world.shop.desk.ask(Fetch { id, key }));
    }
    world.settle().await;
    let answer = || world.shop.desk.take_fetched().unwrap();
    let (ours, theirs) = (answer(), answer());
    let object: Value = serde_json::from_slice(&ours.content.unwrap()).unwrap();
    assert_eq!((ours.id, &object["spec"]), (1, &json!({"replicas": 3})));
    // The hub tells by it what people wrote from what the member added.
    assert!(object.pointer("/metadata/managedFields/0").is_some());
    assert!(theirs.content.unwrap_err().contains("neither given"));
}
