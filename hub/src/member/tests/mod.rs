//! A simulated member as its users see it: everything through its API, on virtual time.

mod lifecycle;
mod workloads;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use roadstead_protocol::env::{Blocking, BoxFuture, Entropy, Env, WallClock};
use roadstead_rest::Identity;
use roadstead_store::Revision;
use serde_json::{Value, json};

use super::object::text;
use super::{Member, Options};

/// Longer than anything a stand-in waits for on its own, rollout deadlines aside.
const SETTLED_AFTER: Duration = Duration::from_secs(60);

struct Clock(tokio::time::Instant);

impl WallClock for Clock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        start.checked_add(self.0.elapsed()).unwrap()
    }
}

struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buf: &mut [u8]) {
        for byte in buf {
            let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (state ^ (state >> 31))
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .to_be_bytes()[0];
        }
    }
}

struct Never;

impl Blocking for Never {
    fn run(&self, _: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        panic!("a simulated member has no disk")
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

async fn start() -> Member {
    let env = Env {
        clock: Arc::new(Clock(tokio::time::Instant::now())),
        entropy: Arc::new(Seeded(AtomicU64::new(7))),
        blocking: Arc::new(Never),
    };
    Member::start(env, Options::default()).await.unwrap()
}

async fn request(member: &Member, method: &str, path: &str, body: Value) -> (u16, Value) {
    let mut builder = http::Request::builder().method(method).uri(path);
    builder = match method {
        "PATCH" => builder.header("content-type", "application/merge-patch+json"),
        _ => builder.header("content-type", "application/json"),
    };
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = builder.body(Full::new(bytes::Bytes::from(body))).unwrap();
    let response = member.rest.handle(request, Identity::admin()).await;
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn ok(member: &Member, method: &str, path: &str, body: Value) -> Value {
    let (status, answer) = request(member, method, path, body).await;
    assert!(status < 300, "{method} {path}: {answer}");
    answer
}

async fn get(member: &Member, path: &str) -> Value {
    ok(member, "GET", path, Value::Null).await
}

async fn items(member: &Member, path: &str) -> Vec<Value> {
    get(member, path).await["items"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

async fn status_of(member: &Member, path: &str) -> u16 {
    request(member, "GET", path, Value::Null).await.0
}

/// Lets time pass until nothing has been written for long.
async fn settle(member: &Member) -> Revision {
    for _ in 0..100 {
        let before = member.store.revision();
        tokio::time::sleep(SETTLED_AFTER).await;
        if member.store.revision() == before {
            return before;
        }
    }
    panic!("it never comes to rest");
}

fn condition<'v>(object: &'v Value, kind: &str) -> (&'v str, &'v str) {
    let conditions = object["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let found = conditions.iter().find(|c| c["type"] == kind);
    found.map_or(("", ""), |c| (text(c, "/status"), text(c, "/reason")))
}

fn template(app: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    })
}

fn workload(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name, "app:1")},
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";
const PODS: &str = "/api/v1/namespaces/default/pods";

async fn deploy(member: &Member, name: &str, replicas: u64) {
    ok(
        member,
        "POST",
        DEPLOYMENTS,
        workload("Deployment", name, json!({"replicas": replicas})),
    )
    .await;
    settle(member).await;
}
