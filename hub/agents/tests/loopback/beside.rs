//! Freezes, fetches and differences over real UDP on loopback: from a record to the agent, and back.

use bytes::Bytes;
use roadstead_protocol::session::AgentEvent;
use roadstead_protocol::wire::frame::{Freeze, Hello, features};
use roadstead_protocol::wire::limits;
use roadstead_protocol::wire::{Digest, Epoch, Meta, Revision, Stamp};
use roadstead_store::Txn;
use roadstead_store::records::{self, FetchRequest, FetchResult, FreezeRecord};

use crate::agent::{Agent, Say, names};
use crate::world::{UID, World, hello, item};

fn knowing() -> Hello {
    Hello {
        features: features::ALL,
        ..hello(1, 1)
    }
}

/// Writes a freeze; its stamp's revision.
async fn freeze(world: &World, record: FreezeRecord) -> Revision {
    let value = records::encode(&record).unwrap();
    let txn = Txn::new().put(records::freeze_key(UID).unwrap(), value);
    world.store.commit(txn).await.unwrap().last
}

fn frozen(reason: &str) -> FreezeRecord {
    FreezeRecord {
        frozen: true,
        reason: reason.to_owned(),
        replaces: None,
    }
}

async fn next_freeze(agent: &mut Agent) -> Freeze {
    loop {
        if let AgentEvent::Freeze(freeze) = agent.event().await {
            return freeze;
        }
    }
}

#[tokio::test]
async fn a_freeze_comes_before_any_change_and_again_when_it_changes() {
    let world = World::start(20).await;
    let joined = world.join("prod", UID).await;
    world.put(UID, "a", Bytes::from_static(b"{}")).await;
    let other = Stamp {
        epoch: Epoch(9),
        revision: Revision(7),
    };
    let record = FreezeRecord {
        replaces: Some(other),
        ..frozen("the move")
    };
    let revision = freeze(&world, record).await;
    let mut agent = world.agent(&joined, knowing()).await;
    assert!(matches!(agent.event().await, AgentEvent::Welcomed(_)));
    let AgentEvent::Freeze(first) = agent.event().await else {
        panic!("something came before the freeze")
    };
    assert_eq!(first.stamp, world.store.lineage().stamp(revision).unwrap());
    assert_eq!((first.frozen, first.reason.as_str()), (true, "the move"));
    assert_eq!(first.meta, [Meta::Replaces(other)]);
    // While it holds, changes go on being sent: it is for the agent to honour it.
    assert_eq!(names(&agent.changes(1).await), [("a".to_owned(), true)]);
    let lifted = freeze(&world, FreezeRecord::default()).await;
    let second = next_freeze(&mut agent).await;
    assert_eq!((second.frozen, second.stamp.revision), (false, lifted));
}

#[tokio::test]
async fn an_agent_that_cannot_be_frozen_gets_its_changes_when_it_is_over() {
    let world = World::start(21).await;
    let joined = world.join("prod", UID).await;
    freeze(&world, frozen("")).await;
    world.put(UID, "a", Bytes::from_static(b"{}")).await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    assert!(matches!(agent.event().await, AgentEvent::Welcomed(_)));
    let quiet = std::time::Duration::from_millis(300);
    assert!(tokio::time::timeout(quiet, agent.event()).await.is_err());
    freeze(&world, FreezeRecord::default()).await;
    assert_eq!(names(&agent.changes(1).await), [("a".to_owned(), true)]);
}

#[tokio::test]
async fn a_freeze_that_cannot_be_read_holds() {
    let world = World::start(22).await;
    let joined = world.join("prod", UID).await;
    let txn = Txn::new().put(records::freeze_key(UID).unwrap(), "{");
    world.store.commit(txn).await.unwrap();
    let mut agent = world.agent(&joined, knowing()).await;
    assert!(next_freeze(&mut agent).await.frozen);
}

async fn ask(world: &World, id: u64, name: &str) {
    let request = FetchRequest { key: item(name) };
    let key = records::fetch_key(UID, id).unwrap();
    let txn = Txn::new().put(key, records::encode(&request).unwrap());
    world.volatile.commit(txn).await.unwrap();
}

fn answer(world: &World, id: u64) -> Option<FetchResult> {
    let key = records::fetched_key(UID, id).unwrap();
    let snapshot = world.volatile.snapshot();
    let entry = snapshot.get(key.as_str())?;
    Some(records::decode(entry).unwrap())
}

/// Answers the next question.
async fn reply(agent: &mut Agent, content: Result<Bytes, String>) -> u64 {
    loop {
        if let AgentEvent::Fetch(fetch) = agent.event().await {
            let say = Say::Fetched(fetch.id, fetch.key, content);
            agent.reports.send(say).await.unwrap();
            return fetch.id;
        }
    }
}

