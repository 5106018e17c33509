//! Pods that come and go, a Secret that was copied, a disk that was put back.

use std::sync::Arc;

use roadstead_protocol::host::Pin;
use roadstead_protocol::host::enrol::TokenSecret;
use roadstead_protocol::host::system;
use serde_json::{Value, json};

use super::*;
use crate::member::fake::{Fake, Fault};
use crate::store::record::{Former, FormerIdentity, Past, Spent};
use crate::store::tests::MemoryDisk;

const PATH: &str = "/api/v1/namespaces/roadstead-system/secrets/me";

fn fake() -> Fake {
    let fake = Fake::new();
    fake.state().kinds.push(("v1", "Secret", "secrets", true));
    fake
}

fn keeper(fake: &Fake) -> Keeper {
    Keeper::new(Member::new(fake.client()), "me".to_owned())
}

fn token(id: &str) -> JoinToken {
    JoinToken {
        addresses: vec!["hub:7443".into()],
        pins: vec![Pin([0; 32])],
        id: id.to_owned(),
        secret: TokenSecret([1; 32]),
        namespace: "default".into(),
        name: "edge".into(),
    }
}

fn identity(cluster: &str, until: Option<i64>) -> Identity {
    let certificates = until.map(|second| {
        let env = Env {
            clock: Arc::new(At(jiff::Timestamp::from_second(second).unwrap())),
            ..system::env()
        };
        let authority = tls::make_authority(&env, "test").unwrap();
        vec![authority.chain[0].to_vec()]
    });
    Identity {
        key: vec![7; 32],
        certificates: certificates.unwrap_or_default(),
        hub: "hub".into(),
        cluster: cluster.into(),
        addresses: vec!["hub:7443".into()],
        authorities: Vec::new(),
    }
}

struct At(jiff::Timestamp);
impl roadstead_protocol::env::WallClock for At {
    fn now(&self) -> jiff::Timestamp {
        self.0
    }
}

/// A start with an empty disk.
async fn start(fake: &Fake, join: Option<&JoinToken>) -> Result<Loaded, Error> {
    let env = system::env();
    let (disk, mut loaded, _) = Disk::open(env.clone(), MemoryDisk::default().opener())
        .await
        .unwrap();
    keeper(fake)
        .recall(&env, &disk, &mut loaded, join)
        .await
        .map(|()| loaded)
}

async fn kept(fake: &Fake) -> Kept {
    match keeper(fake).read().await {
        Ok(Some(found)) => found.kept,
        Ok(None) | Err(_) => panic!("no readable Secret"),
    }
}

async fn keep(fake: &Fake, identity: Identity) {
    assert!(keeper(fake).keep(who(identity)).await.is_ok());
}

fn who(identity: Identity) -> Who {
    let former = Former {
        addresses: vec!["before:7443".into()],
        ..Former::default()
    };
    Who {
        identity: Some(identity),
        former,
        ..Who::default()
    }
}

fn detached(identity: Identity) -> Who {
    let spent = Spent {
        tokens: vec!["a".to_owned()],
    };
    Who {
        spent,
        detached: true,
        ..who(identity)
    }
}

#[tokio::test]
async fn a_pod_that_goes_while_it_joins_is_followed_by_one_with_the_same_key() {
    let fake = fake();
    let first = start(&fake, Some(&token("a")))
        .await
        .unwrap()
        .joining
        .unwrap();
    let writes = fake.state().writes.len();
    let second = start(&fake, Some(&token("a")))
        .await
        .unwrap()
        .joining
        .unwrap();
    assert_eq!(first, second);
    assert_eq!(fake.state().writes.len(), writes, "it is there already");
    let other = start(&fake, Some(&token("b")))
        .await
        .unwrap()
        .joining
        .unwrap();
    assert!(other.key != first.key && other.token == "b");
    assert!(start(&fake, None).await.unwrap().joining.is_none());
}

#[tokio::test]
async fn a_pod_with_an_empty_disk_is_the_cluster_that_the_secret_says() {
    let fake = fake();
    start(&fake, Some(&token("a"))).await.unwrap();
    keep(&fake, identity("c1", None)).await;
    let joined = kept(&fake).await.joining;
    for join in [None, Some(&token("a")), Some(&token("b"))] {
        let loaded = start(&fake, join).await.unwrap();
        assert_eq!(loaded.identity, Some(identity("c1", None)));
        assert_eq!(loaded.former, who(identity("c1", None)).former);
        if join != Some(&token("b")) {
            assert_eq!(loaded.joining, joined);
        } else {
            // Should the hub have detached the one, the other is not lost to a pod that goes.
            assert_eq!(loaded.joining, kept(&fake).await.joining);
            assert_eq!(loaded.joining.map(|j| j.token), Some("b".to_owned()));
        }
        assert_eq!(loaded.boot.member_uid, kept(&fake).await.member_uid);
    }
    let people = fake.get(PATH).unwrap()["data"]["cluster"].clone();
    assert_eq!(people, Value::from("YzE="));
}

