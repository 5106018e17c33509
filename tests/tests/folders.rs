//! Data folders: one process each, and what is damaged is said, never made anew.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::fleet::Agent;
use roadstead_tests::hub::Hub;
use roadstead_tests::member::Member;
use roadstead_tests::process::eventually;
use tokio::process::Command;

/// How long a program has to see that it cannot start.
const REFUSED_WITHIN: Duration = Duration::from_secs(20);

/// Runs a program that must not start, and gives its last words.
async fn refused(command: &mut Command) -> Result<String> {
    let output = tokio::time::timeout(REFUSED_WITHIN, command.kill_on_drop(true).output());
    let output = output.await.context("it started")??;
    ensure!(!output.status.success(), "it ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Damages a file in several ways; each time `start` must refuse, say what to do, and leave it.
async fn damaged(file: &Path, start: impl Fn() -> Result<Command>) -> Result<()> {
    let good = std::fs::read(file)?;
    let mut garbled = good.clone();
    garbled.iter_mut().take(320).for_each(|byte| *byte = !*byte);
    let half = good.get(..good.len() / 2).unwrap_or_default().to_vec();
    for bad in [Vec::new(), b"not a database".to_vec(), garbled, half] {
        std::fs::write(file, &bad)?;
        let said = refused(&mut start()?).await;
        let said = said.with_context(|| format!("with {} bytes", bad.len()))?;
        ensure!(said.contains("damaged"), "{said}");
        ensure!(said.contains("left as it is"), "{said}");
        ensure!(!said.contains("panicked"), "{said}");
        ensure!(std::fs::read(file)? == bad, "the file was changed");
    }
    std::fs::write(file, &good)?;
    Ok(())
}

#[tokio::test]
async fn hubs() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(folder.path()).await.unwrap();
    let second = || -> Result<Command> {
        let mut command = Command::new(roadstead_tests::hub::binary("roadstead")?);
        command.args(["hub", "--data-dir"]).arg(hub.data());
        command.args(["--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0"]);
        Ok(command)
    };
    let said = refused(&mut second().unwrap()).await.unwrap();
    assert!(said.contains("already in use by another process"), "{said}");
    let file = hub.data().join("hub.redb");
    hub.stop().await.unwrap();
    damaged(&file, || hub.command()).await.unwrap();
    hub.begin().await.unwrap();
}

#[tokio::test]
async fn agents() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path()).await.unwrap();
    let member = Member::start(folder.path()).await.unwrap();
    let token = hub
        .roadstead(&["join", "one", "--output", "token"])
        .unwrap();
    let mut agent = Agent::new(folder.path(), member.kubeconfig());
    let never_joined = refused(&mut agent.command().unwrap()).await.unwrap();
    assert!(never_joined.contains("roadstead join"), "{never_joined}");
    agent.begin(Some(token.trim())).unwrap();
    let api = hub.api().await.unwrap();
    let path = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters/one";
    eventually("it has joined", || async {
        let cluster = api.get(path).await?.ok()?;
        Ok(roadstead_tests::fleet::condition(&cluster, "Ready").0 == "True")
    })
    .await
    .unwrap();
    let said = refused(&mut agent.command().unwrap()).await.unwrap();
    assert!(said.contains("in use by another process"), "{said}");
    agent.kill().await.unwrap();
    // A token is good for one agent.
    let other = Agent::new(&folder.path().join("other"), member.kubeconfig());
    let mut again = other.command().unwrap();
    let said = refused(again.args(["--join", token.trim()])).await.unwrap();
    assert!(said.contains("token"), "{said}");
    let file = agent.data().join("agent.redb");
    damaged(&file, || agent.command()).await.unwrap();
    agent.begin(None).unwrap();
}
