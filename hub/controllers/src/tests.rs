//! The controllers over stores in memory: users' writes go in, ledgers and conditions come out.

mod around;
mod asserting;
mod budgets;
mod changed;
mod clusters;
mod counting;
mod displacing;
mod dividing;
mod driving;
mod failing;
mod held;
mod histories;
mod interpreting;
mod kinds;
mod many;
mod nonsense;
mod observing;
mod pins;
mod placing;
mod policies;
mod preserved;
mod reach;
mod rollouts;
mod selecting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::{CRDS, Facts};
use roadstead_protocol::env::{Blocking, BoxFuture, Entropy, Env, WallClock};
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::frame::features;
use roadstead_protocol::wire::report::{Health, ItemReport, ItemState};
use roadstead_store::records::{
    DeletionRecord, LedgerEntry, LedgerState, Liveness, ReportRecord, content_key, decode,
    deletion_key, encode, facts_key, ledger_key, liveness_key, object_key, report_key,
};
use roadstead_store::{Backend, Key, Store, Txn};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Handle, Options, Parts, spawn};

/// The wall clock, which goes with tokio's.
struct Clock(Instant);

impl WallClock for Clock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        start + self.0.elapsed()
    }
}

/// Counts, so that every test is the same each time.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(8) {
            let n = self
                .0
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&n.to_le_bytes()[..chunk.len()]);
        }
    }
}

struct InLine;

impl Blocking for InLine {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        job();
        Box::pin(std::future::ready(()))
    }
}

/// A hub's stores with the controllers running.
pub(super) struct Hub {
    pub(super) store: Store,
    pub(super) volatile: Store,
    pub(super) env: Env,
    pub(super) handle: Option<Handle>,
    pub(super) options: Options,
}

