//! What is foretold is what then happens, and foretelling writes nothing.

mod telling;

use std::sync::Arc;
use std::time::Duration;

use roadstead_protocol::host::tls::Crypto;
use roadstead_protocol::host::{SystemNetwork, system};
use roadstead_store::records::{LedgerEntry, LedgerState, Liveness, decode, encode, ledger_prefix};
use roadstead_store::{Backend, Txn};
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::client::{Api, Error};
use crate::hooks::Limits;
use crate::{Hub, Parts};

const CLUSTERS: &str = "/apis/cluster.kurator.dev/v1alpha1/namespaces/default/attachedclusters";
const POLICIES: &str = "/apis/policy.kurator.dev/v1alpha1/namespaces/default/distributionpolicies";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SOON: Duration = Duration::from_secs(20);

struct Stage {
    hub: Hub,
    api: Api,
}

impl Stage {
    /// A hub with these clusters, each with an agent as far as the hub can tell.
    async fn start(clusters: &[&str]) -> Self {
        let env = system::env();
        let hub = Hub::start(Parts {
            network: Arc::new(SystemNetwork),
            crypto: Crypto::ring(&env),
            env,
            backend: Backend::Memory,
            agent_listen: ([127, 0, 0, 1], 0).into(),
            advertise: Vec::new(),
            limits: Limits::default(),
            controllers: roadstead_controllers::Options::default(),
        });
        let hub = hub.await.unwrap();
        let client = kube::Client::new(hub.rest.service(Identity::admin()), "default");
        let stage = Self {
            hub,
            api: Api::over(client),
        };
        for name in clusters {
            stage.attach(name).await;
        }
        stage
    }

    /// The same, with a policy that has given `a` what there is.
    async fn begun(clusters: &[&str]) -> Self {
        let stage = Self::start(clusters).await;
        stage.api.post(MAPS, &map("world")).await.unwrap();
        stage.api.post(POLICIES, &policy(&["a"])).await.unwrap();
        stage
            .until("a has it", async || !stage.given("a").await.is_empty())
            .await;
        stage
    }

    async fn attach(&self, name: &str) {
        let cluster = json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
            "metadata": {"name": name},
        });
        self.api.post(CLUSTERS, &cluster).await.unwrap();
        let now = system::env().clock.now();
        let liveness = Liveness {
            connected: true,
            since: now,
            last_heard: now,
            release: "test".to_owned(),
            boot: 1,
            remote: String::new(),
            features: 0,
        };
        let uid = self.uid(name).await;
        let facts = json!({"version": "v1.36.3", "apiGroups": ["v1", "apps/v1"]});
        let alive = Txn::new()
            .put(
                records::liveness_key(&uid).unwrap(),
                encode(&liveness).unwrap(),
            )
            .put(records::facts_key(&uid).unwrap(), facts.to_string());
        self.hub.volatile.commit(alive).await.unwrap();
        self.until("the cluster is Ready", async || {
            let made = self.api.get(&format!("{CLUSTERS}/{name}")).await.unwrap();
            let conditions = made["status"]["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            conditions.any(|c| c["type"] == "Ready" && c["status"] == "True")
        })
        .await;
    }

    async fn uid(&self, name: &str) -> String {
        let made = self.api.get(&format!("{CLUSTERS}/{name}")).await.unwrap();
        made["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !holds().await {
            assert!(Instant::now() < deadline, "never came: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ask(&self, objects: &[Value], delete: bool) -> Result<Answer, Error> {
        let ask = Ask {
            objects: objects.to_vec(),
            namespace: "default".to_owned(),
            delete,
        };
        let ask = serde_json::to_value(ask).unwrap();
        let answer = self.api.post(PATH, &ask).await?;
        Ok(serde_json::from_value(answer).unwrap())
    }

    /// As [`ask`](Self::ask), and that it writes nothing.
    async fn preview(&self, objects: &[Value]) -> Answer {
        let before = (self.hub.store.revision(), self.hub.volatile.revision());
        let answer = self.ask(objects, false).await.unwrap();
        let after = (self.hub.store.revision(), self.hub.volatile.revision());
        assert_eq!(before, after, "something was written");
        answer
    }

    /// What a cluster is given.
    async fn given(&self, name: &str) -> Vec<String> {
        let uid = self.uid(name).await;
        let snapshot = self.hub.store.snapshot();
        let entries = snapshot.range(&ledger_prefix(&uid));
        let digests = entries.filter_map(|e| match decode::<LedgerEntry>(e).unwrap().state {
            LedgerState::Put { digest, .. } => Some(digest.to_string()),
            LedgerState::Tombstone => None,
        });
        digests.collect()
    }

    async fn until_given(&self, name: &str, digests: &[String]) {
        self.until(&format!("{name} is given {digests:?}"), async || {
            self.given(name).await == digests
        })
        .await;
    }

    /// The controllers have nothing to do any more.
    async fn quiet(&self) {
        let mut last = self.hub.store.revision();
        loop {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let now = self.hub.store.revision();
            if now == last {
                return;
            }
            last = now;
        }
    }
}

fn map(value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "greeting"}, "data": {"hello": value},
    })
}

