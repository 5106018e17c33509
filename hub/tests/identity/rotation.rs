//! Certificates are renewed beside sessions, after their end for a year, and not after that.

use std::time::Duration;

use roadstead_protocol::env::WallClock as _;

use crate::stage::{DAY, HUB, LOOK, Stage};

#[tokio::test]
async fn a_certificate_is_renewed_and_the_session_notices_nothing() {
    let stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    let before = stage.liveness(&cluster.uid).unwrap();
    stage.day(61);
    tokio::time::sleep(20 * LOOK).await;
    let after = stage.liveness(&cluster.uid).unwrap();
    assert_eq!(
        (after.since, after.connected),
        (before.since, true),
        "the session ended"
    );
    cluster.stop().await;
    let made = cluster.issued().await;
    let age = stage.hub_clock.now().as_second() - made.as_second();
    assert!(age < DAY, "the certificate was not renewed: {age} s old");
    // The one before would have ended by now.
    stage.day(120);
    cluster.visit(&stage, None).await;
}

#[tokio::test]
async fn an_agent_that_slept_for_a_year_past_its_certificates_end_comes_back() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    stage.gone(&cluster).await;
    stage.day(90 + 364);
    stage.restart().await;
    cluster.visit(&stage, None).await;
}

#[tokio::test]
async fn an_agent_that_slept_longer_keeps_what_it_has_and_takes_a_join_string() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    let before = cluster.disk().await;
    stage.gone(&cluster).await;
    stage.day(90 + 367);
    stage.restart().await;
    cluster.start(&stage, None);
    stage
        .never("it was let in", |s| s.is_connected(&cluster.uid))
        .await;
    cluster.stop().await;
    let after = cluster.disk().await;
    assert_eq!(
        (after.identity, &after.position),
        (before.identity, &before.position)
    );
    let token = stage.token("prod").await;
    cluster.visit(&stage, Some(token)).await;
    let rejoined = cluster.disk().await;
    assert_eq!(rejoined.identity.unwrap().cluster, cluster.uid);
    assert_eq!(
        rejoined.position.detached, before.position.detached,
        "the same cluster: nothing is forgotten"
    );
}

#[tokio::test]
async fn the_hub_is_looked_for_at_every_address_and_says_where_it_is_to_be_found() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.cluster("prod").await;
    let mut token = stage.token("prod").await;
    // Nobody listens at the first.
    stage.names.set("dead.test:1", ([127, 0, 0, 1], 1).into());
    token.addresses.insert(0, "dead.test:1".to_owned());
    cluster.start(&stage, Some(token));
    tokio::time::timeout(Duration::from_secs(60), stage.connected(&cluster))
        .await
        .unwrap();
    cluster.stop().await;
    // The hub moves: for a while it is at both places, and names the new one alone.
    stage.close().await;
    stage.open(&["new.test:7443"]).await;
    stage.names.set(HUB, stage.running().agent_listen);
    // The hub sees the session before the agent has written down what the welcome says.
    let mut loaded = None;
    for _ in 0..10 {
        cluster.start(&stage, None);
        stage.connected(&cluster).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.stop().await;
        let disk = cluster.disk().await;
        let moved = disk.identity.as_ref().unwrap().addresses == ["new.test:7443"];
        loaded = Some(disk);
        if moved {
            break;
        }
    }
    let loaded = loaded.unwrap();
    assert_eq!(loaded.identity.unwrap().addresses, ["new.test:7443"]);
    assert_eq!(
        loaded.former.addresses,
        [HUB],
        "it worked, so it is remembered"
    );
    stage.gone(&cluster).await;
    stage.names.remove(HUB);
    cluster.visit(&stage, None).await;
    // And an address that is wrong takes nobody away from the hub for good.
    stage.close().await;
    stage.open(&["wrong.test:7443"]).await;
    stage
        .names
        .set("new.test:7443", stage.running().agent_listen);
    cluster.visit(&stage, None).await;
    stage.names.remove("wrong.test:7443");
    stage.gone(&cluster).await;
    cluster.visit(&stage, None).await;
}