impl Hub {
    /// With namespace `default` and these clusters in it, each connected and Ready.
    pub(super) async fn new(clusters: &[&str]) -> Self {
        let env = Env {
            clock: Arc::new(Clock(Instant::now())),
            entropy: Arc::new(Counting(AtomicU64::new(1))),
            blocking: Arc::new(InLine),
        };
        let open = || {
            Store::open(
                env.clone(),
                Backend::Memory,
                roadstead_store::Options::default(),
            )
        };
        let (store, volatile) = (open().await.unwrap(), open().await.unwrap());
        let mut hub = Self {
            store,
            volatile,
            env,
            handle: None,
            options: Options::default(),
        };
        hub.apply(json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"},
        }))
        .await;
        for name in clusters {
            hub.join(name).await;
            hub.connect(name).await;
        }
        hub.start();
        hub.settle().await;
        hub
    }

    pub(super) fn start(&mut self) {
        self.handle = Some(spawn(self.parts()));
    }

    pub(super) fn parts(&self) -> Parts {
        Parts {
            env: self.env.clone(),
            store: self.store.clone(),
            volatile: self.volatile.clone(),
            registry: Arc::new(Registry::hub(CRDS).unwrap()),
            options: self.options.clone(),
        }
    }

    /// Lets everything come to rest.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    fn key(object: &Value) -> Key {
        let version = object["apiVersion"].as_str().unwrap();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let plural = match object["kind"].as_str().unwrap() {
            kind if kind.ends_with("Policy") => kind.to_lowercase().replace("policy", "policies"),
            kind => format!("{}s", kind.to_lowercase()),
        };
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        object_key(
            group,
            &plural,
            namespace,
            metadata["name"].as_str().unwrap(),
        )
        .unwrap()
    }

    /// Writes an object as the API does: uid and creation once, a generation per change of the spec where
    /// it has one, the status left alone.
    pub(super) async fn apply(&self, mut object: Value) {
        let key = Self::key(&object);
        let former = self.get(key.as_str());
        let name = key.as_str().rsplit('/').next().unwrap();
        let kind = object["kind"].as_str().unwrap().to_lowercase();
        let generation = former
            .as_ref()
            .and_then(|f| f["metadata"]["generation"].as_i64());
        let changed = former.as_ref().is_none_or(|f| f["spec"] != object["spec"]);
        let uid = former.as_ref().map_or_else(
            || format!("{kind}-{name}").into(),
            |f| f["metadata"]["uid"].clone(),
        );
        object["metadata"]["uid"] = uid;
        object["metadata"]["creationTimestamp"] = json!("2026-11-21T12:00:00Z");
        if object.get("spec").is_some() {
            let generation = generation.unwrap_or(0) + i64::from(changed);
            object["metadata"]["generation"] = json!(generation);
        }
        if let Some(status) = former.and_then(|f| f.get("status").cloned()) {
            object["status"] = status;
        }
        let txn = Txn::new().put(key, encode(&object).unwrap());
        self.store.commit(txn).await.unwrap();
    }

    /// Deletes an object as the API does, with its record.
    pub(super) async fn delete(&self, object: &Value) {
        let key = Self::key(object);
        let there = self.get(key.as_str()).unwrap();
        let uid = there["metadata"]["uid"].as_str().unwrap().to_owned();
        let record = DeletionRecord {
            key: key.as_str().to_owned(),
            group: String::new(),
            kind: String::new(),
            namespace: String::new(),
            name: String::new(),
            uid: uid.clone(),
            at: self.env.clock.now(),
            preserve: false,
        };
        let txn = Txn::new()
            .delete(key)
            .put(deletion_key(&uid).unwrap(), encode(&record).unwrap());
        self.store.commit(txn).await.unwrap();
    }

    pub(super) fn get(&self, key: &str) -> Option<Value> {
        let snapshot = self.store.snapshot();
        snapshot.get(key).map(|entry| decode(entry).unwrap())
    }

    pub(super) async fn join(&self, name: &str) {
        self.apply(json!({
            "apiVersion": "cluster.kurator.dev/v1alpha1",
            "kind": "AttachedCluster",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {},
        }))
        .await;
    }

    pub(super) async fn connect(&self, name: &str) {
        self.liveness(name, true).await;
        let facts = Facts {
            version: "v1.36.3".to_owned(),
            nodes: 1,
            ready_nodes: 1,
            ..Facts::default()
        };
        self.facts(name, &facts).await;
    }

    pub(super) async fn liveness(&self, name: &str, connected: bool) {
        let now = self.env.clock.now();
        let record = Liveness {
            connected,
            since: now,
            last_heard: now,
            release: "0.1.0".to_owned(),
            boot: 1,
            remote: String::new(),
            features: features::ALL,
        };
        let key = liveness_key(&format!("attachedcluster-{name}")).unwrap();
        self.volatile
            .commit(Txn::new().put(key, encode(&record).unwrap()))
            .await
            .unwrap();
    }

    pub(super) async fn facts(&self, name: &str, facts: &Facts) {
        let key = facts_key(&format!("attachedcluster-{name}")).unwrap();
        self.volatile
            .commit(Txn::new().put(key, encode(facts).unwrap()))
            .await
            .unwrap();
    }

    /// What a cluster's ledger says about the Deployment `web`: `replicas image`, `gone`, or `-`.
    pub(super) fn ledger(&self, cluster: &str) -> String {
        let Some((_, record)) = self.entry(cluster) else {
            return "-".to_owned();
        };
        let LedgerState::Put { digest, .. } = record.state else {
            return "gone".to_owned();
        };
        let content = self.get(content_key(&digest).unwrap().as_str()).unwrap();
        let image = &content["spec"]["template"]["spec"]["containers"][0]["image"];
        format!(
            "{} {}",
            content["spec"]["replicas"],
            image.as_str().unwrap()
        )
    }

    fn entry(&self, cluster: &str) -> Option<(roadstead_store::Revision, LedgerEntry)> {
        let snapshot = self.store.snapshot();
        let key = ledger_key(&format!("attachedcluster-{cluster}"), &web()).ok()?;
        snapshot
            .get(key.as_str())
            .and_then(|entry| Some((entry.revision, decode(entry).ok()?)))
    }

    /// The agent of a cluster reports what it was given, or has carried out a tombstone.
    pub(super) async fn report(
        &self,
        cluster: &str,
        state: ItemState,
        health: Health,
        status: Value,
    ) {
        let (revision, _) = self.entry(cluster).unwrap();
        let report = ItemReport {
            key: web(),
            stamp: self.store.lineage().stamp(revision).unwrap(),
            state,
            reason: "Reason".to_owned(),
            message: "said the member".to_owned(),
            generation: 1,
            health,
            status: serde_json::to_vec(&status).unwrap().into(),
        };
        let record = ReportRecord::new(report, self.env.clock.now());
        let key = report_key(&format!("attachedcluster-{cluster}"), &web()).unwrap();
        self.volatile
            .commit(Txn::new().put(key, encode(&record).unwrap()))
            .await
            .unwrap();
    }

    /// The agent acknowledged the tombstone, and the hub takes it from the ledger.
    pub(super) async fn acknowledge(&self, cluster: &str) {
        let key = ledger_key(&format!("attachedcluster-{cluster}"), &web()).unwrap();
        self.store.commit(Txn::new().delete(key)).await.unwrap();
    }

    pub(super) fn decision(&self) -> Option<Value> {
        self.get("/objects/roadstead.dev/decisions/default/deployment.apps.web")
    }

    pub(super) fn policy(&self, name: &str) -> Value {
        self.get(&format!(
            "/objects/policy.kurator.dev/distributionpolicies/default/{name}"
        ))
        .unwrap()
    }

    /// Reasons of the events of an object, sorted.
    pub(super) fn events(&self, kind: &str, name: &str) -> Vec<String> {
        let snapshot = self.store.snapshot();
        let mut reasons: Vec<String> = snapshot
            .range("/objects/core/events/")
            .map(|entry| decode::<Value>(entry).unwrap())
            .filter(|e| e["involvedObject"]["kind"] == kind && e["involvedObject"]["name"] == name)
            .map(|e| e["reason"].as_str().unwrap().to_owned())
            .collect();
        reasons.sort();
        reasons
    }
}