fn policy(clusters: &[&str]) -> Value {
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1", "kind": "DistributionPolicy",
        "metadata": {"name": "all"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}],
            "placement": {"clusterAffinity": {"clusterNames": clusters}},
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_foretold_happens() {
    let stage = Stage::begun(&["a", "b"]).await;
    stage.quiet().await;

    let change = [policy(&["a", "b"]), map("fleet")];
    let answer = stage.preview(&change).await;
    let results: Vec<&str> = answer.objects.iter().map(|o| &*o.result).collect();
    assert_eq!(results, ["changed", "changed"]);
    let [template] = answer.templates.as_slice() else {
        panic!("{answer:?}")
    };
    assert_eq!(template.object, "ConfigMap default/greeting");
    assert_eq!(template.policy, "DistributionPolicy default/all");
    let changes: Vec<(&str, &str)> = template
        .clusters
        .iter()
        .map(|c| (&*c.cluster, &*c.change))
        .collect();
    assert_eq!(changes, [("default/a", "update"), ("default/b", "create")]);
    let had = stage.given("a").await;
    assert_eq!(template.clusters[0].before.as_ref(), had.first());
    let gets = template.clusters[0].after.clone().unwrap();
    assert_eq!(template.clusters[1].after.as_ref(), Some(&gets));
    assert_eq!(answer.contents[&gets]["data"]["hello"], "fleet");
    assert_eq!(answer.contents[&had[0]]["data"]["hello"], "world");

    for (path, object) in [(POLICIES, &change[0]), (MAPS, &change[1])] {
        let name = object["metadata"]["name"].as_str().unwrap();
        let path = format!("{path}/{name}");
        stage.api.merge(&path, object).await.unwrap();
    }
    stage.until_given("a", std::slice::from_ref(&gets)).await;
    stage.until_given("b", std::slice::from_ref(&gets)).await;
    // And once more it changes nothing.
    stage.quiet().await;
    let again = stage.preview(&change).await;
    assert_eq!(again.templates, []);
    assert!(
        again.objects.iter().all(|o| o.result == "unchanged"),
        "{again:?}"
    );

    let gone = stage.ask(&[map("fleet")], true).await.unwrap();
    assert_eq!(gone.objects[0].result, "deleted");
    let changes: Vec<&str> = gone.templates[0]
        .clusters
        .iter()
        .map(|c| &*c.change)
        .collect();
    assert_eq!(changes, ["delete", "delete"]);
    assert!(
        stage.api.get(&format!("{MAPS}/greeting")).await.is_ok(),
        "it is still there"
    );
    stage.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_kubectl_applied_before_changes_what_it_would_change() {
    let stage = Stage::start(&["a"]).await;
    let mut first = map("world");
    first["data"]["other"] = "1".into();
    first["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": first.to_string()});
    let by = format!("{MAPS}?fieldManager=kubectl-client-side-apply");
    stage.api.post(&by, &first).await.unwrap();
    // Somebody else's field stays whatever the file says.
    let label = json!({"metadata": {"labels": {"team": "red"}}});
    let path = format!("{MAPS}/greeting?fieldManager=somebody");
    stage.api.merge(&path, &label).await.unwrap();
    stage.api.post(POLICIES, &policy(&["a"])).await.unwrap();
    stage
        .until("a has it", async || !stage.given("a").await.is_empty())
        .await;
    stage.quiet().await;

    let mut same = map("world");
    same["data"]["other"] = "1".into();
    let answer = stage.preview(&[same]).await;
    assert_eq!(answer.objects[0].result, "unchanged");
    assert_eq!(answer.templates, []);
    let answer = stage.preview(&[map("world")]).await;
    assert_eq!(answer.objects[0].result, "changed");
    let after = answer.templates[0].clusters[0].after.clone().unwrap();
    let content = &answer.contents[&after];
    assert_eq!(content["data"], json!({"hello": "world"}), "the field goes");
    assert_eq!(content["metadata"]["labels"]["team"], "red");
    stage.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_be_refused_is_refused_by_name() {
    let stage = Stage::start(&[]).await;
    let refused = async |objects: &[Value], code: u16, named: &str| {
        let Err(Error::Refused(status)) = stage.ask(objects, false).await else {
            panic!("{objects:?} was not refused")
        };
        assert_eq!(status.code, code, "{status:?}");
        assert!(status.message.contains(named), "{status:?}");
    };
    let mut nowhere = policy(&["a"]);
    nowhere["metadata"]["namespace"] = "nowhere".into();
    refused(
        &[map("x"), nowhere],
        404,
        "DistributionPolicy.policy.kurator.dev nowhere/all",
    )
    .await;
    refused(
        &[json!({"apiVersion": "x/v1", "kind": "Y"})],
        400,
        "objects[0]",
    )
    .await;
    let unnamed = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    refused(&[map("x"), unnamed], 400, "objects[1]: metadata.name").await;
    let many = vec![map("x"); OBJECTS_MAX + 1];
    refused(&many, 400, "at most").await;
    assert!(stage.api.get(PATH).await.is_err(), "it is asked, not read");
    assert!(stage.api.get(&format!("{MAPS}/greeting")).await.is_err());
    stage.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_secret_holds_does_not_leave_the_hub() {
    let stage = Stage::start(&["a"]).await;
    let secret = |user: &str, pass: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
            "data": {"user": user, "pass": pass},
        })
    };
    let secrets = "/api/v1/namespaces/default/secrets";
    let (before, after) = (secret("dXNlcg==", "b25l"), secret("dXNlcg==", "dHdv"));
    stage.api.post(secrets, &before).await.unwrap();
    let mut policy = policy(&["a"]);
    policy["spec"]["resourceSelectors"] = json!([{"apiVersion": "v1", "kind": "Secret"}]);
    stage.api.post(POLICIES, &policy).await.unwrap();
    stage
        .until("a has it", async || !stage.given("a").await.is_empty())
        .await;
    stage.quiet().await;
    let answer = stage.preview(&[after]).await;
    let text = serde_json::to_string(&answer).unwrap();
    for held in ["dXNlcg==", "b25l", "dHdv"] {
        assert!(!text.contains(held), "{text}");
    }
    let cluster = &answer.templates[0].clusters[0];
    let [had, gets] = [&cluster.before, &cluster.after]
        .map(|digest| answer.contents[digest.as_ref().unwrap()]["data"].clone());
    assert_eq!(had["user"], gets["user"]);
    assert_ne!(had["pass"], gets["pass"], "what changes is told");
    stage.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_is_answered_from_the_live_state_and_writes_nothing() {
    let stage = Stage::start(&["a", "b"]).await;
    stage.api.post(POLICIES, &policy(&["a"])).await.unwrap();
    stage.api.post(MAPS, &map("world")).await.unwrap();
    stage
        .until("a has it", async || !stage.given("a").await.is_empty())
        .await;
    stage.quiet().await;
    let before = (stage.hub.store.revision(), stage.hub.volatile.revision());
    let ask = json!({"kind": "cm", "namespace": "default", "name": "greeting"});
    let answer = stage.api.post(crate::why::PATH, &ask).await.unwrap();
    let after = (stage.hub.store.revision(), stage.hub.volatile.revision());
    assert_eq!(before, after, "something was written");
    let answer: crate::why::Answer = serde_json::from_value(answer).unwrap();
    assert_eq!(
        answer.policy.as_deref(),
        Some("DistributionPolicy default/all")
    );
    let chosen: Vec<(&str, bool, bool)> = answer
        .clusters
        .iter()
        .map(|c| (c.name.as_str(), c.chosen, c.state.is_some()))
        .collect();
    assert_eq!(chosen, [("a", true, true), ("b", false, false)]);
    for (wrong, code) in [
        (
            json!({"kind": "cm", "namespace": "default", "name": "none"}),
            404,
        ),
        (json!({"kind": "nonsense", "name": "x"}), 400),
        (json!({"sort": "cm"}), 400),
    ] {
        let Err(Error::Refused(status)) = stage.api.post(crate::why::PATH, &wrong).await else {
            panic!("{wrong} was not refused")
        };
        assert_eq!(status.code, code, "{status:?}");
    }
    stage.hub.stop().await;
}
