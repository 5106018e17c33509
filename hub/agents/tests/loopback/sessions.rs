//! Sessions over real UDP on loopback: what travels and what is kept.

use crate::agent::{Agent, Say, names, stamp_of};
use crate::world::{Joined, SOON, UID, World, hello, item};
use bytes::Bytes;
use roadstead_protocol::session::AgentEvent;
use roadstead_protocol::wire::Revision;
use roadstead_protocol::wire::frame::Mode;
use roadstead_protocol::wire::report::{Health, ItemReport, ItemState};
use roadstead_store::records::{self, Liveness, ReportRecord};

/// What the hub noted of the agent of the first cluster.
pub(crate) fn liveness(world: &World) -> Option<Liveness> {
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
