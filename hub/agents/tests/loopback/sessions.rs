//! Sessions over real UDP on loopback: what travels, what is kept, and who is turned away.

use crate::agent::{Agent, Say, names, stamp_of};
use crate::world::{Joined, MEMBER, SOON, UID, World, hello, item};
use bytes::Bytes;
use roadstead_protocol::host::tls;
use roadstead_protocol::session::AgentEvent;
use roadstead_protocol::wire::Revision;
use roadstead_protocol::wire::frame::{Mode, RefusalCode};
use roadstead_protocol::wire::report::{Health, ItemReport, ItemState};
use roadstead_store::records::{self, Liveness, ReportRecord};

fn liveness(world: &World) -> Option<Liveness> {
    let snapshot = world.volatile.snapshot();
    let key = records::liveness_key(UID).unwrap();
    snapshot
        .get(key.as_str())
        .map(|entry| records::decode(entry).unwrap())
}

fn acked(world: &World) -> Option<Revision> {
    let snapshot = world.volatile.snapshot();
    let key = records::acked_key(UID).unwrap();
    snapshot
        .get(key.as_str())
        .map(|entry| records::decode(entry).unwrap())
}

#[tokio::test]
async fn what_is_in_the_ledger_arrives_and_is_acknowledged_and_later_news_follow() {
    let world = World::start(1).await;
    let joined = world.join("prod", UID).await;
    assert_eq!(joined.granted.cluster, UID);
    world.put(UID, "a", Bytes::from_static(b"{\"a\":1}")).await;
    world
        .put(UID, "b", Bytes::from(vec![b'7'; 1_000_000]))
        .await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    let AgentEvent::Welcomed(welcome) = agent.event().await else {
        panic!("no welcome")
    };
    assert_eq!(
        (welcome.mode, welcome.cluster.as_str()),
        (Mode::Compare, UID)
    );
    assert_eq!(welcome.hub, world.authority.hub_id());
    assert_eq!(welcome.addresses, std::slice::from_ref(&world.address));
    let first = agent.changes(2).await;
    assert_eq!(
        names(&first),
        [("a".to_owned(), true), ("b".to_owned(), true)]
    );
    assert_eq!(first[1].content.as_ref().map(Bytes::len), Some(1_000_000));
    world.put(UID, "c", Bytes::from_static(b"{\"c\":1}")).await;
    let second = agent.changes(1).await;
    assert_eq!(names(&second), [("c".to_owned(), true)]);
    let last = stamp_of(&second[0]).revision;
    world
        .until("the acknowledgement", |w| {
            acked(w).is_some_and(|revision| revision >= last)
        })
        .await;
    assert!(liveness(&world).is_some_and(|l| l.connected && l.boot == 1));
}

#[tokio::test]
async fn an_agent_that_comes_back_resumes_and_liveness_follows() {
    let world = World::start(2).await;
    let joined = world.join("prod", UID).await;
    world.put(UID, "a", Bytes::from_static(b"{}")).await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    let first = agent.changes(1).await;
    let position = stamp_of(&first[0]);
    world
        .until("the acknowledgement", |w| {
            acked(w).is_some_and(|r| r >= position.revision)
        })
        .await;
    agent.reports.send(Say::Leave).await.unwrap();
    world
        .until("the end", |w| liveness(w).is_some_and(|l| !l.connected))
        .await;
    assert_eq!(world.metrics.sessions.get(), 0);
    world.put(UID, "b", Bytes::from_static(b"[]")).await;
    let again = roadstead_protocol::wire::frame::Hello {
        position: Some(position),
        ..hello(2, 2)
    };
    let mut agent = world.agent(&joined, again).await;
    let AgentEvent::Welcomed(welcome) = agent.event().await else {
        panic!("no welcome")
    };
    assert_eq!(welcome.mode, Mode::Resume);
    assert_eq!(names(&agent.changes(1).await), [("b".to_owned(), true)]);
    world
        .until("liveness", |w| {
            liveness(w).is_some_and(|l| l.connected && l.boot == 2)
        })
        .await;
}

#[tokio::test]
async fn acknowledged_tombstones_leave_the_ledger_and_a_wiped_agent_then_compares() {
    let world = World::start(3).await;
    let joined = world.join("prod", UID).await;
    world.put(UID, "a", Bytes::from_static(b"{}")).await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    let first = agent.changes(1).await;
    world.tombstone(UID, "a").await;
    assert_eq!(names(&agent.changes(1).await), [("a".to_owned(), false)]);
    let key = records::ledger_key(UID, &item("a")).unwrap();
    world
        .until("an empty ledger", |w| {
            w.store.snapshot().get(key.as_str()).is_none()
        })
        .await;
    agent.reports.send(Say::Leave).await.unwrap();
    // Its disk went back to before the tombstone, which the hub no longer has.
    let back = roadstead_protocol::wire::frame::Hello {
        position: Some(stamp_of(&first[0])),
        ..hello(2, 2)
    };
    let mut agent = world.agent(&joined, back).await;
    let AgentEvent::Welcomed(welcome) = agent.event().await else {
        panic!("no welcome")
    };
    assert_eq!(welcome.mode, Mode::Compare);
}