#[tokio::test]
async fn a_secret_of_another_cluster_is_refused_and_left_alone() {
    let (one, two) = (fake(), fake());
    keep(&one, identity("c1", None)).await;
    let namespace = "/api/v1/namespaces/kube-system";
    two.remove(namespace);
    let made = json!({"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "another"}});
    two.put(namespace, made);
    two.put(PATH, one.get(PATH).unwrap());
    let before = two.get(PATH);
    let Err(Error::CopiedSecret { here, bound, .. }) = start(&two, Some(&token("a"))).await else {
        panic!("it was taken");
    };
    assert!(here != bound);
    assert_eq!(two.get(PATH), before);
}

#[tokio::test]
async fn an_unreadable_secret_ends_the_start_and_is_left_alone() {
    let fake = fake();
    for data in [json!({"identity": "!"}), json!({"identity": "CQBh"})] {
        fake.put(
            PATH,
            json!({"kind": "Secret", "metadata": {"name": "me"}, "data": data}),
        );
        let before = fake.get(PATH);
        let ended = start(&fake, Some(&token("a"))).await;
        assert!(matches!(ended, Err(Error::Identity(_))), "{ended:?}");
        assert_eq!(fake.get(PATH), before);
    }
}

#[tokio::test]
async fn the_later_certificate_of_one_cluster_stays_and_another_cluster_is_replaced() {
    let fake = fake();
    let (early, late) = (
        identity("c1", Some(1_000_000_000)),
        identity("c1", Some(1_100_000_000)),
    );
    keep(&fake, late.clone()).await;
    keep(&fake, early.clone()).await;
    assert_eq!(kept(&fake).await.identity, Some(late.clone()));
    keep(&fake, identity("c2", None)).await;
    assert_eq!(kept(&fake).await.identity, Some(identity("c2", None)));
    keep(&fake, early).await;
    keep(&fake, late.clone()).await;
    assert_eq!(kept(&fake).await.identity, Some(late));
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_learns_is_kept_and_a_deleted_secret_is_made_anew() {
    let fake = fake();
    let (tell, told) = watch::channel(Who::default());
    let task = tokio::spawn(keeper(&fake).run(told, 1));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(fake.get(PATH).is_none());
    fake.state().fault = Some(Box::new(|method, _| {
        (method != http::Method::GET).then_some(Fault::Answer(403, "Forbidden", "not yet"))
    }));
    tell.send_replace(who(identity("c1", None)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    fake.state().fault = None;
    tokio::time::sleep(RETRY_CEILING).await;
    assert_eq!(kept(&fake).await.identity, Some(identity("c1", None)));
    let writes = fake.state().writes.len();
    tokio::time::sleep(CHECK_EVERY * 5).await;
    assert_eq!(fake.state().writes.len(), writes, "idle is quiet");
    fake.remove(PATH);
    tokio::time::sleep(CHECK_EVERY * 2).await;
    assert!(fake.get(PATH).is_some());
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_knows_who_it_is_does_not_wait_for_the_member() {
    let fake = fake();
    fake.state().fault = Some(Box::new(|_, _| Some(Fault::Silence)));
    let env = system::env();
    let medium = MemoryDisk::default();
    let (disk, mut loaded, _) = Disk::open(env.clone(), medium.opener()).await.unwrap();
    loaded.identity = Some(identity("c1", None));
    let recalled = keeper(&fake);
    let recalled = recalled.recall(&env, &disk, &mut loaded, None);
    tokio::time::timeout(Duration::from_secs(1), recalled)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_pod_with_an_empty_disk_knows_that_it_was_detached_and_what_brought_it_in() {
    let fake = fake();
    start(&fake, Some(&token("a"))).await.unwrap();
    keep(&fake, identity("c1", None)).await;
    assert!(!start(&fake, None).await.unwrap().position.detached);
    let keeper = keeper(&fake);
    let told = keeper.keep(detached(identity("c1", None)));
    assert!(told.await.is_ok());
    let next = start(&fake, Some(&token("a"))).await.unwrap();
    assert!(next.position.detached);
    assert!(next.spent.has("a") && !next.spent.has("b"));
    // A disk that was put back to before knows nothing of it, and ends nothing.
    let writes = fake.state().writes.len();
    keep(&fake, identity("c1", None)).await;
    assert_eq!(fake.state().writes.len(), writes);
    assert!(kept(&fake).await.detached);
    // Joining does.
    keep(&fake, identity("c2", None)).await;
    assert!(!kept(&fake).await.detached);
    assert!(kept(&fake).await.spent.has("a"));
    let data = fake.get(PATH).unwrap()["data"].clone();
    assert!(data.get("detached").is_none(), "{data}");
}

#[tokio::test]
async fn a_detachment_that_a_former_release_left_behind_is_none_of_the_next_cluster() {
    let fake = fake();
    let at = |second| identity("c1", Some(second));
    let (first, second) = (at(1_000_000_000), at(1_100_000_000));
    let keeper = keeper(&fake);
    assert!(keeper.keep(detached(first)).await.is_ok());
    let left = fake.get(PATH).unwrap()["data"]["detached"].clone();
    assert!(left.is_string() && kept(&fake).await.detached);
    // It joins, and leaves what it does not know as it is.
    for next in [second, identity("c2", None)] {
        keep(&fake, next.clone()).await;
        let mut object = fake.get(PATH).unwrap();
        object["data"]["detached"] = left.clone();
        fake.put(PATH, object);
        assert!(!kept(&fake).await.detached);
        assert!(!start(&fake, None).await.unwrap().position.detached);
        let told = keeper.keep(detached(next));
        assert!(told.await.is_ok() && kept(&fake).await.detached);
        assert_ne!(fake.get(PATH).unwrap()["data"]["detached"], left);
    }
}

#[tokio::test]
async fn what_the_disk_learns_of_a_detachment_is_what_is_kept() {
    let (disk, _, _) = Disk::open(system::env(), MemoryDisk::default().opener())
        .await
        .unwrap();
    let told = disk.who();
    let at = |detached| {
        Write::Position(Position {
            detached,
            ..Position::default()
        })
    };
    for (writes, detached) in [
        (vec![at(true)], true),
        (vec![at(false)], false),
        (vec![at(true)], true),
        (vec![Write::Forget], false),
    ] {
        disk.commit(writes).await.unwrap();
        assert_eq!(told.borrow().detached, detached);
    }
}

#[tokio::test]
async fn which_clusters_it_was_is_kept_too() {
    let fake = fake();
    let past = |clusters: &[&str]| Past {
        clusters: clusters.iter().map(|c| (*c).to_owned()).collect(),
    };
    let with = |past: Past| Who {
        past,
        ..who(identity("cluster", None))
    };
    let keeper = keeper(&fake);
    assert!(keeper.keep(with(past(&["b", "a"]))).await.is_ok());
    assert_eq!(kept(&fake).await.past, past(&["b", "a"]));
    // A disk that was put back knows of fewer.
    assert!(keeper.keep(with(past(&["a"]))).await.is_ok());
    assert_eq!(
        kept(&fake).await.past,
        past(&["a", "b"]),
        "none is forgotten"
    );
    assert_eq!(start(&fake, None).await.unwrap().past, past(&["a", "b"]));
}

/// The Secret as it was released.
fn golden() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/secret.v1.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn the_secret_is_written_and_read_as_it_was_released() {
    let expected = Kept {
        identity: Some(Identity {
            key: vec![1; 32],
            certificates: vec![vec![2, 3]],
            hub: "hub".into(),
            cluster: "cluster".into(),
            addresses: vec!["hub.example.org:7443".into()],
            authorities: vec![vec![4]],
        }),
        former: Former {
            authorities: vec![vec![5]],
            identities: vec![FormerIdentity {
                key: vec![1; 32],
                certificates: vec![vec![2, 3]],
            }],
            addresses: vec!["old.example.org:7443".into()],
        },
        joining: Some(Joining {
            token: "0a1b".into(),
            key: vec![1; 32],
        }),
        spent: Spent {
            tokens: vec!["0a1b".into()],
        },
        past: Past::default(),
        detached: true,
        member_uid: "member".into(),
    };
    let fake = fake();
    fake.put(PATH, golden());
    assert_eq!(kept(&fake).await, expected);
    fake.remove(PATH);
    assert!(keeper(&fake).write(&expected, None).await.is_ok());
    let written = fake.get(PATH).unwrap();
    assert_eq!(written["data"], golden()["data"]);
    assert_eq!(written["type"], golden()["type"]);
}
