//! What the scripts share: a hub's process, two real clusters, kubectl for each of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roadstead_tests::api::{Api, text};
use roadstead_tests::assets::Assets;
use roadstead_tests::cluster::{Cluster, Clusters};
use roadstead_tests::fleet::condition;
use roadstead_tests::hub::{Hub, binary};
use roadstead_tests::kubectl::Kubectl;
use roadstead_tests::process::{Process, within};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::Instant;

const KUBECTL: &str = "1.36";
const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
/// Longer than an agent's slowest wait.
pub(crate) const TURNS_WITHIN: Duration = Duration::from_secs(120);
/// The agent's namespace on a member.
pub(crate) const OURS: &str = "roadstead-system";

/// A hub and two clusters that nothing looks after yet.
pub(crate) struct Stage {
    pub(crate) hub: Hub,
    pub(crate) kubectl: Kubectl,
    pub(crate) one: Site,
    pub(crate) two: Site,
    folder: PathBuf,
    _clusters: Clusters,
}

/// A real cluster.
pub(crate) struct Site {
    pub(crate) api: Api,
    pub(crate) kubectl: Kubectl,
    pub(crate) cluster: Cluster,
}

impl Stage {
    pub(crate) async fn start(assets: Assets, folder: &Path) -> Result<Self> {
        let clusters = Clusters::start(assets, folder)?;
        let hub = Hub::start(folder).await?;
        Ok(Self {
            kubectl: Kubectl::new(KUBECTL, &hub.kubeconfig(), folder)?,
            one: Site::start(&clusters, "one", folder).await?,
            two: Site::start(&clusters, "two", folder).await?,
            hub,
            folder: folder.to_owned(),
            _clusters: clusters,
        })
    }

    /// A folder or file of the stage's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The AttachedCluster of a name.
    pub(crate) async fn cluster(&self, name: &str) -> Result<Value> {
        let api = self.hub.api().await?;
        api.get(&format!("{CLUSTERS}/{name}")).await?.ok()
    }

    /// Waits for a condition to have a status and a reason; how long it took.
    pub(crate) async fn until(
        &self,
        name: &str,
        kind: &str,
        (status, reason): (&str, &str),
    ) -> Result<Duration> {
        let began = Instant::now();
        let what = format!("{name} is {kind}={status} ({reason})");
        within(TURNS_WITHIN, &what, || async {
            let found = condition(&self.cluster(name).await?, kind);
            let is = found.0 == status && (reason.is_empty() || found.1 == reason);
            ensure!(is, "it is {found:?}");
            Ok(true)
        })
        .await?;
        println!("{:>7} ms  {what}", began.elapsed().as_millis());
        Ok(began.elapsed())
    }

    /// Sends a ConfigMap of this name and value to clusters by a policy of its own.
    pub(crate) fn distribute(&self, name: &str, value: &str, clusters: &[&str]) -> Result<()> {
        let clusters = clusters.join(", ");
        let manifests = format!(
            "apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}, namespace: default, labels: {{way: {name}}}}}
data: {{key: {value}}}
---
apiVersion: policy.kurator.dev/v1alpha1
kind: DistributionPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  resourceSelectors:
    - apiVersion: v1
      kind: ConfigMap
      labelSelector: {{matchLabels: {{way: {name}}}}}
  placement: {{clusterAffinity: {{clusterNames: [{clusters}]}}}}
"
        );
        self.kubectl.with_input("apply -f -", &manifests)?;
        Ok(())
    }
}

impl Site {
    async fn start(clusters: &Clusters, name: &str, folder: &Path) -> Result<Self> {
        let cluster = clusters.add(name, false).await?;
        let home = folder.join(name);
        let site = Self {
            api: Api::of(&cluster.kubeconfig).await?,
            kubectl: Kubectl::new(KUBECTL, &cluster.kubeconfig, &home)?,
            cluster,
        };
        // Without a controller-manager nobody else makes it.
        let there = site
            .api
            .get("/api/v1/namespaces/default/serviceaccounts/default")
            .await?;
        ensure!(there.code == 404 || there.code == 200);
        Ok(site)
    }

    /// Waits until the ConfigMap of this name has this value.
    pub(crate) async fn until(&self, name: &str, value: &str) -> Result<Value> {
        let path = format!("/api/v1/namespaces/default/configmaps/{name}");
        within(TURNS_WITHIN, &format!("{name} is {value}"), || async {
            let object = self.api.get(&path).await?.ok()?;
            Ok(text(&object, "/data/key") == value)
        })
        .await?;
        self.api.get(&path).await?.ok()
    }

