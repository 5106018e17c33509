//! Clusters by kubeconfig, on simulated members, with a real hub on loopback.

mod rejoined;
mod replaced;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use roadstead_protocol::host::{SystemNetwork, system as os};
use roadstead_rest::Identity;
use roadstead_store::Backend;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::kubeconfig::judge;
use super::*;
use crate::client::{Api, Error};
use crate::hooks::Limits;
use crate::member::Member;
use crate::{Hub, Parts};

const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const WITHIN: Duration = Duration::from_secs(30);

/// Members by the server that a kubeconfig names. A server that is not there never answers.
#[derive(Default)]
struct Servers(Mutex<BTreeMap<String, Member>>);

impl Members for Servers {
    fn client(&self, kubeconfig: Bytes) -> BoxFuture<Result<kube::Client, String>> {
        let config: Value = serde_json::from_slice(&kubeconfig).unwrap();
        let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
        let members = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match members.get(server) {
            Some(member) => kube::Client::new(member.rest.service(Identity::admin()), "default"),
            None => {
                let silent = tower::service_fn(|_: http::Request<kube::client::Body>| {
                    std::future::pending::<
                        Result<http::Response<kube::client::Body>, std::convert::Infallible>,
                    >()
                });
                kube::Client::new(silent, "default")
            }
        };
        Box::pin(std::future::ready(Ok(client)))
    }
}

struct Stage {
    hub: Option<Hub>,
    api: Api,
    servers: Arc<Servers>,
    folder: TempDir,
}

async fn begin(
    folder: &TempDir,
    servers: &Arc<Servers>,
    (max, calls_within): (usize, Duration),
) -> (Hub, Api) {
    let env = os::env();
    let mut hub = Hub::start(Parts {
        env: env.clone(),
        network: Arc::new(SystemNetwork),
        crypto: Crypto::ring(&env),
        backend: Backend::Redb(roadstead_store::file(folder.path().join("hub.redb"))),
        agent_listen: ([0, 0, 0, 0], 0).into(),
        advertise: vec!["nowhere.invalid:1".into()],
        limits: Limits::default(),
        controllers: roadstead_controllers::Options::default(),
    })
    .await
    .unwrap();
    hub.host(Hosting {
        members: servers.clone(),
        max,
        calls_within,
        ..system::hosting(folder.path())
    });
    let client = kube::Client::new(hub.rest.service(Identity::admin()), "default");
    (hub, Api::over(client))
}

impl Stage {
    async fn start(members: &[&str]) -> Self {
        Self::start_with(members, HOSTED_MAX).await
    }

    async fn start_with(members: &[&str], max: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let servers = Arc::new(Servers::default());
        for name in members {
            let member = Member::start(os::env(), crate::member::Options::default());
            let member = member.await.unwrap();
            servers.0.lock().unwrap().insert(server(name), member);
        }
        let (hub, api) = begin(&folder, &servers, (max, AGENTS_CALL_WITHIN)).await;
        Self {
            hub: Some(hub),
            api,
            servers,
            folder,
        }
    }

