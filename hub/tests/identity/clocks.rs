//! Clocks that are behind and ahead, at agents and at the hub.

use roadstead_protocol::env::WallClock as _;

use crate::stage::{DAY, HUB, Stage};

/// Some fifty-six years in days: to about 1970.
const AGES: i64 = 20_700;

#[tokio::test]
async fn an_agent_without_a_clock_comes_back() {
    let stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    assert!(cluster.disk().await.clock.seconds > 0, "the time is noted");
    stage.gone(&cluster).await;
    stage.agent_clock.set(-AGES);
    cluster.visit(&stage, None).await;
    // Also when its certificate has ended, of which it knows nothing: the hub tells it.
    stage.gone(&cluster).await;
    stage.hub_clock.set(200);
    cluster.visit(&stage, None).await;
}

#[tokio::test]
async fn an_agent_whose_clock_is_ahead_is_let_in_all_the_same() {
    let stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    stage.gone(&cluster).await;
    // Its certificate looks ended to it, and the hub's does not.
    stage.agent_clock.set(200);
    cluster.visit(&stage, None).await;
    let noted = cluster.disk().await.clock.seconds;
    let hub = stage.hub_clock.now().as_second();
    assert!(noted <= hub, "a clock that is ahead is not noted");
    stage.gone(&cluster).await;
    stage.agent_clock.set(0);
    cluster.visit(&stage, None).await;
}

#[tokio::test]
async fn a_hub_that_starts_with_an_old_clock_knows_how_late_it_is() {
    let mut stage = Stage::start().await;
    stage.day(300);
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    stage.gone(&cluster).await;
    // Certificates would not be good yet, and would be made with dates long past.
    stage.hub_clock.set(0);
    stage.restart().await;
    assert!(stage.running().authority.clock().behind() > 290 * DAY);
    cluster.visit(&stage, None).await;
    let mut other = stage.joined("edge").await;
    other.stop().await;
    let made = other.issued().await.as_second();
    assert!(made - stage.hub_clock.now().as_second() > 290 * DAY);
}

#[tokio::test]
async fn a_hub_whose_clock_was_far_ahead_once_is_helped_by_forgetting_it() {
    let mut stage = Stage::start().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    stage.hub_clock.set(3 * 365);
    stage.restart().await;
    stage.hub_clock.set(0);
    stage.restart().await;
    // It believes the time that it has noted: the certificate has ended too long ago.
    cluster.start(&stage, None);
    stage
        .never("it was let in", |s| s.is_connected(&cluster.uid))
        .await;
    cluster.stop().await;
    stage.close().await;
    stage.forget_time().await;
    stage.open(&[HUB]).await;
    assert_eq!(stage.running().authority.clock().behind(), 0);
    cluster.visit(&stage, None).await;
}

#[tokio::test]
async fn a_cluster_that_joined_while_the_hubs_clock_was_ahead_comes_back_once_it_is_forgotten() {
    let mut stage = Stage::start().await;
    stage.hub_clock.set(300);
    stage.restart().await;
    let mut cluster = stage.joined("prod").await;
    cluster.stop().await;
    stage.hub_clock.set(0);
    stage.close().await;
    stage.forget_time().await;
    stage.open(&[HUB]).await;
    // Its certificate is not good yet, and the one that it gets for it is made before it joined.
    cluster.visit(&stage, None).await;
    let made = cluster.issued().await;
    assert!(made <= stage.hub_clock.now(), "{made}");
}
