//! An agent and its member on a host of their own: the wire is pulled out, the address changes.

use std::net::SocketAddr;

use anyhow::Result;
use roadstead_tests::api::Api;
use roadstead_tests::fleet::Agent;
use roadstead_tests::hub::Hub;
use roadstead_tests::member::Member;
use roadstead_tests::netns::Namespace;
use roadstead_tests::relay::Relay;
use tokio::time::Instant;

use crate::stage::{Site, Stage};

/// The hub has an address that this host cannot reach, then one that it can.
pub(crate) async fn moves(space: Namespace) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hub = Hub::new(folder.path())?;
    let gate: SocketAddr = format!("{}:0", space.host()).parse()?;
    let gate = Relay::start(gate, hub.agents()).await?;
    // The first of the addresses is this host's own, where nobody listens: the second is tried.
    let nobody = "127.0.0.1:9".to_owned();
    let addresses = [nobody, gate.address()?.to_string()];
    let stage = Stage::start_hub(folder.path(), hub, &addresses).await?;

    let place = folder.path().join("space");
    std::fs::create_dir_all(&place)?;
    let around = space.surroundings();
    let member = Member::start_in(&place, &around, &space.address()).await?;
    let mut agent = Agent::new(&place, member.kubeconfig());
    agent.surroundings = around;
    agent.begin(Some(&stage.token("space")?))?;
    let site = Site {
        name: "space".to_owned(),
        api: Api::of(member.kubeconfig()).await?,
        agent,
        _member: Some(member),
    };
    stage.settled(&site).await?;

    for last in [7, 8] {
        space.move_to(last)?;
        let started = Instant::now();
        stage.reaches(&site, "moved", &format!("to-{last}")).await?;
        println!("moved to .{last}: reached after {:?}", started.elapsed());
    }
    space.wire(false)?;
    stage.put("unplugged", "meanwhile").await?;
    stage.until_ready(&site, "Unknown").await?;
    space.wire(true)?;
    site.has("unplugged", Some("meanwhile")).await?;
    stage.settled(&site).await
}