    async fn attach(&self, name: &str, secret: &str) {
        let cluster = json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1",
            "kind": "AttachedCluster",
            "metadata": {"name": name},
            "spec": {"kubeconfig": {"name": secret, "key": "config"}},
        });
        self.api.post(CLUSTERS, &cluster).await.unwrap();
    }

    async fn secret(&self, name: &str, text: &str) {
        let data = base64::engine::general_purpose::STANDARD.encode(text);
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": "default"},
            "data": {"config": data},
        });
        self.api
            .apply(&format!("{SECRETS}/{name}"), &secret)
            .await
            .unwrap();
    }

    async fn conditions(&self, name: &str) -> BTreeMap<String, String> {
        let cluster = self.api.get(&format!("{CLUSTERS}/{name}")).await.unwrap();
        let all = cluster
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let text = |c: &Value, f: &str| c[f].as_str().unwrap_or_default().to_owned();
        all.into_iter()
            .flatten()
            .map(|c| {
                (
                    text(c, "type"),
                    format!("{} {}", text(c, "status"), text(c, "reason")),
                )
            })
            .collect()
    }

    async fn until(&self, name: &str, kind: &str, wanted: &str) {
        let mut last = BTreeMap::new();
        let looked = tokio::time::timeout(WITHIN, async {
            loop {
                last = self.conditions(name).await;
                if last.get(kind).map(String::as_str) == Some(wanted) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let waited = looked.await;
        assert!(waited.is_ok(), "{name}: {kind} is not {wanted}: {last:?}");
    }

    async fn ready(&self, name: &str) {
        self.until(name, "Ready", "True AgentConnected").await;
        self.until(name, "Hosted", "True ByKubeconfig").await;
    }

    /// The position object on a member: which start of the agent it was that wrote it.
    async fn boot(&self, member: &str) -> u64 {
        let client = {
            let members = self.servers.0.lock().unwrap();
            let member = members.get(&server(member)).unwrap();
            kube::Client::new(member.rest.service(Identity::admin()), "default")
        };
        let path = "/api/v1/namespaces/roadstead-system/configmaps/roadstead-agent";
        match Api::over(client).get(path).await {
            Ok(object) => object["data"]["boot"].as_str().unwrap().parse().unwrap(),
            Err(_) => 0,
        }
    }

    async fn end(mut self) {
        self.hub.take().unwrap().stop().await;
    }
}

fn server(name: &str) -> String {
    format!("https://{name}.invalid")
}

fn kubeconfig(name: &str) -> String {
    text(&json!({"server": server(name)}), &json!({"token": "t"}))
}

fn text(cluster: &Value, user: &Value) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    })
    .to_string()
}