    /// Which start of an agent wrote the position object last; 0 where none did.
    pub(crate) async fn boot(&self) -> Result<u64> {
        let path = format!("/api/v1/namespaces/{OURS}/configmaps/roadstead-agent");
        let object = self.api.get(&path).await?;
        Ok(object.text("/data/boot").parse().unwrap_or(0))
    }

    /// A kubeconfig for a service account, by a token of the cluster's own.
    pub(crate) async fn kubeconfig_of(&self, namespace: &str, account: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let ask = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}});
        let token = self.api.create(&path, &ask).await?.ok()?;
        let own = std::fs::read(&self.cluster.kubeconfig)?;
        let mut config: Value = serde_json::from_slice(&own)?;
        let user = config.pointer_mut("/users/0/user").context("no user")?;
        *user = json!({"token": text(&token, "/status/token")});
        Ok(config.to_string())
    }

    /// Stops the API server's process from doing anything, or lets it go on.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let id = self.cluster.api_server_id().context("no API server")?;
        let done = std::process::Command::new("kill")
            .args([signal, &id.to_string()])
            .status()?;
        ensure!(done.success());
        Ok(())
    }
}

/// The agent's pod, played by its process: the arguments and environment of the Deployment, volumes
/// that are folders, and the service account's token.
pub(crate) struct Pod {
    process: Process,
    volumes: PathBuf,
    heartbeat: PathBuf,
}

impl Pod {
    /// Starts the pod that the Deployment on `site` describes, with volumes in `folder`.
    pub(crate) async fn start(site: &Site, folder: &Path) -> Result<Self> {
        let deployment = site
            .api
            .get(&format!(
                "/apis/apps/v1/namespaces/{OURS}/deployments/roadstead-agent"
            ))
            .await?
            .ok()?;
        let container = deployment
            .pointer("/spec/template/spec/containers/0")
            .context("no container")?;
        let account = text(&deployment, "/spec/template/spec/serviceAccountName");
        std::fs::create_dir_all(folder)?;
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, site.kubeconfig_of(OURS, account).await?)?;
        let mut command = Command::new(binary("roadstead-agent")?);
        for arg in strings(container, "/args") {
            command.arg(mounted(container, folder, &arg)?);
        }
        for variable in container
            .pointer("/env")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let from = |field: &str| text(variable, &format!("/valueFrom/secretKeyRef/{field}"));
            let path = format!("/api/v1/namespaces/{OURS}/secrets/{}", from("name"));
            let secret = site.api.get(&path).await?;
            if secret.code == 404
                && variable.pointer("/valueFrom/secretKeyRef/optional") == Some(&json!(true))
            {
                continue;
            }
            let value = STANDARD.decode(secret.text(&format!("/data/{}", from("key"))))?;
            command.env(text(variable, "/name"), String::from_utf8(value)?);
        }
        command.arg("--kubeconfig").arg(&kubeconfig);
        let process = Process::start("agent", folder, command.stdin(Stdio::null()))?;
        let heartbeat = strings(container, "/livenessProbe/exec/command");
        let heartbeat = heartbeat
            .iter()
            .find_map(|a| a.strip_prefix("--heartbeat="));
        let heartbeat = mounted(container, folder, heartbeat.context("no heartbeat")?)?;
        Ok(Self {
            process,
            volumes: folder.to_owned(),
            heartbeat: heartbeat.into(),
        })
    }

    /// Whether a probe of the Deployment succeeds.
    pub(crate) fn is(&self, ready: bool) -> Result<bool> {
        let mut probe = std::process::Command::new(binary("roadstead-agent")?);
        probe.arg("health").arg("--heartbeat").arg(&self.heartbeat);
        if ready {
            probe.arg("--ready");
        }
        Ok(probe.output()?.status.success())
    }

    /// The pod is gone, and with it its volumes.
    pub(crate) async fn evict(mut self) -> Result<()> {
        self.process.kill().await?;
        for entry in std::fs::read_dir(&self.volumes)? {
            let path = entry?.path();
            if path.is_dir() {
                std::fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }

    /// Kills the process, and leaves the volumes.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Whether the process still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// What it said.
    pub(crate) fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.volumes.join("agent.log"))?)
    }
}

fn strings(value: &Value, pointer: &str) -> Vec<String> {
    let all = value.pointer(pointer).and_then(Value::as_array);
    let all = all.into_iter().flatten();
    all.filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// A text with the container's mounts in place of their paths; its folder is made.
fn mounted(container: &Value, folder: &Path, text_: &str) -> Result<String> {
    let mounts = container.pointer("/volumeMounts").and_then(Value::as_array);
    let mut out = text_.to_owned();
    for mount in mounts.into_iter().flatten() {
        let here = folder.join(text(mount, "/name"));
        std::fs::create_dir_all(&here)?;
        out = out.replace(text(mount, "/mountPath"), &here.display().to_string());
    }
    Ok(out)
}
