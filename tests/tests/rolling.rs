//! `roadstead rollout` and `roadstead approve` as people type them, against a hub's process: each says what
//! it did, and the hub does it. What reaches members by it is tested elsewhere: no agent runs here.

use anyhow::{Context as _, Result, ensure};
use roadstead_tests::api::{Api, text};
use roadstead_tests::hub::{Hub, binary};
use roadstead_tests::process::eventually;
use serde_json::{Value, json};

const ROLLOUTS: &str = "/apis/roadstead.dev/v1alpha1/namespaces/default/rollouts";
const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A hub with a policy whose changes have to be approved of, and the ConfigMap that it distributes.
struct Stage {
    hub: Hub,
    api: Api,
}

impl Stage {
    async fn begin(folder: &std::path::Path) -> Result<Self> {
        let hub = Hub::start(folder).await?;
        let api = hub.api().await?;
        let cluster = json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
            "metadata": {"name": "one"},
        });
        api.create(CLUSTERS, &cluster).await?.ok()?;
        let policy = json!({
            "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
            "metadata": {"name": "tide"},
            "spec": {
                "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "tide"}],
                "placement": {"clusterAffinity": {"clusterNames": ["one"]}},
            },
        });
        api.create(POLICIES, &policy).await?.ok()?;
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tide"}, "data": {"level": "1"},
        });
        api.create(MAPS, &map).await?.ok()?;
        let stage = Self { hub, api };
        stage.until_given().await?;
        let rollout = json!({"spec": {"rollout": {
            "stages": [{"name": "canary", "share": 1, "approval": "Required"}],
        }}});
        let policy = format!("{POLICIES}/tide");
        stage.api.merge(&policy, &rollout).await?.ok()?;
        stage.until_good().await?;
        Ok(stage)
    }

    async fn until_given(&self) -> Result<()> {
        let path = "/apis/roadstead.dev/v1alpha1/namespaces/default/decisions/configmap.tide";
        eventually("the cluster is given it", || async {
            let decision = self.api.get(path).await?;
            Ok(decision.body.pointer("/spec/clusters/0/name") == Some(&json!("one")))
        })
        .await
    }

    /// What runs is the first good release.
    async fn until_good(&self) -> Result<()> {
        eventually("the decision names a release", || async {
            let path = "/apis/roadstead.dev/v1alpha1/namespaces/default/decisions/configmap.tide";
            let decision = self.api.get(path).await?.ok()?;
            Ok(!text(&decision, "/spec/clusters/0/release").is_empty())
        })
        .await
    }

    async fn edit(&self, level: &str) -> Result<()> {
        let edit = json!({"data": {"level": level}});
        self.api.merge(&format!("{MAPS}/tide"), &edit).await?.ok()?;
        Ok(())
    }

    async fn run(&self, number: u32) -> Result<Value> {
        let answer = self.api.get(&format!("{ROLLOUTS}/tide-{number}")).await?;
        answer.ok()
    }

    async fn until(&self, number: u32, phase: &str) -> Result<()> {
        eventually(&format!("run {number} is {phase}"), || async {
            let run = self.run(number).await?;
            let is = text(&run, "/status/phase");
            ensure!(is == phase, "it is {is}");
            Ok(true)
        })
        .await
    }

    /// What the command says, which is to hold these words.
    fn says(&self, line: &str, words: &[&str]) -> Result<()> {
        let args: Vec<&str> = line.split(' ').collect();
        let said = self.hub.roadstead(&args).with_context(|| line.to_owned())?;
        for word in words {
            ensure!(said.contains(word), "{line}: {said}");
        }
        Ok(())
    }

    /// What it says where it is refused, and that it exits with 1.
    fn refuses(&self, line: &str, words: &[&str]) -> Result<()> {
        let mut command = std::process::Command::new(binary("roadstead")?);
        command.env("KUBECONFIG", self.hub.kubeconfig());
        let ran = command.args(line.split(' ')).output()?;
        let said = String::from_utf8_lossy(&ran.stderr);
        ensure!(
            ran.status.code() == Some(1),
            "{line}: {}: {said}",
            ran.status
        );
        for word in words {
            ensure!(said.contains(word), "{line}: {said}");
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_have_their_say_in_a_rollout() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::begin(folder.path()).await.unwrap();
    play(&stage).await.unwrap();
}

async fn play(stage: &Stage) -> Result<()> {
    for act in ["pause", "resume", "abort"] {
        let line = format!("rollout {act} tide");
        stage.refuses(&line, &["no rollout is under way"])?;
    }
    stage.refuses("approve tide", &["no rollout is under way"])?;
    stage.refuses("rollout status nothing", &["nothing", "not found"])?;

    stage.edit("2").await?;
    stage.until(1, "WaitingForApproval").await?;
    stage.says("rollout status tide", &["WaitingForApproval", "canary"])?;
    stage.says(
        "rollout pause tide",
        &["tide-1", "goes no further", "resume"],
    )?;
    stage.until(1, "Paused").await?;
    stage.says("rollout resume tide", &["tide-1", "goes on"])?;
    stage.until(1, "WaitingForApproval").await?;
    stage.refuses("approve tide --stage cnaary", &["canary"])?;
    stage.says("approve tide", &["tide-1", "approved of canary"])?;
    eventually("the approval counts", || async {
        let run = stage.run(1).await?;
        let by = text(&run, "/status/approvals/0/by");
        ensure!(!by.is_empty(), "{run}");
        Ok(text(&run, "/status/phase") == "Progressing")
    })
    .await?;
    stage.says("rollout abort tide", &["tide-1", "not tried again"])?;
    stage.until(1, "Aborted").await?;
    // It is not tried again; what is another begins anew, and has to be approved of by itself.
    stage.edit("3").await?;
    stage.until(2, "WaitingForApproval").await?;
    stage.says("rollout history tide", &["Aborted", "WaitingForApproval"])?;

    // What was good runs already, so that going back ends the run; an older release is another one.
    stage.says("rollout undo tide", &["goes back to release"])?;
    stage.until(2, "Superseded").await?;
    stage.refuses("rollout undo tide --to zzz", &["no release", "history"])?;
    let declined = stage.run(1).await?;
    let release = text(&declined, "/spec/release");
    stage.says(&format!("rollout undo tide --to {release}"), &[release])?;
    stage.until(3, "WaitingForApproval").await?;
    ensure!(text(&stage.run(3).await?, "/spec/cause") == "Undo");
    let map = stage.api.get(&format!("{MAPS}/tide")).await?.ok()?;
    ensure!(text(&map, "/data/level") == "3", "what people wrote stays");

    // What waits for somebody is counted.
    let metrics = stage.api.text("/metrics").await?;
    for line in [
        "roadstead_decisions_total ",
        "roadstead_decision_microseconds_total ",
        "roadstead_decision_objects_given_total 1",
        "roadstead_decision_objects_taken_total 0",
        "roadstead_decisions_failed_over 0",
        "roadstead_decisions_waiting{reason=\"RollingOut\"} 1",
    ] {
        ensure!(metrics.contains(line), "{line}: {metrics}");
    }
    Ok(())
}
