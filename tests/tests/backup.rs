//! A hub backed up while it runs, lost, and restored; and disks sealed with a key file, of hub and agent.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::{Api, text};
use roadstead_tests::cache;
use roadstead_tests::fleet::{Agent, condition};
use roadstead_tests::hub::{Hub, binary};
use roadstead_tests::member::Member;
use roadstead_tests::process::eventually;
use serde_json::{Value, json};

const CLUSTER: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters/one";
const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";

/// Runs `roadstead ARGS` away from any hub.
fn roadstead(args: &[&str]) -> Result<String> {
    cache::run(std::process::Command::new(binary("roadstead")?).args(args))
}

/// What `roadstead ARGS` says when it refuses.
fn refusal(args: &[&str]) -> Result<String> {
    match roadstead(args) {
        Ok(said) => anyhow::bail!("it was done: {said}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

fn config(depth: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "harbour", "namespace": "default", "labels": {"app": "harbour"}},
        "data": {"depth": depth},
    })
}

fn policy() -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": "harbour", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "v1", "kind": "ConfigMap",
                "labelSelector": {"matchLabels": {"app": "harbour"}},
            }],
            "placement": {"clusterAffinity": {"clusterNames": ["one"]}},
        },
    })
}

/// The depth that the member has.
async fn depth(member: &Api) -> Result<String> {
    let found = member.get(&format!("{CONFIGS}/harbour")).await?;
    Ok(found.text("/data/depth").to_owned())
}

async fn until_depth(member: &Api, wanted: &str) -> Result<()> {
    eventually(&format!("the member has {wanted}"), || async {
        Ok(depth(member).await? == wanted)
    })
    .await
}

async fn until_condition(hub: &Hub, kind: &str, status: &str) -> Result<()> {
    eventually(&format!("the cluster is {kind}={status}"), || async {
        let cluster = hub.api().await?.get(CLUSTER).await?.ok()?;
        let found = condition(&cluster, kind);
        ensure!(found.0 == status, "it is {cluster}");
        Ok(true)
    })
    .await
}

/// A hub and one cluster with a ConfigMap.
struct World {
    folder: tempfile::TempDir,
    hub: Hub,
    member: Member,
    agent: Agent,
}

