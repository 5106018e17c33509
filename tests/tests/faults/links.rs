//! Links between agent and hub that work badly, and then well again.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::relay::Way;
use tokio::time::{Instant, sleep};

use crate::stage::{Site, Stage};

/// Changes that are written over a bad link.
const CHANGES: usize = 30;
/// The smallest datagram that QUIC needs.
const QUIC_MIN: usize = 1200;

/// First the hub is not heard, then the agent is not; either way the cluster's condition says that
/// nothing is known, what runs is kept, and afterwards what was written meanwhile arrives.
pub(crate) async fn one_way(stage: &Stage, site: &Site) -> Result<()> {
    let cut = Way {
        cut: true,
        ..Way::default()
    };
    // While the hub still hears an agent that hears nothing, there is news: the agent gives its
    // connection up after half a minute, and only then it is silent.
    let ways = [(Way::default(), cut, 90), (cut, Way::default(), 45)];
    for (number, (to_hub, to_agents, most)) in ways.into_iter().enumerate() {
        stage.relay.set(to_hub, to_agents);
        let name = format!("one-way-{number}");
        stage.put(&name, "meanwhile").await?;
        let started = Instant::now();
        stage.until_ready(site, "Unknown").await?;
        println!("one way {number}: Unknown after {:?}", started.elapsed());
        ensure!(
            started.elapsed() < Duration::from_secs(most),
            "that took too long"
        );
        // The agent goes on with the hub away.
        let path = format!("{}/steady-1", crate::stage::MAPS);
        site.api.delete(&path, None).await?.ok()?;
        site.has("steady-1", Some("one")).await?;
        stage.relay.heal();
        site.has(&name, Some("meanwhile")).await?;
        stage.settled(site).await?;
    }
    Ok(())
}

/// A fifth is lost each way, and what arrives has overtaken and been overtaken.
pub(crate) async fn lossy(stage: &Stage, site: &Site) -> Result<()> {
    let bad = Way {
        loss: 20,
        delay: Duration::from_millis(40),
        jitter: Duration::from_millis(80),
        ..Way::default()
    };
    stage.relay.set(bad, bad);
    let started = Instant::now();
    for i in 0..CHANGES {
        stage
            .put(&format!("lossy-{}", i % 5), &format!("v{i}"))
            .await?;
    }
    for i in CHANGES - 5..CHANGES {
        site.has(&format!("lossy-{}", i % 5), Some(&format!("v{i}")))
            .await?;
    }
    println!(
        "lossy: {CHANGES} changes of 5 objects in {:?}",
        started.elapsed()
    );
    stage.relay.heal();
    stage.settled(site).await
}

/// The hub suddenly sees the agent at another port; the session goes on over the new path.
pub(crate) async fn forgotten_by_the_nat(stage: &Stage, site: &Site) -> Result<()> {
    for round in 0..3 {
        stage.relay.rebind();
        // Nothing that the agent says has taken the new path yet: it learns of it by what it sends.
        stage.reaches(site, "rebound", &format!("v{round}")).await?;
    }
    stage.settled(site).await
}

/// What is larger than QUIC's smallest datagram vanishes without a word, after it had been fine.
pub(crate) async fn large_datagrams_vanish(stage: &Stage, site: &Site) -> Result<()> {
    let large = "x".repeat(100_000);
    stage.reaches(site, "large", &format!("{large}1")).await?;
    let narrow = Way {
        swallow_above: Some(QUIC_MIN),
        ..Way::default()
    };
    stage.relay.set(narrow, narrow);
    let started = Instant::now();
    stage.reaches(site, "large", &format!("2{large}")).await?;
    println!("blackholed MTU: 100 kB after {:?}", started.elapsed());
    stage.relay.heal();
    stage.settled(site).await
}

/// Nothing gets through for longer than both sides wait; afterwards all is as it should be, and what
/// was deleted meanwhile goes.
pub(crate) async fn cut_for_long(stage: &Stage, site: &Site) -> Result<()> {
    stage.reaches(site, "doomed", "one").await?;
    let cut = Way {
        cut: true,
        ..Way::default()
    };
    stage.relay.set(cut, cut);
    let path = format!("{}/doomed", crate::stage::MAPS);
    stage.api.delete(&path, None).await?.ok()?;
    stage.until_ready(site, "Unknown").await?;
    sleep(Duration::from_secs(5)).await;
    ensure!(site.value("doomed").await?.is_some(), "who told it?");
    stage.relay.heal();
    site.has("doomed", None).await?;
    stage.settled(site).await
}
