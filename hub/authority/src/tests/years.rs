//! Years of an authority: successors, former ones, replaced identities, and clocks that went back.

use std::sync::atomic::{AtomicI64, Ordering};

use roadstead_protocol::env::WallClock;
use roadstead_protocol::host::enrol::{EnrolRequest, RefusalCode, Registrar as _, RenewRequest};
use roadstead_protocol::host::{JoinToken, SecretKey};
use roadstead_store::records;

use super::*;

pub(super) const DAY: i64 = 24 * 3600;
/// 2026-12-01.
const BEGIN: i64 = 1_796_083_200;
const UID: &str = "a1";

struct Put(AtomicI64);

impl WallClock for Put {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// A hub's store, and a clock that is set.
pub(super) struct World {
    clock: Arc<Put>,
    pub(super) env: Env,
    pub(super) store: Store,
}

impl World {
    pub(super) async fn new() -> Self {
        let clock = Arc::new(Put(BEGIN.into()));
        let env = Env {
            clock: clock.clone(),
            ..system::env()
        };
        let store = store(&env).await;
        let cluster = r#"{"metadata":{"name":"prod","namespace":"default","uid":"a1"}}"#;
        let key = records::object_key("cluster.kurator.dev", "attachedclusters", "default", "prod");
        let made = Txn::new().put(key.unwrap(), cluster);
        store.commit(made).await.unwrap();
        Self { clock, env, store }
    }

    pub(super) fn day(&self, day: i64) {
        self.seconds(day * DAY);
    }

    pub(super) fn seconds(&self, after: i64) {
        self.clock.0.store(BEGIN + after, Ordering::Relaxed);
    }

    pub(super) async fn load(&self) -> Authority {
        Authority::load_or_create(&self.store, &self.env)
            .await
            .unwrap()
    }