impl World {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let hub = Hub::start(folder.path()).await?;
        let member = Member::start(folder.path()).await?;
        let mut agent = Agent::new(folder.path(), member.kubeconfig());
        let token = hub.roadstead(&["join", "one", "--output", "token"])?;
        agent.begin(Some(token.trim()))?;
        let api = hub.api().await?;
        api.create(POLICIES, &policy()).await?.ok()?;
        api.create(CONFIGS, &config("9")).await?.ok()?;
        until_depth(&Api::of(member.kubeconfig()).await?, "9").await?;
        Ok(Self {
            folder,
            hub,
            member,
            agent,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn change(&self, depth: &str) -> Result<()> {
        let api = self.hub.api().await?;
        let path = format!("{CONFIGS}/harbour");
        api.replace(&path, &config(depth)).await?.ok()?;
        until_depth(&Api::of(self.member.kubeconfig()).await?, depth).await
    }

    /// Everything that users wrote, as it stands.
    async fn written(&self) -> Result<Vec<Value>> {
        let api = self.hub.api().await?;
        let mut written = Vec::new();
        for path in [
            &format!("{CONFIGS}/harbour"),
            &format!("{POLICIES}/harbour"),
        ] {
            let object = api.get(path).await?.ok()?;
            let part = |at: &str| object.pointer(at).cloned().unwrap_or_default();
            written.push(json!([
                part("/metadata/uid"),
                part("/metadata/creationTimestamp"),
                part("/data"),
                part("/spec")
            ]));
        }
        Ok(written)
    }
}

fn shown(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// Whether a file holds a text.
fn holds(path: &Path, text: &str) -> Result<bool> {
    let bytes = std::fs::read(path)?;
    Ok(bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes()))
}

#[tokio::test]
async fn a_lost_hub_is_restored_and_nothing_is_taken_from_anybody() {
    lost_and_restored().await.unwrap();
}

async fn lost_and_restored() -> Result<()> {
    let mut world = World::start().await?;
    let (keys, file) = (world.path("keys"), world.path("hub.backup"));
    let (keys, file) = (shown(&keys)?, shown(&file)?);
    let dir = world.hub.data();
    let dir = shown(&dir)?;
    roadstead(&["keygen", keys])?;
    let unused = world.hub.roadstead(&["join", "two", "--output", "token"])?;

    let kubeconfig = world.hub.kubeconfig();
    let backup = ["backup", file, "--kubeconfig", shown(&kubeconfig)?];
    let said = refusal(&backup)?;
    ensure!(
        said.contains("private keys") && said.contains("--plain"),
        "{said}"
    );
    ensure!(!Path::new(file).exists(), "nothing was written");
    let backup = [&backup[..], &["--key-file", keys]].concat();
    let said = roadstead(&backup)?;
    ensure!(said.contains("sealed with the key file"), "{said}");
    ensure!(!holds(Path::new(file), "harbour")?, "it is sealed");
    let said = refusal(&backup)?;
    ensure!(said.contains("nothing is overwritten"), "{said}");

    let before = world.written().await?;
    world.change("12").await?;
    world.hub.kill().await?;
    let gone = world.path("lost");
    let said = refusal(&["restore", file, "--data-dir", dir, "--key-file", keys])?;
    ensure!(said.contains("not empty"), "{said}");
    std::fs::rename(dir, &gone)?;

    damaged_is_refused(&world, file, dir, keys)?;
    let said = roadstead(&["restore", file, "--data-dir", dir, "--key-file", keys])?;
    ensure!(
        said.contains("join tokens are void") && said.contains("HELD"),
        "{said}"
    );
    world.hub.further(["--key-file", keys]);
    // The kubeconfig is written by the hub's start, and names the authority that was in the backup.
    world.hub.begin().await?;
    ensure!(
        world.written().await? == before,
        "what users wrote is there"
    );
    ensure!(
        !holds(&world.hub.data().join("hub.redb"), "PRIVATE KEY")?,
        "it is sealed"
    );

    let member = Api::of(world.member.kubeconfig()).await?;
    until_condition(&world.hub, "Ready", "True").await?;
    until_condition(&world.hub, "Held", "True").await?;
    ensure!(
        depth(&member).await? == "12",
        "what the hub does not know runs on"
    );
    // A user's write of the object ends the hold.
    world.change("15").await?;
    until_condition(&world.hub, "Held", "False").await?;

    let mut other = Agent::new(&world.path("other"), world.member.kubeconfig());
    std::fs::create_dir_all(world.path("other"))?;
    other.begin(Some(unused.trim()))?;
    let log = world.path("other").join("agent.log");
    eventually("the old token is refused", || async {
        holds(&log, "knows no such join token")
    })
    .await
}

/// Each of these must be refused, and leave no folder behind.
fn damaged_is_refused(world: &World, file: &str, dir: &str, keys: &str) -> Result<()> {
    let good = std::fs::read(file)?;
    let bad = world.path("bad.backup");
    let other = world.path("other-keys");
    roadstead(&["keygen", shown(&other)?])?;
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    if let Some(byte) = flipped.get_mut(middle) {
        *byte ^= 1;
    }
    let half = good.get(..middle).unwrap_or_default().to_vec();
    for (bytes, keys) in [(half, keys), (flipped, keys), (good, shown(&other)?)] {
        std::fs::write(&bad, bytes)?;
        let restore = [
            "restore",
            shown(&bad)?,
            "--data-dir",
            dir,
            "--key-file",
            keys,
        ];
        let said = refusal(&restore)?;
        ensure!(said.contains("nothing was written"), "{said}");
        ensure!(!Path::new(dir).exists(), "a folder was made");
    }
    Ok(())
}

#[tokio::test]
async fn disks_are_sealed_when_a_key_is_given_and_not_read_without_it() {
    sealed().await.unwrap();
}

async fn sealed() -> Result<()> {
    let mut world = World::start().await?;
    let path = world.path("keys");
    let keys = shown(&path)?;
    roadstead(&["keygen", keys])?;
    let hub_file = world.hub.data().join("hub.redb");
    let agent_file = world.agent.data().join("agent.redb");
    world.hub.stop().await?;
    world.agent.kill().await?;
    ensure!(holds(&hub_file, "PRIVATE KEY")? && holds(&agent_file, "harbour")?);

    world.hub.further(["--key-file", keys]);
    world.agent.further(["--key-file", keys]);
    world.hub.begin().await?;
    world.agent.begin(None)?;
    world.change("12").await?;
    ensure!(
        !holds(&hub_file, "PRIVATE KEY")?,
        "the hub's disk is sealed"
    );
    ensure!(!holds(&agent_file, "depth")?, "the agent's disk is sealed");

    roadstead(&["keygen", keys, "--add"])?;
    world.hub.kill().await?;
    world.agent.kill().await?;
    world.hub.begin().await?;
    world.agent.begin(None)?;
    world.change("15").await?;

    world.hub.stop().await?;
    world.agent.kill().await?;
    world.hub.further(Vec::<String>::new());
    world.agent.further(Vec::<String>::new());
    for mut command in [world.hub.command()?, world.agent.command()?] {
        let output = command.output().await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success(), "it started: {said}");
        ensure!(said.contains("--key-file"), "{said}");
        ensure!(said.contains("left as it is"), "{said}");
    }
    world.hub.further(["--key-file", keys]);
    world.hub.begin().await?;
    let harbour = world
        .hub
        .api()
        .await?
        .get(&format!("{CONFIGS}/harbour"))
        .await?;
    ensure!(text(&harbour.ok()?, "/data/depth") == "15");
    Ok(())
}