pub(super) fn web() -> ItemKey {
    ItemKey {
        group: "apps".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: "default".to_owned(),
        name: "web".to_owned(),
    }
}

pub(super) fn deployment(replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {
            "replicas": replicas,
            "template": {"spec": {"containers": [{"name": "web", "image": image}]}},
        },
    })
}

/// A policy for `app: web` on clusters with these weights.
pub(super) fn weighted(name: &str, weights: &[(&str, u32)]) -> Value {
    let names: Vec<&str> = weights.iter().map(|(name, _)| *name).collect();
    let list: Vec<Value> = weights
        .iter()
        .map(|(name, weight)| json!({"targetCluster": {"clusterNames": [name]}, "weight": weight}))
        .collect();
    json!({
        "apiVersion": "policy.kurator.dev/v1alpha1",
        "kind": "DistributionPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "resourceSelectors": [{
                "apiVersion": "apps/v1", "kind": "Deployment",
                "labelSelector": {"matchLabels": {"app": "web"}},
            }],
            "placement": {
                "clusterAffinity": {"clusterNames": names},
                "replicaScheduling": {
                    "replicaDivisionPreference": "Weighted",
                    "weightPreference": {"staticWeightList": list},
                },
            },
        },
    })
}

/// `status reason` of a condition.
pub(super) fn condition(object: &Value, kind: &str) -> String {
    let all = object["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let found = all
        .into_iter()
        .find(|c| c["type"] == kind)
        .unwrap_or_default();
    format!(
        "{} {}",
        found["status"].as_str().unwrap_or("-"),
        found["reason"].as_str().unwrap_or("-")
    )
}
