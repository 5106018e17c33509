//! Agents that are killed, with the hub there and without.

use std::time::Duration;

use anyhow::{Result, ensure};
use roadstead_tests::api::text;
use roadstead_tests::fleet::Fleet;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::manifests::DEPLOYMENT;
use crate::{Clock, DR, EDGE};

/// How long the agent is watched for not doing what it must not do.
const QUIET: Duration = Duration::from_secs(2);

fn image(o: Option<&Value>) -> &str {
    o.map(|o| text(o, "/spec/template/spec/containers/0/image"))
        .unwrap_or_default()
}

pub(crate) async fn repairs_without_hub(fleet: &mut Fleet) -> Result<()> {
    fleet.hub.stop().await?;
    fleet.agent(DR)?.kill().await?;
    let site = fleet.site(DR)?;
    site.api.delete(DEPLOYMENT, None).await?.ok()?;
    sleep(QUIET).await;
    let gone = site.object(DEPLOYMENT).await?;
    ensure!(gone.is_none(), "who put it back, without an agent?");
    let clock = Clock::start();
    fleet.agent(DR)?.begin(None)?;
    fleet
        .site(DR)?
        .until(DEPLOYMENT, "it comes back without a hub", |o| {
            o.is_some_and(|o| o.pointer("/spec/replicas") == Some(&json!(1)))
        })
        .await?;
    clock.lap("an agent started without a hub puts back what was deleted");
    // And it goes on keeping it.
    let site = fleet.site(DR)?;
    let patch = json!({"spec": {"replicas": 9}});
    site.api.merge(DEPLOYMENT, &patch).await?.ok()?;
    let clock = Clock::start();
    site.until(DEPLOYMENT, "drift is put right without a hub", |o| {
        o.is_some_and(|o| o.pointer("/spec/replicas") == Some(&json!(1)))
    })
    .await?;
    clock.lap("drift put right without a hub");
    Ok(())
}

pub(crate) async fn catches_up(fleet: &mut Fleet) -> Result<()> {
    let clock = Clock::start();
    fleet.hub.begin().await?;
    clock.lap("the hub is ready again");
    fleet.agent(DR)?.kill().await?;
    fleet
        .kubectl
        .run("set image deployment/example-app web=registry.example/web:2")?;
    let clock = Clock::start();
    fleet.agent(DR)?.begin(None)?;
    fleet
        .site(DR)?
        .until(DEPLOYMENT, "what was changed meanwhile", |o| {
            image(o) == "registry.example/web:2"
        })
        .await?;
    clock.lap("a killed agent catches up from its start on");
    for site in fleet.sites() {
        fleet.until_ready(&site.name, "True").await?;
    }
    Ok(())
}

pub(crate) async fn unknown_after_grace(fleet: &mut Fleet) -> Result<()> {
    fleet.agent(EDGE)?.kill().await?;
    let clock = Clock::start();
    fleet.until_ready(EDGE, "Unknown").await?;
    let took = clock.lap("a killed agent's cluster is Ready=Unknown");
    ensure!(took > Duration::from_secs(20), "without any grace");
    fleet.agent(EDGE)?.begin(None)?;
    let clock = Clock::start();
    fleet.until_ready(EDGE, "True").await?;
    clock.lap("its agent started again: Ready=True");
    Ok(())
}
