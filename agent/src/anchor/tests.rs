//! Two agents, an agent that moved, a disk that fell behind, a member that is away.

use roadstead_protocol::wire::{Epoch, Revision, Stamp};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::member::fake::{Fake, Fault};
use crate::store::record::Position;
use crate::store::tests::{Full, MemoryDisk, env};

const PATH: &str = "/api/v1/namespaces/roadstead-system/configmaps/roadstead-agent";

struct Agent {
    desk: Arc<Desk>,
    start: watch::Receiver<Option<Start>>,
    task: JoinHandle<Error>,
}

async fn agent(fake: &Fake, disk: &MemoryDisk, nonce: u64) -> Agent {
    let (disk, loaded, _) = Disk::open(env(), disk.watched_opener()).await.unwrap();
    let Counted { boot, written } = count(&env(), &disk, &loaded.boot).await.unwrap();
    let boot = Boot { nonce, ..boot };
    let desk = Arc::new(Desk::new(&loaded));
    let (send, start) = watch::channel(None);
    let member = Member::new(fake.client());
    let watchman = Watchman {
        disk,
        desk: desk.clone(),
        member,
        boot,
        written,
        start: send,
    };
    let task = tokio::spawn(watchman.run(1));
    tokio::time::sleep(Duration::from_secs(2)).await;
    Agent { desk, start, task }
}

impl Agent {
    fn start(&self) -> Start {
        self.start.borrow().clone().unwrap()
    }
}

fn said(fake: &Fake) -> Value {
    fake.get(PATH).unwrap()["data"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_later_start_takes_over_and_the_earlier_one_stops() {
    let fake = Fake::new();
    let first = agent(&fake, &MemoryDisk::default(), 1).await;
    assert_eq!(
        (first.start().boot.counter, said(&fake)["boot"].clone()),
        (1, json!("1"))
    );
    assert!(first.desk.gate().is_open());
    // Its disk is new: the member tells how often the identity was started.
    let second = agent(&fake, &MemoryDisk::default(), 2).await;
    assert_eq!(second.start().boot.counter, 2);
    let ended = tokio::time::timeout(CHECK_EVERY * 2, first.task)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(ended, Error::Superseded { boot: 2 }), "{ended}");
    tokio::time::sleep(CHECK_EVERY * 3).await;
    assert!(!second.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn idle_writes_nothing_and_a_moved_position_is_written_soon() {
    let fake = Fake::new();
    let agent = agent(&fake, &MemoryDisk::default(), 1).await;
    let before = fake.state().writes.len();
    tokio::time::sleep(CHECK_EVERY * 5).await;
    assert_eq!(fake.state().writes.len(), before);
    let stamp = Stamp {
        epoch: Epoch(1),
        revision: Revision(9),
    };
    let position = Position {
        stamp: Some(stamp),
        ..Position::default()
    };
    agent.desk.enter(crate::desk::Entered {
        position: Some(position),
        ..Default::default()
    });
    tokio::time::sleep(WRITE_AFTER * 2).await;
    assert_eq!(said(&fake)["position"], json!(stamp.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_disk_behind_its_member_waits_for_the_hub() {
    let fake = Fake::new();
    let there = "0000000000000001/50";
    fake.put(
        "/api/v1/namespaces/roadstead-system",
        json!({"metadata": {"name": "roadstead-system"}}),
    );
    fake.put(PATH, json!({"metadata": {"name": "roadstead-agent"}, "data": {"boot": "4", "nonce": "ff", "position": there}}));
    let agent = agent(&fake, &MemoryDisk::default(), 1).await;
    assert_eq!(
        (agent.start().boot.counter, agent.start().rewound),
        (5, true)
    );
    assert!(!agent.desk.gate().is_open());
    assert_eq!(
        said(&fake)["position"],
        json!(there),
        "what the member knows is not forgotten"
    );
    agent.desk.compared();
    assert!(agent.desk.gate().is_open());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_away_is_waited_for_and_the_hub_meanwhile_told() {
    let (fake, disk) = (Fake::new(), MemoryDisk::default());
    let first = agent(&fake, &disk, 1).await;
    first.task.abort();
    drop(first.task.await);
    drop(first.desk);
    tokio::time::sleep(Duration::from_secs(1)).await;
    fake.state().fault = Some(Box::new(|_, _| Some(Fault::Answer(503, "", "away"))));
    let second = agent(&fake, &disk, 2).await;
    assert_eq!(second.start().boot.counter, 2);
    assert!(!second.desk.gate().is_open());
    fake.state().fault = None;
    tokio::time::sleep(RETRY_CEILING).await;
    assert!(second.desk.gate().is_open());
    assert_eq!(said(&fake)["boot"], json!("2"));
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_bound_to_its_member() {
    let (fake, disk) = (Fake::new(), MemoryDisk::default());
    let first = agent(&fake, &disk, 1).await;
    first.task.abort();
    drop(first.task.await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = Fake::new();
    let mut namespace = other.get("/api/v1/namespaces/kube-system").unwrap();
    other.remove("/api/v1/namespaces/kube-system");
    namespace["metadata"]["name"] = json!("kube-system");
    other.put("/api/v1/namespaces/kube-system", namespace);
    let ended = agent(&other, &disk, 2).await.task.await.unwrap();
    assert!(matches!(ended, Error::OtherMember { .. }), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn the_position_object_of_another_identity_is_left_alone_until_the_hub_lets_this_one_in() {
    let fake = Fake::new();
    let there =
        json!({"boot": "4", "nonce": "ff", "owner": "somebody", "position": "0000000000000001/50"});
    fake.put(
        "/api/v1/namespaces/roadstead-system",
        json!({"metadata": {"name": "roadstead-system"}}),
    );
    fake.put(
        PATH,
        json!({"metadata": {"name": "roadstead-agent"}, "data": there}),
    );
    let agent = agent(&fake, &MemoryDisk::default(), 1).await;
    assert_eq!(said(&fake), there, "its own agent goes on");
    assert_eq!(
        (agent.start().boot.counter, agent.start().rewound),
        (5, false)
    );
    assert!(!agent.desk.gate().is_open());
    agent.desk.admitted();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(agent.desk.gate().is_open());
    assert_eq!(
        (&said(&fake)["boot"], &said(&fake)["position"]),
        (&json!("5"), &json!(""))
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_that_a_full_disk_does_not_take_counts_on_the_member_until_it_does() {
    let (fake, disk) = (Fake::new(), MemoryDisk::default());
    let first = agent(&fake, &disk, 1).await;
    first.task.abort();
    assert!(first.task.await.is_err());
    drop(first.desk);
    tokio::time::sleep(Duration::from_secs(1)).await;
    disk.full(Full::All);
    // With the member away nobody hears of a start that is nowhere written down.
    fake.state().fault = Some(Box::new(|_, _| Some(Fault::Silence)));
    let second = agent(&fake, &disk, 2).await;
    assert_eq!(*second.start.borrow(), None);
    second.task.abort();
    assert!(second.task.await.is_err());
    fake.state().fault = None;
    let third = agent(&fake, &disk, 3).await;
    assert_eq!(
        (third.start().boot.counter, &said(&fake)["boot"]),
        (2, &json!("2"))
    );
    assert!(third.desk.gate().is_open(), "what is there is kept");
    disk.full(Full::Not);
    tokio::time::sleep(CHECK_EVERY * 3).await;
    third.task.abort();
    assert!(third.task.await.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_, loaded, _) = Disk::open(env(), disk.opener()).await.unwrap();
    assert_eq!((loaded.boot.counter, loaded.boot.nonce), (2, 3));
}
