//! Worker, watch, disk and plan together, against a very small API server.

mod adopting;
mod answers;
mod caring;
mod expired;
mod freezing;
mod histories;
mod leaving;
mod users;
mod volumes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roadstead_protocol::api::names::{OWNER_LABEL, STAMP_ANNOTATION};
use roadstead_protocol::session::{Batch, Change, Delivered, What};
use roadstead_protocol::wire::frame::Mode;
use roadstead_protocol::wire::item::{Digest, ItemKey, Meta};
use roadstead_protocol::wire::report::{ItemReport, ItemState};
use roadstead_protocol::wire::stamp::EpochRange;
use roadstead_protocol::wire::{Epoch, Lineage, Revision, Stamp};
use serde_json::{Value, json};

use super::*;
use crate::intake::intake;
use crate::member::fake::{Fake, Fault};
use crate::plan::Owner;
use crate::store::tests::{MemoryDisk, env};

const PATH: &str = "/apis/apps/v1/namespaces/web/deployments/shop";

struct World {
    fake: Fake,
    shop: Workshop,
    lineage: Lineage,
    tasks: JoinSet<()>,
}

fn stamp(revision: u64) -> Stamp {
    Stamp {
        epoch: Epoch(7),
        revision: Revision(revision),
    }
}

fn key() -> ItemKey {
    ItemKey {
        group: "apps".into(),
        kind: "Deployment".into(),
        namespace: "web".into(),
        name: "shop".into(),
    }
}

fn content(replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}, "spec": {"replicas": replicas}})
}

impl World {
    async fn new() -> Self {
        Self::with(Fake::new(), &MemoryDisk::default()).await
    }

    async fn with(fake: Fake, disk: &MemoryDisk) -> Self {
        let (disk, loaded, _) = Disk::open(env(), disk.opener()).await.unwrap();
        let desk = Arc::new(Desk::new(&loaded));
        desk.joined(Owner::new("hub", "cluster"));
        desk.anchored(false);
        let member = Member::new(fake.client());
        let shop = Workshop {
            desk: desk.clone(),
            disk,
            member: member.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(crate::member::watch::run(member, desk, 1));
        let pace = Pace {
            workers: 4,
            resync_every: Duration::from_secs(600),
            seed: 1,
        };
        tasks.spawn(run(shop.clone(), pace));
        tasks.spawn(saver::run(shop.desk.clone(), shop.disk.clone(), 1));
        tasks.spawn(fetch::run(shop.clone()));
        let range = EpochRange {
            epoch: Epoch(7),
            first: Revision(1),
            last: None,
        };
        Self {
            fake,
            shop,
            lineage: Lineage(vec![range]),
            tasks,
        }
    }

    /// The hub gives something; `None` is a tombstone.
    async fn give(&self, key: &ItemKey, revision: u64, content: Option<Value>, meta: Vec<Meta>) {
        self.give_at(key, stamp(revision), content, meta).await;
    }

    async fn give_at(&self, key: &ItemKey, stamp: Stamp, content: Option<Value>, meta: Vec<Meta>) {
        let bytes = content.map(|c| Bytes::from(c.to_string()));
        let what = bytes.as_ref().map_or(What::Tombstone, |bytes| What::Put {
            digest: Digest::of(bytes),
            size: u32::try_from(bytes.len()).unwrap(),
        });
        let change = Change {
            key: key.clone(),
            stamp,
            meta,
            what,
        };
        let batch = Batch {
            changes: vec![Delivered {
                change,
                content: bytes,
            }],
            upto: Some(stamp),
            position: Some(stamp),
            mode: Mode::Resume,
            compared: false,
        };
        let (writes, entered) = intake(
            &self.shop.desk.lock(),
            &self.lineage,
            &batch,
            &BTreeSet::new(),
        );
        self.shop.disk.commit(writes).await.unwrap();
        self.shop.desk.enter(entered);
    }

    async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }

    /// How many requests to change something, and to read, there were.
    fn traffic(&self) -> (usize, usize) {
        let state = self.fake.state();
        (state.writes.len(), state.reads)
    }

