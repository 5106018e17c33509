//! Joining over real UDP on loopback: once, in time, at the right hub, for a cluster that is there.

use std::time::Duration;

use roadstead_protocol::host::enrol::{EnrolError, Granted, RefusalCode, TokenSecret};
use roadstead_protocol::host::{Identity, JoinToken, SecretKey, tls};
use roadstead_protocol::session::AgentEvent;

use crate::world::{Joined, SOON, UID, World, hello, identity};

#[track_caller]
fn check(refused: Result<Joined, EnrolError>, code: RefusalCode, says: &str) {
    match refused {
        Err(EnrolError::Refused(refusal)) => {
            assert_eq!(refusal.code, code, "{refusal}");
            assert!(refusal.message.contains(says), "{refusal}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was granted"),
    }
}

#[tokio::test]
async fn a_token_lets_in_one_agent_once() {
    let world = World::start(21).await;
    let token = world.token("prod", UID).await;
    let text = token.encode().unwrap();
    let token: JoinToken = text.parse().unwrap();
    let joined = world.enrol(&token).await.unwrap();
    assert_eq!(tls::cluster_uid(&joined.identity.chain[0]).unwrap(), UID);
    assert_eq!(joined.granted.hub, world.authority.hub_id());
    check(world.enrol(&token).await, RefusalCode::Used, "used already");
}

#[tokio::test]
async fn an_agent_whose_answer_was_lost_may_ask_again_with_its_key() {
    let world = World::start(29).await;
    let token = world.token("prod", UID).await;
    let key = SecretKey::generate(&world.env);
    world.enrol_with(&token, &key).await.unwrap();
    let seen = world.store.revision();
    let again = world.enrol_with(&token, &key).await.unwrap();
    assert_eq!(tls::cluster_uid(&again.identity.chain[0]).unwrap(), UID);
    assert_eq!(world.store.revision(), seen);
    check(world.enrol(&token).await, RefusalCode::Used, "used already");
    world.later(Duration::from_secs(3601));
    check(
        world.enrol_with(&token, &key).await,
        RefusalCode::Expired,
        "expired at",
    );
}

#[tokio::test]
async fn of_many_agents_with_one_token_one_gets_in() {
    let world = World::start(22).await;
    let token = world.token("prod", UID).await;
    let (a, b, c) = tokio::join!(
        world.enrol(&token),
        world.enrol(&token),
        world.enrol(&token)
    );
    assert_eq!(
        [a.is_ok(), b.is_ok(), c.is_ok()]
            .iter()
            .filter(|ok| **ok)
            .count(),
        1
    );
    for lost in [a, b, c].into_iter().filter(Result::is_err) {
        check(lost, RefusalCode::Used, "used already");
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let world = World::start(23).await;
    let token = world.token("prod", UID).await;
    world.later(Duration::from_secs(3601));
    check(
        world.enrol(&token).await,
        RefusalCode::Expired,
        "expired at",
    );
}

#[tokio::test]
async fn a_forged_token_is_refused_and_costs_the_true_one_nothing() {
    let world = World::start(24).await;
    let token = world.token("prod", UID).await;
    let forged = JoinToken {
        secret: TokenSecret([7; 32]),
        ..token.clone()
    };
    check(
        world.enrol(&forged).await,
        RefusalCode::Unknown,
        "knows no such join token",
    );
    let unknown = JoinToken {
        id: "0123456789abcdef".to_owned(),
        ..token.clone()
    };
    check(
        world.enrol(&unknown).await,
        RefusalCode::Unknown,
        "knows no such join token",
    );
    let hostile = JoinToken {
        id: "../authority/hub".to_owned(),
        ..token.clone()
    };
    check(
        world.enrol(&hostile).await,
        RefusalCode::Unknown,
        "knows no such join token",
    );
    assert!(world.enrol(&token).await.is_ok());
}

#[tokio::test]
async fn a_token_of_another_hub_is_told_so_before_its_secret_leaves() {
    let world = World::start(25).await;
    let other = World::start(26).await;
    let token = JoinToken {
        addresses: vec![other.address.clone()],
        ..world.token("prod", UID).await
    };
    match world.enrol(&token).await {
        Err(error @ EnrolError::Foreign(_)) => assert!(
            error.to_string().contains("is not the one that made"),
            "{error}"
        ),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was granted"),
    }
    assert_eq!(other.metrics.enrolments.get(), 0);
}

#[tokio::test]
async fn a_token_of_a_cluster_that_is_gone_is_refused() {
    let world = World::start(27).await;
    let token = world.token("prod", UID).await;
    world.detach("prod", UID).await;
    check(
        world.enrol(&token).await,
        RefusalCode::Detached,
        "no longer at this hub",
    );
    // Not for another cluster of that name either.
    world
        .attach("prod", "22222222-2222-4222-8222-222222222222")
        .await;
    check(
        world.enrol(&token).await,
        RefusalCode::Detached,
        "no longer at this hub",
    );
}

#[tokio::test]
async fn nobody_at_the_address_is_told_with_the_address() {
    let world = World::start(28).await;
    let token = JoinToken {
        addresses: vec!["127.0.0.1:1".to_owned()],
        ..world.token("prod", UID).await
    };
    let refused = tokio::time::timeout(3 * SOON, world.enrol(&token))
        .await
        .unwrap();
    let Err(EnrolError::Connect(error)) = refused else {
        panic!("it did not fail to connect")
    };
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[track_caller]
fn refused(refused: Result<Granted, EnrolError>, code: RefusalCode, says: &str) {
    let Err(EnrolError::Refused(refusal)) = refused else {
        panic!("it was not refused: {refused:?}")
    };
    assert_eq!(refusal.code, code, "{refusal}");
    assert!(refusal.message.contains(says), "{refusal}");
}

#[tokio::test]
async fn a_certificate_is_renewed_by_its_key_alone_even_after_its_end() {
    let world = World::start(30).await;
    let joined = world.join("prod", UID).await;
    let key = SecretKey::generate(&world.env);
    world.later(Duration::from_secs(100 * 24 * 3600));
    let granted = world.renew(&joined.identity, &key).await.unwrap();
    assert_eq!(granted.cluster, UID);
    let renewed = identity(&granted, key.clone());
    assert!(
        tls::not_after(&renewed.chain[0]).unwrap()
            > tls::not_after(&joined.identity.chain[0]).unwrap()
    );
    // The old one no longer opens a session, the new one does.
    let mut agent = world
        .agent(
            &Joined {
                identity: renewed,
                granted,
            },
            hello(1, 1),
        )
        .await;
    assert!(matches!(agent.event().await, AgentEvent::Welcomed(_)));
    let stolen = Identity {
        key: key.clone(),
        ..joined.identity.clone()
    };
    refused(
        world.renew(&stolen, &key).await,
        RefusalCode::Unknown,
        "its key is another's",
    );
}

#[tokio::test]
async fn neither_a_detached_cluster_nor_a_stranger_renews() {
    let world = World::start(31).await;
    let other = World::start(32).await;
    let (joined, theirs) = (world.join("prod", UID).await, other.join("prod", UID).await);
    let key = SecretKey::generate(&world.env);
    refused(
        world.renew(&theirs.identity, &key).await,
        RefusalCode::Unknown,
        "did not give",
    );
    world.lose("prod").await;
    refused(
        world.renew(&joined.identity, &key).await,
        RefusalCode::Unavailable,
        "does not know",
    );
    world.attach("prod", UID).await;
    world.detach("prod", UID).await;
    refused(
        world.renew(&joined.identity, &key).await,
        RefusalCode::Detached,
        "detached",
    );
}
