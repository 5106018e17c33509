//! An API in memory, and a client of it without sockets.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use roadstead_machinery::resource::Registry;
use roadstead_protocol::env::{Blocking, BoxFuture, Entropy, Env, WallClock};
use roadstead_rest::{Hooks, Identity, NoHooks, Options, Parts, Rest, RestBody};
use roadstead_store::{Backend, Store};
use serde_json::Value;

/// A clock that stands still, a little after the recordings were made.
struct Clock;

impl WallClock for Clock {
    fn now(&self) -> jiff::Timestamp {
        "2026-11-21T08:20:00Z".parse().expect("a time")
    }
}

/// Different bytes at every call, the same in every run.
#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buf: &mut [u8]) {
        for byte in buf {
            let n = self
                .0
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *byte = (n >> 56) as u8;
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

pub(crate) fn env() -> Env {
    Env {
        clock: Arc::new(Clock),
        entropy: Arc::new(Counter::default()),
        blocking: Arc::new(InLine),
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, which must come with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.body);
        self.body
    }

    /// The message of a failure, which must come with this code.
    #[track_caller]
    pub(crate) fn fails(self, code: u16) -> String {
        assert_eq!(self.code, code, "{}", self.body);
        self.body["message"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.headers
            .get_all("warning")
            .iter()
            .filter_map(|v| v.to_str().ok())
            .collect()
    }
}

/// An API and who uses it.
pub(crate) struct Client {
    pub(crate) rest: Rest,
    pub(crate) store: Store,
    pub(crate) who: Identity,
}

impl Client {
    pub(crate) async fn member() -> Self {
        Self::over(
            Registry::member().expect("tables"),
            Options::default(),
            Arc::new(NoHooks),
        )
        .await
    }

    pub(crate) async fn over(registry: Registry, options: Options, hooks: Arc<dyn Hooks>) -> Self {
        let env = env();
        let store = Store::open(
            env.clone(),
            Backend::Memory,
            roadstead_store::Options::default(),
        );
        let store = store.await.expect("a store in memory");
        let rest = Rest::new(Parts {
            env,
            store: store.clone(),
            registry: Arc::new(registry),
            hooks,
            options,
        });
        rest.bootstrap().await.expect("namespaces");
        Self {
            rest,
            store,
            who: Identity::admin(),
        }
    }

    pub(crate) async fn raw(&self, request: Request<Full<Bytes>>) -> http::Response<RestBody> {
        self.rest.handle(request, self.who.clone()).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(encoded(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body)))
            .expect("a request");
        let response = self.raw(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("infallible").to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, "application/json", body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.json("PUT", path, "application/json", body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"").await
    }

    pub(crate) async fn merge(&self, path: &str, body: &Value) -> Answer {
        self.json("PATCH", path, "application/merge-patch+json", body)
            .await
    }

    pub(crate) async fn apply(&self, path: &str, manager: &str, body: &Value) -> Answer {
        let path = format!("{path}?fieldManager={manager}");
        self.json("PATCH", &path, "application/apply-patch+yaml", body)
            .await
    }

    pub(crate) async fn json(&self, method: &str, path: &str, media: &str, body: &Value) -> Answer {
        let body = serde_json::to_vec(body).expect("a value");
        self.send(method, path, &[("content-type", media)], &body)
            .await
    }

    /// Opens a watch.
    pub(crate) async fn watch(&self, path: &str, accept: &str) -> (u16, Lines) {
        let request = Request::builder()
            .uri(encoded(path))
            .header("accept", accept);
        let response = self
            .raw(request.body(Full::default()).expect("a request"))
            .await;
        (
            response.status().as_u16(),
            Lines {
                body: response.into_body(),
                rest: Vec::new(),
            },
        )
    }
}

/// The recordings have paths as people type them.
fn encoded(path: &str) -> String {
    path.replace('"', "%22")
        .replace('(', "%28")
        .replace(')', "%29")
        .replace(' ', "%20")
}

/// The lines of a watch.
pub(crate) struct Lines {
    body: RestBody,
    rest: Vec<u8>,
}

impl Lines {
    /// How many lines came with the last one and were not asked for yet.
    pub(crate) fn waiting(&self) -> usize {
        self.rest.iter().filter(|byte| **byte == b'\n').count()
    }

    /// The next line, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(at) = self.rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=at).collect();
                return serde_json::from_slice(&line).ok();
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.rest.extend(frame.into_data().unwrap_or_default()),
                Some(Err(never)) => match never {},
                None if self.rest.is_empty() => return None,
                None => {
                    let all = std::mem::take(&mut self.rest);
                    return serde_json::from_slice(&all).ok();
                }
            }
        }
    }
}
