//! Who is turned away over real UDP on loopback, and what it is told.

use roadstead_protocol::host::tls;
use roadstead_protocol::session::AgentEvent;
use roadstead_protocol::wire::frame::RefusalCode;
use roadstead_store::records;

use crate::sessions::liveness;
use crate::world::{MEMBER, SOON, UID, World, hello};

#[tokio::test]
async fn the_newest_start_replaces_and_an_older_one_is_refused() {
    let world = World::start(5).await;
    let joined = world.join("prod", UID).await;
    let mut first = world.agent(&joined, hello(5, 1)).await;
    assert!(matches!(first.event().await, AgentEvent::Welcomed(_)));
    let mut second = world.agent(&joined, hello(6, 2)).await;
    assert!(matches!(second.event().await, AgentEvent::Welcomed(_)));
    assert_eq!(first.refusal().await.0, RefusalCode::Replaced);
    let mut older = world.agent(&joined, hello(5, 1)).await;
    let (code, message) = older.refusal().await;
    assert_eq!(code, RefusalCode::OlderBoot);
    assert!(
        message.contains("start 5") && message.contains("start 6"),
        "{message}"
    );
    let mut twin = world.agent(&joined, hello(6, 3)).await;
    assert_eq!(twin.refusal().await.0, RefusalCode::OlderBoot);
    assert!(liveness(&world).is_some_and(|l| l.connected && l.boot == 6));
    // A new token begins anew, for a member whose folder was lost; who is there has to go.
    let again = world.join("prod", UID).await;
    let mut fresh = world.agent(&again, hello(1, 9)).await;
    assert!(matches!(fresh.event().await, AgentEvent::Welcomed(_)));
    assert_eq!(second.refusal().await.0, RefusalCode::Replaced);
}

#[tokio::test]
async fn an_identity_that_was_copied_to_another_member_is_refused() {
    let world = World::start(6).await;
    let joined = world.join("prod", UID).await;
    let other = roadstead_protocol::wire::frame::Hello {
        member_uid: "member-2".to_owned(),
        ..hello(9, 9)
    };
    assert_ne!(other.member_uid, MEMBER);
    let mut agent = world.agent(&joined, other).await;
    let (code, message) = agent.refusal().await;
    assert_eq!(code, RefusalCode::OtherMember);
    assert!(message.contains("roadstead join"), "{message}");
}

#[tokio::test]
async fn a_detached_cluster_is_told_so_at_once_and_ever_after() {
    let world = World::start(7).await;
    let joined = world.join("prod", UID).await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    assert!(matches!(agent.event().await, AgentEvent::Welcomed(_)));
    world.detach("prod", UID).await;
    assert_eq!(agent.refusal().await.0, RefusalCode::Detached);
    // A cluster of the same name is another one.
    world
        .attach("prod", "22222222-2222-4222-8222-222222222222")
        .await;
    let mut again = world.agent(&joined, hello(2, 2)).await;
    assert_eq!(again.refusal().await.0, RefusalCode::Detached);
    let seen = records::seen_key(UID).unwrap();
    let revoked = |w: &World| {
        let snapshot = w.store.snapshot();
        snapshot
            .get(seen.as_str())
            .is_some_and(|e| records::decode::<records::SeenRecord>(e).unwrap().revoked)
    };
    world.until("the mark", revoked).await;
}

#[tokio::test]
async fn a_cluster_that_the_hub_merely_does_not_know_is_not_detached() {
    let world = World::start(14).await;
    let joined = world.join("prod", UID).await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    assert!(matches!(agent.event().await, AgentEvent::Welcomed(_)));
    world.lose("prod").await;
    assert_eq!(agent.refusal().await.0, RefusalCode::UnknownCluster);
    let mut again = world.agent(&joined, hello(2, 2)).await;
    let (code, message) = again.refusal().await;
    assert_eq!(code, RefusalCode::UnknownCluster);
    assert!(message.contains("nobody detached it"), "{message}");
    // It is known again, as after a better backup.
    world.attach("prod", UID).await;
    let mut welcome = world.agent(&joined, hello(3, 3)).await;
    assert!(matches!(welcome.event().await, AgentEvent::Welcomed(_)));
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_session() {
    let world = World::start(10).await;
    let joined = world.join("prod", UID).await;
    for (bytes, reason) in [
        (&[9_u8][..], "names no lane"),
        (&[0, 0xff, 0xff, 0xff, 0xff], "no frame"),
        (&[0, 0, 0, 0, 2, 0xff, 0xff], "no frame"),
        (&[3], "not its to open"),
    ] {
        let connection = world
            .connect(&joined.identity, &world.authority)
            .await
            .unwrap();
        let (mut control, _unread) = connection.open_bi().await.unwrap();
        control.write_all(bytes).await.unwrap();
        let closed = tokio::time::timeout(SOON, connection.closed())
            .await
            .unwrap();
        let quinn::ConnectionError::ApplicationClosed(close) = closed else {
            panic!("{closed}")
        };
        let text = String::from_utf8_lossy(&close.reason).into_owned();
        assert!(text.contains(reason), "{text}");
    }
    world
        .until("the count", |w| w.metrics.violations.get() == 4)
        .await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_none_is_refused() {
    let world = World::start(11).await;
    let stranger = World::start(12).await;
    let theirs = stranger.join("prod", UID).await;
    // It trusts our hub, but our hub does not trust it.
    let lost = match world.connect(&theirs.identity, &world.authority).await {
        Ok(connection) => tokio::time::timeout(SOON, connection.closed())
            .await
            .unwrap(),
        Err(roadstead_protocol::host::endpoint::EndpointError::Handshake { source, .. }) => source,
        Err(other) => panic!("{other}"),
    };
    let text = roadstead_protocol::host::endpoint::explain(&lost);
    assert!(
        text.contains("another authority") || text.contains("not acceptable"),
        "{text}"
    );
    // A hub's own certificate is no agent's.
    let hub = world
        .authority
        .rest_identity("admin", "system:masters")
        .unwrap();
    let closed = match world.connect(&hub, &world.authority).await {
        Ok(connection) => tokio::time::timeout(SOON, connection.closed())
            .await
            .unwrap(),
        Err(roadstead_protocol::host::endpoint::EndpointError::Handshake { source, .. }) => source,
        Err(other) => panic!("{other}"),
    };
    assert!(
        !matches!(closed, quinn::ConnectionError::TimedOut),
        "{closed}"
    );
    assert!(tls::cluster_uid(&hub.chain[0]).is_err());
    assert_eq!(world.metrics.admitted.get(), 0);
}

#[tokio::test]
async fn a_crowd_proves_its_addresses_and_finds_as_much_room_as_there_is() {
    let options = roadstead_agents::Options {
        sessions_max: 1,
        handshakes_max: 1,
        ..Default::default()
    };
    let world = World::start_with(13, options).await;
    let other_uid = "33333333-3333-4333-8333-333333333333";
    world.attach("edge", other_uid).await;
    let (one, two) = (
        world.join("prod", UID).await,
        world.join("edge", other_uid).await,
    );
    let mut first = world.agent(&one, hello(1, 1)).await;
    assert!(matches!(first.event().await, AgentEvent::Welcomed(_)));
    let mut second = world.agent(&two, hello(1, 1)).await;
    assert_eq!(second.refusal().await.0, RefusalCode::Busy);
}