    /// Another store with what this one holds now: a backup, put back.
    async fn copy(&self) -> Self {
        let store = store(&self.env).await;
        let snapshot = self.store.snapshot();
        let mut txn = Txn::new();
        for entry in snapshot.range("/") {
            txn = txn.put(entry.key.clone(), entry.value.clone());
        }
        store.commit(txn).await.unwrap();
        Self {
            clock: self.clock.clone(),
            env: self.env.clone(),
            store,
        }
    }
}

pub(super) fn registrar(authority: &Authority) -> HubRegistrar {
    authority.registrar(vec!["127.0.0.1:7443".to_owned()])
}

/// An agent's certificate, made now.
pub(super) fn agent(authority: &Authority) -> Identity {
    let profile = Profile::Agent {
        cluster_uid: UID.to_owned(),
    };
    tls::sign(authority.env(), &authority.agents().unwrap(), &profile).unwrap()
}

fn renewal(world: &World, old: &Identity) -> RenewRequest {
    RenewRequest {
        release: "test".to_owned(),
        certificate: old.chain[0].to_vec(),
        request: tls::make_request(&SecretKey::generate(&world.env)).unwrap(),
        proof: old.key.sign(b"this connection").unwrap(),
    }
}

/// Whether a hub renews the certificate: why not, for programs and people.
pub(super) async fn refusal(
    world: &World,
    authority: &Authority,
    old: &Identity,
) -> Option<(RefusalCode, String)> {
    let request = renewal(world, old);
    let registrar = registrar(authority);
    let answer = registrar.renew(request, b"this connection").await;
    answer.err().map(|r| (r.code, r.message))
}

pub(super) async fn token(authority: &Authority) -> JoinToken {
    let issue = Issue {
        cluster_uid: UID.to_owned(),
        namespace: "default".to_owned(),
        name: "prod".to_owned(),
        addresses: vec!["127.0.0.1:7443".to_owned()],
        life: TOKEN_LIFE_DEFAULT,
    };
    authority.issue_token(issue).await.unwrap()
}

pub(super) fn enrolment(token: &JoinToken, key: &SecretKey) -> EnrolRequest {
    EnrolRequest {
        release: "test".to_owned(),
        token: token.id.clone(),
        secret: token.secret,
        request: tls::make_request(key).unwrap(),
        member_uid: "m".to_owned(),
    }
}

/// An agent that redeems a token.
pub(super) async fn joined(world: &World, authority: &Authority, token: &JoinToken) -> Identity {
    let key = SecretKey::generate(&world.env);
    let granted = registrar(authority).enrol(enrolment(token, &key)).await;
    let chain = granted.unwrap().chain.into_iter().map(Into::into).collect();
    Identity { chain, key }
}

#[tokio::test]
async fn a_successor_is_announced_then_signs_and_the_one_before_is_kept() {
    let world = World::new().await;
    let authority = world.load().await;
    let old = agent(&authority);
    let (first, pin) = (authority.agents_authorities(), authority.agents_pins());
    let mut changes = authority.changes();
    let standing = authority.rotate(false).await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_eq!(standing.generation, 1);
    assert_eq!(authority.agents_authorities().len(), 2, "it is announced");
    // Asked for again, there is still one.
    assert_eq!(authority.rotate(false).await.unwrap(), standing);
    assert!(!changes.has_changed().unwrap());
    world.day(99);
    assert_eq!(world.load().await.standing().generation, 1);
    world.day(101);
    let authority = world.load().await;
    let standing = authority.standing();
    assert_eq!((standing.generation, standing.former), (2, 1));
    let second = authority.agents_authorities();
    assert_eq!(second.len(), 1);
    assert_ne!(second, first, "agents trust the successor alone");
    assert!(authority.agents_pins().contains(&pin[0]), "tokens pin both");
    assert_eq!(refusal(&world, &authority, &old).await, None);
    world.day(101 + 454);
    let kept = world.load().await;
    let (code, _) = refusal(&world, &kept, &old).await.unwrap();
    assert_eq!(code, RefusalCode::Expired, "known, and too old");
    world.day(101 + 457);
    let gone = world.load().await;
    assert_eq!(gone.standing().former, 0);
    let (code, message) = refusal(&world, &gone, &old).await.unwrap();
    assert_eq!(code, RefusalCode::Unknown, "{message}");
}

#[tokio::test]
async fn an_announced_successor_can_be_told_to_sign_at_once() {
    let world = World::new().await;
    let authority = world.load().await;
    authority.rotate(false).await.unwrap();
    let announced = authority.agents_authorities()[1].clone();
    world.day(1);
    let standing = authority.rotate(true).await.unwrap();
    assert_eq!((standing.generation, standing.successor), (2, None));
    assert_eq!(authority.agents_authorities(), [announced]);
    assert_eq!(world.load().await.standing(), standing, "and it lasts");
    assert_eq!(authority.rotate(true).await.unwrap().generation, 3);
}

#[tokio::test]
async fn a_successor_comes_by_itself_two_years_before_the_end() {
    let world = World::new().await;
    let authority = world.load().await;
    let written = world.store.revision();
    world.day(3650 - 735);
    authority.tend().await.unwrap();
    assert_eq!(authority.standing().successor, None);
    world.day(3650 - 725);
    authority.tend().await.unwrap();
    assert!(authority.standing().successor.is_some());
    assert!(world.store.revision() > written);
    let written = world.store.revision();
    authority.tend().await.unwrap();
    assert_eq!(world.store.revision(), written, "and once");
}

#[tokio::test]
async fn a_hub_put_back_to_before_the_change_says_so_and_renews_what_it_gave() {
    let world = World::new().await;
    let authority = world.load().await;
    let first = agent(&authority);
    let backup = world.copy().await;
    world.day(1);
    authority.rotate(true).await.unwrap();
    let second = agent(&authority);
    let restored = backup.load().await;
    assert_eq!(restored.hub_id(), authority.hub_id());
    let (code, message) = refusal(&backup, &restored, &second).await.unwrap();
    assert_eq!(code, RefusalCode::Unknown);
    assert!(message.contains("restored from a backup"), "{message}");
    assert!(message.contains("roadstead join"), "{message}");
    assert_eq!(refusal(&backup, &restored, &first).await, None);
    // And the hub as it was, put back in its place, knows both.
    let (code, third) = (None, agent(&restored));
    assert_eq!(refusal(&world, &authority, &third).await, code);
    assert_eq!(refusal(&world, &authority, &second).await, code);
}

#[tokio::test]
async fn who_is_joined_anew_makes_certificates_from_before_worthless() {
    let world = World::new().await;
    let authority = world.load().await;
    let old = agent(&authority);
    assert_eq!(refusal(&world, &authority, &old).await, None);
    world.day(30);
    let new = joined(&world, &authority, &token(&authority).await).await;
    let (code, message) = refusal(&world, &authority, &old).await.unwrap();
    assert_eq!(code, RefusalCode::Unknown);
    assert!(message.contains("joined anew at"), "{message}");
    assert_eq!(refusal(&world, &authority, &new).await, None);
    // Also where the hub starts with the clock of the day before.
    world.day(0);
    let authority = world.load().await;
    assert_eq!(refusal(&world, &authority, &new).await, None);
    let renewed = agent(&authority);
    assert_eq!(refusal(&world, &authority, &renewed).await, None);
    assert!(refusal(&world, &authority, &old).await.is_some());
}

#[tokio::test]
async fn a_clock_that_went_back_is_not_believed_and_one_that_was_ahead_is_forgotten() {
    let world = World::new().await;
    world.day(300);
    let authority = world.load().await;
    let made = agent(&authority);
    world.day(0);
    let authority = world.load().await;
    assert_eq!(authority.clock().behind(), 300 * DAY);
    let again = agent(&authority);
    let from = |one: &Identity| tls::not_before(&one.chain[0]).unwrap();
    assert!(from(&again) >= from(&made));
    Authority::forget_time(&world.store, &world.env)
        .await
        .unwrap();
    let authority = world.load().await;
    assert_eq!(authority.clock().behind(), 0);
    // What was made with a date ahead is good once its holder has had it renewed.
    assert_eq!(refusal(&world, &authority, &made).await, None);
}

#[tokio::test]
async fn nothing_is_written_while_nothing_is_due() {
    let world = World::new().await;
    let authority = world.load().await;
    let written = world.store.revision();
    for hour in 0..24 {
        world.seconds(hour * 3600);
        authority.tend().await.unwrap();
    }
    assert_eq!(world.store.revision(), written);
}