#[tokio::test]
async fn reports_and_facts_are_kept_apart_from_what_is_durable() {
    let world = World::start(4).await;
    let joined = world.join("prod", UID).await;
    world.put(UID, "a", Bytes::from_static(b"{}")).await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    let stamp = stamp_of(&agent.changes(1).await[0]);
    let durable = world.store.revision();
    let report = |state| ItemReport {
        key: item("a"),
        stamp,
        state,
        reason: "Applied".to_owned(),
        message: String::new(),
        generation: 3,
        health: Health::Healthy,
        status: Bytes::from_static(b"{\"ready\":true}"),
    };
    agent
        .reports
        .send(Say::Facts(Bytes::from_static(b"{\"version\":\"1.36\"}")))
        .await
        .unwrap();
    agent
        .reports
        .send(Say::Report(report(ItemState::Applied)))
        .await
        .unwrap();
    let key = records::report_key(UID, &item("a")).unwrap();
    let kept = |w: &World| {
        w.volatile
            .snapshot()
            .get(key.as_str())
            .map(|e| records::decode::<ReportRecord>(e).unwrap())
    };
    world
        .until("the report", |w| {
            kept(w).is_some_and(|r| r.state == ItemState::Applied && r.generation == 3)
        })
        .await;
    let facts = records::facts_key(UID).unwrap();
    world
        .until("the facts", |w| {
            w.volatile.snapshot().get(facts.as_str()).is_some()
        })
        .await;
    agent
        .reports
        .send(Say::Report(report(ItemState::Removed)))
        .await
        .unwrap();
    world.until("no report", |w| kept(w).is_none()).await;
    assert_eq!(
        world.store.revision(),
        durable,
        "reports wrote to the durable store"
    );
}

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
async fn an_acknowledgement_that_was_lost_is_made_up_for_by_the_position() {
    let world = World::start(15).await;
    let joined = world.join("prod", UID).await;
    world.put(UID, "a", Bytes::from_static(b"{}")).await;
    world.tombstone(UID, "b").await;
    let stamp = world.store.lineage().stamp(world.store.revision());
    let back = roadstead_protocol::wire::frame::Hello {
        position: stamp,
        ..hello(1, 1)
    };
    let mut agent = world.agent(&joined, back).await;
    let AgentEvent::Welcomed(welcome) = agent.event().await else {
        panic!("no welcome")
    };
    assert_eq!(welcome.mode, Mode::Resume);
    let key = records::ledger_key(UID, &item("b")).unwrap();
    world
        .until("an empty ledger", |w| {
            w.store.snapshot().get(key.as_str()).is_none()
        })
        .await;
}

#[tokio::test]
async fn a_hub_that_goes_down_says_when_to_come_back() {
    let mut world = World::start(8).await;
    let joined = world.join("prod", UID).await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    assert!(matches!(agent.event().await, AgentEvent::Welcomed(_)));
    drop(world.stop.take());
    loop {
        if let AgentEvent::Restarting(retry_in) = agent.event().await {
            assert!(!retry_in.is_zero());
            break;
        }
    }
    tokio::time::timeout(SOON, world.served.take().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(liveness(&world).is_some_and(|l| !l.connected));
}

#[tokio::test]
async fn every_agent_hears_when_to_come_back_and_not_all_at_once() {
    let mut world = World::start(27).await;
    let mut agents = Vec::new();
    for n in 0..40 {
        let (name, uid) = (format!("c{n}"), format!("22222222-2222-4222-8222-{n:012}"));
        world.attach(&name, &uid).await;
        let joined = world.join(&name, &uid).await;
        let mut agent = world.agent(&joined, hello(1, 1)).await;
        assert!(matches!(agent.event().await, AgentEvent::Welcomed(_)));
        agents.push(agent);
    }
    drop(world.stop.take());
    let mut waits = Vec::new();
    for agent in &mut agents {
        let wait = loop {
            if let AgentEvent::Restarting(retry_in) = agent.event().await {
                break retry_in;
            }
        };
        agent.reports.send(Say::Leave).await.unwrap();
        waits.push(wait);
    }
    waits.sort();
    waits.dedup();
    assert!(waits.len() > 30, "{waits:?}");
    let served = tokio::time::timeout(SOON, world.served.take().unwrap());
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_agent_that_reads_nothing_delays_no_other() {
    let world = World::start(9).await;
    let other_uid = "33333333-3333-4333-8333-333333333333";
    world.attach("edge", other_uid).await;
    let slow: Joined = world.join("prod", UID).await;
    let quick = world.join("edge", other_uid).await;
    for n in 0..20_u8 {
        world
            .put(UID, &format!("big-{n}"), Bytes::from(vec![n; 500_000]))
            .await;
    }
    // Says hello and never reads again.
    let connection = world
        .connect(&slow.identity, &world.authority)
        .await
        .unwrap();
    let (mut control, _unread) = connection.open_bi().await.unwrap();
    let frame = roadstead_protocol::wire::AgentFrame::Hello(hello(1, 1));
    let mut bytes = vec![0];
    bytes.extend(roadstead_protocol::wire::codec::encode(&frame).unwrap());
    control.write_all(&bytes).await.unwrap();
    world
        .until("the slow agent", |w| w.metrics.admitted.get() == 1)
        .await;
    let mut agent: Agent = world.agent(&quick, hello(1, 1)).await;
    world
        .put(other_uid, "small", Bytes::from_static(b"{}"))
        .await;
    assert_eq!(names(&agent.changes(1).await), [("small".to_owned(), true)]);
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
