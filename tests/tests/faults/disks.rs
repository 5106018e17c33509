//! Disks that are full: nothing is lost, it is said, and all goes on when there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::{APPLY, Api, text};
use roadstead_tests::cache;
use roadstead_tests::fleet::Agent;
use roadstead_tests::hub::Hub;
use roadstead_tests::member::Member;
use roadstead_tests::process::within;
use roadstead_tests::wire::Wire;
use serde_json::Value;

use crate::stage::{SOON, Site, Stage, config_map, put};

/// How large the disks are, in megabytes.
const MEGABYTES: usize = 24;

/// A small disk. Dropped: it is gone.
pub(crate) struct Small {
    path: PathBuf,
}

impl Small {
    /// Mounts one at `path`.
    pub(crate) fn mount(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let size = format!("size={MEGABYTES}m,mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path);
        cache::run(&mut mount).context("mount a tmpfs")?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Takes all the room there is.
    fn fill(&self) -> Result<()> {
        let mut filler = std::fs::File::create(self.path.join("filler"))?;
        let block = vec![7; 64 * 1024];
        for size in [block.len(), 4096, 1] {
            while std::io::Write::write_all(&mut filler, block.get(..size).unwrap_or_default())
                .is_ok()
            {}
        }
        Ok(())
    }

    /// Gives it back.
    fn relieve(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path.join("filler"))?)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(cache::run(
            Command::new("umount").arg("--lazy").arg(&self.path),
        ));
    }
}

/// First the hub's disk is full, then the agent's.
pub(crate) async fn full(folder: &Path) -> Result<()> {
    let hub = Hub::new(folder)?;
    let hubs = Small::mount(&hub.data())?;
    let mut stage = Stage::start_hub(folder, hub, &[]).await?;
    let place = folder.join("small");
    let agents = Small::mount(&place.join("agent"))?;
    let member = Member::start(&place).await?;
    let mut agent = Agent::new(&place, member.kubeconfig());
    agent.begin(Some(&stage.token("small")?))?;
    let mut site = Site {
        name: "small".to_owned(),
        api: Api::of(member.kubeconfig()).await?,
        agent,
        _member: Some(member),
    };
    stage.settled(&site).await?;

    let acked = hub_is_full(&stage, &hubs).await?;
    stage.settled(&site).await?;
    site.has("growing", Some(&acked)).await?;
    // What was acknowledged is there after a kill, too.
    stage.hub.kill().await?;
    stage.hub.begin().await?;
    stage.api = stage.hub.api().await?;
    let there = stage
        .api
        .get(&format!("{}/growing", crate::stage::MAPS))
        .await?;
    ensure!(
        there.text("/data/value") == acked,
        "an acknowledged write is lost"
    );

    agents.fill()?;
    let large = "y".repeat(1_000_000);
    stage.put("too-large", &large).await?;
    stage.put("small", "one").await?;
    let path = format!("{}/steady-2", crate::stage::MAPS);
    site.api.delete(&path, None).await?.ok()?;
    // What it has it goes on keeping.
    site.has("steady-2", Some("one")).await?;
    // Also after a start on that disk.
    site.agent.kill().await?;
    site.api.delete(&path, None).await?.ok()?;
    site.agent.begin(None)?;
    site.has("steady-2", Some("one")).await?;
    agents.relieve()?;
    site.has("too-large", Some(&large)).await?;
    site.has("small", Some("one")).await?;
    stage.settled(&site).await
}

/// Writes until the hub refuses; reading goes on, and writing goes on once there is room. Gives the
/// last value that was acknowledged.
async fn hub_is_full(stage: &Stage, disk: &Small) -> Result<String> {
    disk.fill()?;
    // As people with curl do: the client of these tests would try again by itself.
    let wire = Wire::admin(&stage.hub.kubeconfig())?;
    let path = format!("{}/growing", crate::stage::MAPS);
    let mut refused = None;
    let mut acked = 0;
    for i in 0..2000 {
        let object = config_map("growing", &format!("{i}-{}", "z".repeat(20_000))).to_string();
        let head = format!(
            "PATCH {path}?fieldManager=people&force=true HTTP/1.1\r\ncontent-type: {APPLY}\r\ncontent-length: {}",
            object.len()
        );
        let (code, body) = wire.exchange(&head, object.as_bytes()).await?;
        if code >= 300 {
            refused = Some((code, body));
            break;
        }
        acked += 1;
    }
    let (code, body) = refused.context("a full disk took everything")?;
    println!(
        "full: {code} {}, after {acked} writes",
        text(&body, "/message")
    );
    ensure!(code == 503, "503 is what clients try again after");
    ensure!(body.get("kind") == Some(&Value::from("Status")), "a Status");
    let there = stage
        .api
        .get(&format!("{}/steady-1", crate::stage::MAPS))
        .await?;
    ensure!(there.code == 200, "reading goes on");
    for (path, expected) in [("readyz", 200), ("readyz/disk", 500)] {
        let (code, _) = wire.exchange(&format!("GET /{path} HTTP/1.1"), b"").await?;
        ensure!(code == expected, "/{path} answers {code}");
    }
    disk.relieve()?;
    within(SOON, "the hub writes again", || async {
        let answer = put(&stage.api, "growing", "afterwards").await?;
        Ok(answer.code < 300)
    })
    .await?;
    Ok("afterwards".to_owned())
}