#[tokio::test]
async fn what_is_asked_is_answered_also_more_than_fits_at_a_time() {
    let world = World::start(23).await;
    let joined = world.join("prod", UID).await;
    let count = u64::try_from(limits::FETCHES_MAX).unwrap() * 2 + 1;
    ask(&world, 0, "early").await;
    let mut agent = world.agent(&joined, knowing()).await;
    for id in 1..count {
        ask(&world, id, "later").await;
    }
    for _ in 0..count {
        let id = reply(&mut agent, Ok(Bytes::from_static(b"{\"a\":1}"))).await;
        world.until("the answer", |w| answer(w, id).is_some()).await;
        let Some(FetchResult::Content(raw)) = answer(&world, id) else {
            panic!("a problem")
        };
        assert_eq!(raw.get(), "{\"a\":1}");
    }
}

#[tokio::test]
async fn problems_are_told_and_what_nobody_waits_for_is_not_kept() {
    let world = World::start(24).await;
    let joined = world.join("prod", UID).await;
    let mut agent = world.agent(&joined, knowing()).await;
    for (content, told) in [
        (Err("it is not there".to_owned()), "it is not there"),
        (Ok(Bytes::from_static(b"no json")), "no JSON"),
    ] {
        ask(&world, 1, "a").await;
        assert_eq!(reply(&mut agent, content).await, 1);
        world.until("the answer", |w| answer(w, 1).is_some()).await;
        let Some(FetchResult::Problem(problem)) = answer(&world, 1) else {
            panic!("content")
        };
        assert!(problem.contains(told), "{problem}");
        let both = Txn::new()
            .delete(records::fetch_key(UID, 1).unwrap())
            .delete(records::fetched_key(UID, 1).unwrap());
        world.volatile.commit(both).await.unwrap();
    }
    ask(&world, 2, "a").await;
    let fetch = loop {
        if let AgentEvent::Fetch(fetch) = agent.event().await {
            break fetch;
        }
    };
    let gone = Txn::new().delete(records::fetch_key(UID, 2).unwrap());
    world.volatile.commit(gone).await.unwrap();
    ask(&world, 3, "b").await;
    let say = Say::Fetched(fetch.id, fetch.key, Ok(Bytes::from_static(b"{}")));
    agent.reports.send(say).await.unwrap();
    reply(&mut agent, Ok(Bytes::from_static(b"{}"))).await;
    world.until("the answer", |w| answer(w, 3).is_some()).await;
    assert!(answer(&world, 2).is_none());
}

/// A content of some 100 kB that nothing compresses, with one field that changes.
fn large(field: &str) -> Bytes {
    let words: Vec<String> = (0_u32..1_500)
        .map(|n| Digest::of(&n.to_be_bytes()).to_string())
        .collect();
    format!(
        "{{\"field\":\"{field}\",\"words\":\"{}\"}}",
        words.join(" ")
    )
    .into()
}

#[tokio::test]
async fn one_field_of_a_large_object_travels_in_less_than_2_kb() {
    let world = World::start(26).await;
    let joined = world.join("prod", UID).await;
    let connection = world
        .connect(&joined.identity, &world.authority)
        .await
        .unwrap();
    let mut agent = Agent::start(connection.clone(), knowing());
    world.put(UID, "a", large("one")).await;
    agent.changes(1).await;
    // Nothing of it is left on its way.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let bytes = || {
        let stats = connection.stats();
        stats.udp_rx.bytes + stats.udp_tx.bytes
    };
    let before = bytes();
    world.put(UID, "a", large("two")).await;
    let changes = agent.changes(1).await;
    assert_eq!(changes[0].content, Some(large("two")));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let travelled = bytes() - before;
    assert!(travelled < 2_000, "{travelled} bytes");
}

#[tokio::test]
async fn no_difference_from_another_clusters_content_is_sent() {
    let world = World::start(27).await;
    let joined = world.join("prod", UID).await;
    // Another cluster has it, and this one's agent guesses so.
    let other = "22222222-2222-4222-8222-222222222222";
    world.put(other, "secret", large("guessed")).await;
    let connection = world
        .connect(&joined.identity, &world.authority)
        .await
        .unwrap();
    let claims = vec![(item("a"), large("guessed"))];
    let mut agent = Agent::claiming(connection.clone(), knowing(), claims);
    world.put(UID, "a", large("own")).await;
    let changes = agent.changes(1).await;
    assert_eq!(changes[0].content, Some(large("own")));
    let heard = connection.stats().udp_rx.bytes;
    assert!(heard > 50_000, "{heard} bytes tell that the hub has it");
}

#[tokio::test]
async fn an_agent_that_cannot_show_objects_is_not_asked() {
    let world = World::start(25).await;
    let joined = world.join("prod", UID).await;
    let mut agent = world.agent(&joined, hello(1, 1)).await;
    assert!(matches!(agent.event().await, AgentEvent::Welcomed(_)));
    ask(&world, 1, "a").await;
    world.until("the answer", |w| answer(w, 1).is_some()).await;
    let Some(FetchResult::Problem(problem)) = answer(&world, 1) else {
        panic!("content")
    };
    assert!(problem.contains("upgrade"), "{problem}");
}
