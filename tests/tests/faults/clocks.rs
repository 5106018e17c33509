//! Clocks that jump, by libfaketime: over the end of every certificate, and back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use roadstead_tests::hub::Hub;
use roadstead_tests::process::Surroundings;
use tokio::time::sleep;

use crate::stage::Stage;

/// Where distributions put it.
const PLACES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

/// The library.
pub(crate) fn library() -> Result<PathBuf> {
    let found = PLACES.iter().map(Path::new).find(|path| path.is_file());
    match found {
        Some(path) => Ok(path.to_owned()),
        None => bail!("there is no libfaketime (the package faketime)"),
    }
}

/// A clock that can be set.
struct Clock {
    file: PathBuf,
}

impl Clock {
    fn new(file: PathBuf) -> Result<Self> {
        let clock = Self { file };
        clock.set("+0d")?;
        Ok(clock)
    }

    /// How far it is off, as in `+100d`.
    fn set(&self, off: &str) -> Result<()> {
        Ok(std::fs::write(&self.file, off)?)
    }

    fn surroundings(&self, library: &Path) -> Surroundings {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let variables = [
            ("LD_PRELOAD", text(library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file)),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Only what the calendar says jumps; how time passes does not.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Surroundings {
            prefix: Vec::new(),
            variables: variables.map(|(k, v)| (k.to_owned(), v)).to_vec(),
        }
    }
}

/// The agent's clock jumps while it runs and before it starts, then the hub's; in the end all clocks
/// are right and everything works, and nothing was removed in between.
pub(crate) async fn jump(library: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hubs = Clock::new(folder.path().join("hub.clock"))?;
    let agents = Clock::new(folder.path().join("agent.clock"))?;
    let mut hub = Hub::new(folder.path())?;
    hub.surroundings = hubs.surroundings(library);
    let mut stage = Stage::start_hub(folder.path(), hub, &[]).await?;
    let mut site = stage.join("clocks").await?;
    site.agent.surroundings = agents.surroundings(library);
    for off in ["+0d", "+100d", "-400d", "+0d"] {
        println!("the agent's clock at {off}");
        agents.set(off)?;
        site.agent.kill().await?;
        site.agent.begin(None)?;
        // Whatever it thinks of certificates, it keeps what it has; only where the member's own
        // certificate is of the future nothing can be done there.
        if !off.starts_with('-') {
            let path = format!("{}/steady-3", crate::stage::MAPS);
            site.api.delete(&path, None).await?.ok()?;
            site.has("steady-3", Some("one")).await?;
        }
        sleep(Duration::from_secs(3)).await;
    }
    stage.reaches(&site, "after", "the agent's clock").await?;
    for off in ["+100d", "+0d", "-30d", "+0d"] {
        println!("the hub's clock at {off}");
        hubs.set(off)?;
        sleep(Duration::from_secs(1)).await;
        stage.put("jumping", off).await?;
        stage.hub.kill().await?;
        stage.hub.begin().await?;
        stage.api = stage.hub.api().await?;
        sleep(Duration::from_secs(3)).await;
    }
    stage.reaches(&site, "after", "the hub's clock").await?;
    stage.settled(&site).await
}