    fn said(&self) -> Option<ItemReport> {
        self.shop
            .desk
            .take_reports(100)
            .into_iter()
            .rfind(|report| report.key == key())
    }

    fn states(&self) -> Option<(ItemState, String, Stamp)> {
        self.said()
            .map(|said| (said.state, said.reason, said.stamp))
    }

    fn replicas(&self) -> Option<Value> {
        self.fake
            .get(PATH)
            .map(|object| object["spec"]["replicas"].clone())
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_hub_gives_is_applied_kept_and_removed() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let object = world.fake.get(PATH).unwrap();
    assert_eq!(
        object["metadata"]["labels"][OWNER_LABEL],
        json!(Owner::new("hub", "cluster").label())
    );
    assert_eq!(
        object["metadata"]["annotations"][STAMP_ANNOTATION],
        json!(stamp(5).to_string())
    );
    let said = world.said().unwrap();
    assert_eq!(
        (said.state, said.stamp, said.generation),
        (ItemState::Applied, stamp(5), 1)
    );

    let mut drifted = object.clone();
    drifted["spec"]["replicas"] = json!(9);
    world.fake.put(PATH, drifted);
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(3)));

    world.fake.remove(PATH);
    world.settle().await;
    assert_eq!(
        world.replicas(),
        Some(json!(3)),
        "a deleted object comes back"
    );

    world.give(&key(), 6, Some(content(4)), vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(4)));

    world.give(&key(), 7, None, vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), None);
    assert_eq!(
        world.said().map(|said| said.state),
        Some(ItemState::Removed)
    );
}

#[tokio::test(start_paused = true)]
async fn idle_is_quiet() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let before = world.traffic();
    tokio::time::sleep(Duration::from_secs(250)).await;
    // A status is no reason to write.
    let mut object = world.fake.get(PATH).unwrap();
    object["status"] = json!({"replicas": 1});
    world.fake.put(PATH, object);
    // The same content under a new stamp is not either.
    world.give(&key(), 6, Some(content(3)), vec![]).await;
    world.settle().await;
    let after = world.traffic();
    assert_eq!(before, after, "{:?}", world.fake.state().writes);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_object_is_reported_and_taken_only_on_overwrite() {
    let world = World::new().await;
    world.fake.put(
        PATH,
        json!({"metadata": {"name": "shop"}, "spec": {"replicas": 1}}),
    );
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    assert_eq!(
        world.said().map(|said| said.state),
        Some(ItemState::Conflict)
    );
    assert_eq!(world.replicas(), Some(json!(1)));
    // A tombstone removes nothing that is not ours.
    world.give(&key(), 6, None, vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(1)));
    world
        .give(&key(), 7, Some(content(3)), vec![Meta::Overwrite])
        .await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(3)));
}