#[test]
fn a_kubeconfig_may_hold_a_server_and_credentials_and_nothing_that_the_hub_would_run_or_read() {
    let cluster = json!({"server": "https://x:6443", "certificate-authority-data": "eA=="});
    let user = json!({"token": "t", "extensions": [1], "username": null});
    let judged = judge(text(&cluster, &user).as_bytes()).unwrap();
    assert_eq!(judged["users"][0]["user"], json!({"token": "t"}));
    assert_eq!(judged["clusters"][0]["cluster"], cluster);
    let refused = |cluster: Value, user: Value, named: &str| {
        let error = judge(text(&cluster, &user).as_bytes()).unwrap_err();
        assert!(error.contains(named), "{error}");
    };
    let token = json!({"token": "t"});
    for field in ["certificate-authority", "proxy-url"] {
        refused(
            json!({"server": "https://x", field: "/etc/passwd"}),
            token.clone(),
            field,
        );
    }
    let fine = json!({"server": "https://x"});
    for field in [
        "exec",
        "auth-provider",
        "tokenFile",
        "client-key",
        "client-certificate",
        "news",
    ] {
        refused(fine.clone(), json!({field: {"command": "sh"}}), field);
    }
    refused(json!({"server": "http://x"}), token.clone(), "https://");
    refused(json!({"server": 7}), token, "no server");
    for (text, named) in [
        ("{", "no YAML"),
        ("a: b", "no current-context"),
        (
            "{current-context: x, contexts: [{name: y}]}",
            "contexts has no",
        ),
    ] {
        let error = judge(text.as_bytes()).unwrap_err();
        assert!(error.contains(named), "{error}");
    }
    assert!(judge(&[0xff]).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_needs_no_agent_and_its_secret_may_come_late_go_and_come_again() {
    let stage = Stage::start(&["a"]).await;
    stage.attach("one", "s").await;
    stage.until("one", "Ready", "False KubeconfigMissing").await;
    stage.secret("s", "{").await;
    stage.until("one", "Ready", "False KubeconfigInvalid").await;
    stage.secret("s", &kubeconfig("a")).await;
    stage.ready("one").await;
    assert_eq!(stage.boot("a").await, 1);
    stage.api.delete(&format!("{SECRETS}/s")).await.unwrap();
    stage.until("one", "Ready", "False KubeconfigMissing").await;
    stage.secret("s", &kubeconfig("a")).await;
    stage.ready("one").await;
    assert_eq!(stage.boot("a").await, 2, "another start of the same agent");
    let refused = stage
        .api
        .post(
            &format!("{CLUSTERS}/one/token"),
            &json!({"apiVersion": "roadstead.dev/v1alpha1", "kind": "JoinToken", "spec": {}}),
        )
        .await;
    let Err(Error::Refused(status)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(status.code, 409);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_leads_to_another_cluster_is_refused_until_it_leads_back() {
    let stage = Stage::start(&["a", "b"]).await;
    stage.secret("s", &kubeconfig("a")).await;
    stage.attach("one", "s").await;
    stage.ready("one").await;
    stage.secret("s", &kubeconfig("b")).await;
    stage.until("one", "Ready", "False OtherCluster").await;
    stage.until("one", "Hosted", "False OtherCluster").await;
    assert_eq!(stage.boot("b").await, 0, "nothing was written there");
    stage.secret("s", &kubeconfig("a")).await;
    stage.ready("one").await;
    // And the other way round: one member, two names.
    stage.secret("t", &kubeconfig("a")).await;
    stage.attach("two", "t").await;
    stage.until("two", "Ready", "False AlreadyAttached").await;
    assert_eq!(
        stage.conditions("one").await["Ready"],
        "True AgentConnected"
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_does_not_answer_delays_no_other_and_is_said() {
    let stage = Stage::start(&["a"]).await;
    for silent in 0..40 {
        let name = format!("silent-{silent}");
        stage.secret(&name, &kubeconfig("nobody")).await;
        stage.attach(&name, &name).await;
    }
    stage.secret("s", &kubeconfig("a")).await;
    stage.attach("one", "s").await;
    stage.ready("one").await;
    stage.until("silent-0", "Ready", "False Unreachable").await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_starts_again_goes_on_and_a_detached_cluster_leaves_nothing() {
    let mut stage = Stage::start(&["a"]).await;
    stage.secret("s", &kubeconfig("a")).await;
    stage.attach("one", "s").await;
    stage.ready("one").await;
    stage.hub.take().unwrap().stop().await;
    let usual = (HOSTED_MAX, AGENTS_CALL_WITHIN);
    let (hub, api) = begin(&stage.folder, &stage.servers, usual).await;
    let tokens = hub.store.snapshot().range("/tokens/").count();
    stage.api = api;
    // What the former hub found is still said; the next start tells that this one looks, too.
    let again = tokio::time::timeout(WITHIN, async {
        while stage.boot("a").await < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(again.await.is_ok());
    stage.ready("one").await;
    assert_eq!(hub.store.snapshot().range("/tokens/").count(), tokens);
    stage.hub = Some(hub);
    let hosted = stage.folder.path().join("hosted");
    let folders = || std::fs::read_dir(&hosted).unwrap().count();
    assert_eq!(folders(), 1);
    stage.api.delete(&format!("{CLUSTERS}/one")).await.unwrap();
    let gone = tokio::time::timeout(WITHIN, async {
        while folders() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(gone.await.is_ok());
    stage.attach("one", "s").await;
    stage.ready("one").await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_too_many_is_told_so_and_comes_in_when_another_goes() {
    let stage = Stage::start_with(&["a", "b"], 1).await;
    stage.secret("s", &kubeconfig("a")).await;
    stage.secret("t", &kubeconfig("b")).await;
    stage.attach("one", "s").await;
    stage.ready("one").await;
    stage.attach("two", "t").await;
    stage.until("two", "Ready", "False TooManyHosted").await;
    stage.api.delete(&format!("{CLUSTERS}/one")).await.unwrap();
    stage.ready("two").await;
    stage.end().await;
}
