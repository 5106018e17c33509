//! Hubs whose clock was far ahead once, and identities that were replaced.

use super::years::{DAY, World, enrolment, joined, refusal, registrar, token};
use super::*;
use roadstead_protocol::host::SecretKey;
use roadstead_protocol::host::enrol::{EnrolRequest, Refusal, RefusalCode, Registrar as _};

async fn forgets(world: &World) -> Authority {
    Authority::forget_time(&world.store, &world.env)
        .await
        .unwrap();
    world.load().await
}

async fn enrol(authority: &Authority, request: EnrolRequest) -> Result<String, Refusal> {
    let answer = registrar(authority).enrol(request).await;
    answer.map(|granted| granted.cluster)
}

#[tokio::test]
async fn authorities_that_were_made_ahead_lock_nobody_out() {
    let world = World::new().await;
    world.day(2000);
    world.load().await;
    world.day(0);
    let authority = forgets(&world).await;
    assert_eq!(authority.clock().behind(), 0);
    let crypto = Crypto::ring(&world.env);
    let admin = authority.rest_identity("admin", "system:masters").unwrap();
    let server = authority.rest_server(&crypto, &[]).unwrap();
    let user = client(&authority, &crypto, Some(&admin));
    assert!(!shake(server, user, "localhost").unwrap().is_empty());
    let agent = joined(&world, &authority, &token(&authority).await).await;
    let server = authority.agents_server(&crypto).unwrap();
    let session = tls::session_client(&crypto, &agent, &authority.agents_authorities()).unwrap();
    assert!(!shake(server, session, tls::HUB_NAME).unwrap().is_empty());
}

#[tokio::test]
async fn a_cluster_that_joined_ahead_is_renewed_once_the_time_is_forgotten() {
    let world = World::new().await;
    let authority = world.load().await;
    let stranger = joined(&world, &authority, &token(&authority).await).await;
    world.day(300);
    let authority = world.load().await;
    let agent = joined(&world, &authority, &token(&authority).await).await;
    world.day(1);
    let authority = forgets(&world).await;
    for _ in 0..2 {
        assert_eq!(refusal(&world, &authority, &agent).await, None);
        // One that is made today, as a renewed one is.
        let today = years::agent(&authority);
        assert_eq!(refusal(&world, &authority, &today).await, None);
    }
    let (code, _) = refusal(&world, &authority, &stranger).await.unwrap();
    assert_eq!(code, RefusalCode::Unknown, "and who was replaced stays out");
}

#[tokio::test]
async fn who_was_replaced_does_not_come_back_by_its_old_join_string() {
    let world = World::new().await;
    let authority = world.load().await;
    let (first, second) = (token(&authority).await, token(&authority).await);
    let (old, new) = (
        SecretKey::generate(&world.env),
        SecretKey::generate(&world.env),
    );
    // An answer may get lost: it is given again.
    for _ in 0..2 {
        let answer = enrol(&authority, enrolment(&first, &old)).await;
        assert_eq!(answer.unwrap(), "a1");
    }
    world.seconds(60);
    for _ in 0..2 {
        let answer = enrol(&authority, enrolment(&second, &new)).await;
        assert_eq!(answer.unwrap(), "a1");
    }
    let refused = enrol(&authority, enrolment(&first, &old)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Used);
    assert!(refused.message.contains("joined anew since"), "{refused:?}");
    assert!(refused.message.contains("roadstead join"), "{refused:?}");
}

#[tokio::test]
async fn who_was_replaced_while_the_clock_was_ahead_stays_out_as_well() {
    let world = World::new().await;
    world.day(300);
    let authority = world.load().await;
    let (first, second) = (token(&authority).await, token(&authority).await);
    let old = SecretKey::generate(&world.env);
    enrol(&authority, enrolment(&first, &old)).await.unwrap();
    world.seconds(300 * DAY + 60);
    joined(&world, &authority, &second).await;
    world.day(0);
    let authority = forgets(&world).await;
    let refused = enrol(&authority, enrolment(&first, &old)).await;
    assert_eq!(refused.unwrap_err().code, RefusalCode::Used);
}