#[tokio::test(start_paused = true)]
async fn one_bad_object_delays_no_other() {
    let world = World::new().await;
    let bad = ItemKey {
        name: "bad".into(),
        ..key()
    };
    world.fake.state().fault = Some(Box::new(|method, path| {
        let hit = method == http::Method::PATCH && path.ends_with("/bad");
        hit.then_some(Fault::Answer(422, "Invalid", "spec.replicas: too many"))
    }));
    let mut object = content(1);
    object["metadata"]["name"] = json!("bad");
    world.give(&bad, 5, Some(object), vec![]).await;
    world.give(&key(), 6, Some(content(3)), vec![]).await;
    world.settle().await;
    assert_eq!(world.replicas(), Some(json!(3)));
    let reports = world.shop.desk.take_reports(100);
    let said = reports.iter().rfind(|report| report.key == bad).unwrap();
    assert_eq!(
        (said.state, said.reason.as_str(), said.message.as_str()),
        (ItemState::Failed, "Invalid", "spec.replicas: too many")
    );
    world.fake.state().fault = None;
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(world.fake.get(&PATH.replace("shop", "bad")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_missing_namespace_is_made_and_never_deleted() {
    let world = World::new().await;
    let other = ItemKey {
        namespace: "new".into(),
        ..key()
    };
    world.give(&other, 5, Some(content(3)), vec![]).await;
    world.settle().await;
    assert!(world.fake.get(&PATH.replace("/web/", "/new/")).is_some());
    world.give(&other, 6, None, vec![]).await;
    world.settle().await;
    assert!(world.fake.get(&PATH.replace("/web/", "/new/")).is_none());
    assert!(world.fake.get("/api/v1/namespaces/new").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_of_a_namespace_only_lets_go() {
    let world = World::new().await;
    let namespace = ItemKey {
        group: String::new(),
        kind: "Namespace".into(),
        namespace: String::new(),
        name: "team".into(),
    };
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    world.give(&namespace, 5, Some(object), vec![]).await;
    world.settle().await;
    world.give(&namespace, 6, None, vec![]).await;
    world.settle().await;
    let left = world.fake.get("/api/v1/namespaces/team").unwrap();
    assert_eq!(left.pointer("/metadata/labels/roadstead.dev~1owner"), None);
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_waits_while_its_kind_is_not_served() {
    let disk = MemoryDisk::default();
    let world = World::with(Fake::new(), &disk).await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let fake = world.fake.clone();
    let kinds = std::mem::take(&mut fake.state().kinds);
    drop(world);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let world = World::with(fake.clone(), &disk).await;
    world.give(&key(), 6, None, vec![]).await;
    world.settle().await;
    assert_eq!(
        world.said().map(|said| said.reason),
        Some("DeletionPending".to_owned())
    );
    fake.state().kinds = kinds;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(world.replicas(), None);
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_waits_while_the_path_of_its_kind_answers_that_nothing_is_there() {
    let world = World::new().await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let judge = |_: &http::Method, path: &str| {
        (path == PATH).then_some(Fault::Answer(404, "NotFound", "no such path"))
    };
    world.fake.state().fault = Some(Box::new(judge));
    world.give(&key(), 6, None, vec![]).await;
    world.settle().await;
    let said = world.said().map(|said| (said.state, said.reason));
    assert_eq!(
        said,
        Some((ItemState::Pending, "DeletionPending".to_owned())),
        "an object that cannot be looked at is not gone"
    );
    assert_eq!(world.replicas(), Some(json!(3)));
    world.fake.state().fault = None;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(world.replicas(), None);
    assert_eq!(world.said().map(|s| s.state), Some(ItemState::Removed));
}

#[tokio::test(start_paused = true)]
async fn a_restart_without_changes_writes_nothing() {
    let disk = MemoryDisk::default();
    let world = World::with(Fake::new(), &disk).await;
    world.give(&key(), 5, Some(content(3)), vec![]).await;
    world.settle().await;
    let fake = world.fake.clone();
    let before = fake.state().writes.len();
    drop(world);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let world = World::with(fake.clone(), &disk).await;
    world.settle().await;
    assert_eq!(fake.state().writes.len(), before);
    assert_eq!(
        world.said().map(|said| said.state),
        Some(ItemState::Applied)
    );
    assert_eq!(world.tasks.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_our_label_and_in_no_list_is_shown_and_left() {
    let world = World::new().await;
    world.give(&ItemKey { name: "other".into(), ..key() }, 5, Some(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "other"}, "spec": {}})), vec![]).await;
    world.settle().await;
    let mut copy = world.fake.get(&PATH.replace("shop", "other")).unwrap();
    copy["metadata"]["name"] = json!("shop");
    copy["metadata"]["uid"] = Value::Null;
    world.fake.put(PATH, copy);
    world.settle().await;
    assert_eq!(
        world.said().map(|said| said.state),
        Some(ItemState::Unclaimed)
    );
    assert!(world.fake.get(PATH).is_some());
    world.fake.remove(PATH);
    world.settle().await;
    assert_eq!(
        world.said().map(|said| said.state),
        Some(ItemState::Removed)
    );
}
