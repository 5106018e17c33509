//! The hub's API with its hooks over a store whose ledger says what the fleet runs.

mod adopting;
mod approving;
mod failing_over;
mod granting;
mod held;
mod interpreting;
mod keeping;
mod overriding;
mod reconciling;
mod rolled;
mod selecting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use roadstead_machinery::resource::Registry;
use roadstead_protocol::api::CRDS;
use roadstead_protocol::env::{Blocking, Entropy, WallClock};
use roadstead_protocol::wire::{Digest, ItemKey};
use roadstead_rest::{Identity, Parts, Rest};
use roadstead_store::records::{
    LedgerEntry, LedgerState, ObjectRef, WORLD_KEY, encode, ledger_key,
};
use roadstead_store::{Backend, Txn};
use serde_json::json;

use super::*;

struct Clock;

impl WallClock for Clock {
    fn now(&self) -> jiff::Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buf: &mut [u8]) {
        for byte in buf {
            let n = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (n ^ (n >> 29))
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .to_be_bytes()[0];
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

struct Hub {
    rest: Rest,
    store: Store,
    volatile: Store,
}

const MAPS: &str = "/api/v1/namespaces/n/configmaps";

impl Hub {
    /// With namespaces `n` and `default`, where one removal is already many.
    async fn new() -> Self {
        let env = Env {
            clock: Arc::new(Clock),
            entropy: Arc::new(Counter(AtomicU64::new(1))),
            blocking: Arc::new(InLine),
        };
        let open = || {
            let options = roadstead_store::Options::default();
            Store::open(env.clone(), Backend::Memory, options)
        };
        let (store, volatile) = (open().await.unwrap(), open().await.unwrap());
        let registry = Arc::new(Registry::hub(CRDS).unwrap());
        let hooks = HubHooks {
            env: env.clone(),
            limits: Limits {
                removal_percent: 20,
                removal_min: 2,
            },
            authority: Authority::load_or_create(&store, &env).await.unwrap(),
            addresses: Vec::new(),
            agents: Arc::default(),
            decisions: Arc::default(),
            failovers: Arc::default(),
            store: store.clone(),
            volatile: volatile.clone(),
            registry: Arc::clone(&registry),
        };
        let rest = Rest::new(Parts {
            env,
            store: store.clone(),
            registry,
            hooks: Arc::new(hooks),
            options: roadstead_rest::Options::default(),
        });
        let hub = Self {
            rest,
            store,
            volatile,
        };
        for name in ["default", "n"] {
            let namespace = json!({"metadata": {"name": name}});
            hub.call("POST", "/api/v1/namespaces", &namespace).await;
        }
        hub
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            Full::default()
        } else {
            Full::from(serde_json::to_vec(body).unwrap())
        };
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(body)
            .unwrap();
        let answer = self.rest.handle(request, Identity::admin()).await;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// A ConfigMap of `n` that so many clusters run.
    async fn runs(&self, name: &str, clusters: usize) {
        let map = json!({"metadata": {"name": name}});
        let (_, map) = self.call("POST", MAPS, &map).await;
        for i in 0..clusters {
            let item = ItemKey {
                group: String::new(),
                kind: "ConfigMap".to_owned(),
                namespace: "n".to_owned(),
                name: name.to_owned(),
            };
            let record = LedgerEntry {
                state: LedgerState::Put {
                    digest: Digest::of(b"{}"),
                    size: 2,
                },
                meta: Vec::new(),
                decision: ObjectRef {
                    namespace: "n".to_owned(),
                    name: format!("configmap.{name}"),
                },
                template_uid: map["metadata"]["uid"].as_str().unwrap().to_owned(),
                policies: Vec::new(),
            };
            let key = ledger_key(&format!("cluster-{i}"), &item).unwrap();
            let txn = Txn::new().put(key, encode(&record).unwrap());
            self.store.commit(txn).await.unwrap();
        }
    }

    /// Deletes, which must be refused, and bears on these objects what the refusal names.
    async fn confirm(&self, path: &str, objects: &[&str]) -> String {
        let (code, status) = self.call("DELETE", path, &Value::Null).await;
        assert_eq!(code, 403, "{status}");
        let message = status["message"].as_str().unwrap();
        let token = message.split_once("confirm-removal=").unwrap().1;
        let token = token.split(' ').next().unwrap().to_owned();
        for object in objects {
            self.annotate(object, &token).await;
        }
        token
    }

    async fn annotate(&self, path: &str, token: &str) {
        let annotations = json!({"roadstead.dev/confirm-removal": token});
        let patch = json!({"metadata": {"annotations": annotations}});
        assert_eq!(self.call("PATCH", path, &patch).await.0, 200);
    }

    fn world(&self) -> Option<roadstead_store::Revision> {
        self.store.snapshot().get(WORLD_KEY).map(|e| e.revision)
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_deletion_waits_for_the_token_of_what_it_removes() {
    let hub = Hub::new().await;
    hub.runs("web", 3).await;
    let web = format!("{MAPS}/web");
    for other in ["3", "99", "3-00000000"] {
        hub.annotate(&web, other).await;
        assert_eq!(
            hub.call("DELETE", &web, &Value::Null).await.0,
            403,
            "{other}"
        );
    }
    let token = hub.confirm(&web, &[]).await;
    assert!(token.starts_with("3-"), "{token}");
    hub.annotate(&web, &token).await;
    assert_eq!(hub.call("DELETE", &web, &Value::Null).await.0, 200);
    // Made again, it is another set: what is left over from before confirms nothing.
    hub.runs("web", 3).await;
    hub.annotate(&web, &token).await;
    assert_eq!(hub.call("DELETE", &web, &Value::Null).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_whose_deletion_was_confirmed_goes_with_all_that_is_in_it() {
    let hub = Hub::new().await;
    hub.runs("a", 3).await;
    hub.runs("b", 4).await;
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    let held = format!("{MAPS}/b");
    let patch = finalizers(json!(["example.com/held"]));
    assert_eq!(hub.call("PATCH", &held, &patch).await.0, 200);
    let namespace = "/api/v1/namespaces/n";
    hub.confirm(namespace, &[namespace]).await;
    assert_eq!(hub.call("DELETE", namespace, &Value::Null).await.0, 200);
    tokio::time::sleep(Duration::from_secs(60)).await;
    // What has finalizers keeps it, and may go when somebody else lets it.
    assert_eq!(hub.call("GET", namespace, &Value::Null).await.0, 200);
    let patch = finalizers(json!([]));
    assert_eq!(hub.call("PATCH", &held, &patch).await.0, 200);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(hub.call("GET", namespace, &Value::Null).await.0, 404);
    let records = hub.store.snapshot();
    assert_eq!(records.range("/deletions/").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_judged_as_a_whole() {
    let hub = Hub::new().await;
    for name in ["a", "b", "c"] {
        hub.runs(name, 1).await;
    }
    let paths = ["a", "b", "c"].map(|name| format!("{MAPS}/{name}"));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let token = hub.confirm(MAPS, &paths[..2]).await;
    assert!(token.starts_with("3-"), "{token}");
    // Page by page it is no less.
    for path in [MAPS, &format!("{MAPS}?limit=1")] {
        assert_eq!(hub.call("DELETE", path, &Value::Null).await.0, 403);
    }
    assert_eq!(hub.call("GET", paths[0], &Value::Null).await.0, 200);
    hub.annotate(paths[2], &token).await;
    assert_eq!(hub.call("DELETE", MAPS, &Value::Null).await.0, 200);
    assert_eq!(hub.call("GET", paths[0], &Value::Null).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn what_people_write_about_the_world_is_told_to_decisions() {
    let hub = Hub::new().await;
    let clusters = "/apis/cluster.kurator.dev/v1alpha1/namespaces/n/attachedclusters";
    let mut last = hub.world();
    let mut changed = || {
        let now = hub.world();
        let changed = now != last;
        last = now;
        changed
    };
    let cluster = json!({
        "apiVersion": "cluster.kurator.dev/v1alpha1", "kind": "AttachedCluster",
        "metadata": {"name": "a"}, "spec": {},
    });
    assert_eq!(hub.call("POST", clusters, &cluster).await.0, 201);
    assert!(changed());
    let one = format!("{clusters}/a");
    let labels = json!({"metadata": {"labels": {"env": "prod"}}});
    assert_eq!(hub.call("PATCH", &one, &labels).await.0, 200);
    assert!(changed());
    let status = json!({"status": {"agentRelease": "1"}});
    let at = format!("{one}/status");
    assert_eq!(hub.call("PATCH", &at, &status).await.0, 200);
    assert!(!changed());
    hub.runs("web", 0).await;
    assert!(!changed());
    assert_eq!(hub.call("DELETE", &one, &Value::Null).await.0, 200);
    assert!(changed());
    assert_eq!(
        hub.call("PATCH", "/api/v1/namespaces/n", &labels).await.0,
        200
    );
    assert!(changed());
}
