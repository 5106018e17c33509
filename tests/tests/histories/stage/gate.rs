//! Between the agent and its member's API: what is asked there is written down, and a request or its
//! answer can be delayed, lost or refused.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use roadstead_protocol::env::BoxFuture;
use roadstead_tests::process::within;
use serde_json::json;

/// Longest wait for a request that a history expects.
const MET_WITHIN: Duration = Duration::from_secs(60);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out, and its answer never comes.
    AnswerLost,
    /// It stays on its way, until a history lets it arrive.
    Delayed,
    /// The member refuses it with this code.
    Refused(u16),
}

/// A request of the agent that may change something, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The code of the answer; none where none came.
    pub(crate) code: Option<u16>,
}

struct Rule {
    method: Method,
    part: String,
    fate: Fate,
    times: usize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    acts: Vec<Act>,
    met: usize,
    hidden: Option<String>,
    delayed: VecDeque<(http::request::Parts, Bytes)>,
}

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `times` requests of this method whose path holds `part` have this fate.
    pub(crate) fn next(&self, (method, part): (Method, &str), fate: Fate, times: usize) {
        let part = part.to_owned();
        let rule = Rule {
            method,
            part,
            fate,
            times,
        };
        let mut state = self.lock();
        state.met = 0;
        state.rules.push(rule);
    }

    /// Requests have no special fate any more.
    pub(crate) fn open(&self) {
        self.lock().rules.clear();
    }

    /// From now on the member serves no kind of this API group; with `None` all of them again.
    pub(crate) fn hide(&self, group: Option<&str>) {
        self.lock().hidden = group.map(str::to_owned);
    }

    /// Waits until a request has met its fate.
    pub(crate) async fn met(&self) -> Result<()> {
        within(MET_WITHIN, "a request that meets its fate", || {
            std::future::ready(Ok(self.lock().met > 0))
        })
        .await
    }

    /// Lets what was delayed arrive, and gives the code of each answer.
    pub(crate) async fn deliver(&self, member: &kube::Client) -> Result<Vec<u16>> {
        let delayed = std::mem::take(&mut self.lock().delayed);
        let mut codes = Vec::new();
        for (parts, body) in delayed {
            let request = Request::from_parts(parts, Body::from(body.to_vec()));
            let answer = member.send(request).await.context("a late request")?;
            codes.push(answer.status().as_u16());
        }
        Ok(codes)
    }

    /// What the agent asked to be changed so far, the object with its own position left out.
    pub(crate) fn acts(&self) -> Vec<Act> {
        self.lock().acts.clone()
    }

    /// The paths of what the agent deleted so far.
    pub(crate) fn deleted(&self) -> Vec<String> {
        let acts = self.acts().into_iter();
        let done = acts.filter(|a| a.method == "DELETE" && a.code.is_none_or(|c| c < 300));
        done.map(|a| a.path).collect()
    }

    /// A client of the member's API that goes through this gate.
    pub(crate) fn client(&self, member: kube::Client) -> kube::Client {
        let gate = self.clone();
        kube::Client::new(Service { gate, member }, "default")
    }

    fn fate(&self, method: &Method, path: &str) -> Option<Fate> {
        let mut state = self.lock();
        let mut rules = state.rules.iter_mut();
        let rule = rules.find(|r| r.times > 0 && r.method == *method && path.contains(&r.part))?;
        rule.times -= 1;
        Some(rule.fate)
    }

    fn note(&self, method: &Method, path: &str, code: Option<u16>) {
        let changes = *method != Method::GET && *method != Method::HEAD;
        if changes && !path.starts_with("/api/v1/namespaces/roadstead-system") {
            let (method, path) = (method.to_string(), path.to_owned());
            self.lock().acts.push(Act { method, path, code });
        }
    }

    fn delay(&self, parts: http::request::Parts, body: Bytes) {
        let mut state = self.lock();
        state.delayed.push_back((parts, body));
        state.met += 1;
    }

    async fn pass(
        &self,
        member: kube::Client,
        request: Request<Body>,
    ) -> Result<Response<Body>, BoxError> {
        let (method, uri) = (request.method().clone(), request.uri().to_string());
        let path = uri.split('?').next().unwrap_or_default().to_owned();
        let hidden = self.lock().hidden.clone();
        if let Some(group) = hidden {
            if path.starts_with(&format!("/apis/{group}/")) {
                return not_served();
            }
            if path == "/apis" {
                let mut request = request;
                request.headers_mut().remove("if-none-match");
                return without(&group, member.send(request).await?).await;
            }
        }
        match self.fate(&method, &path) {
            None => {
                let answer = member.send(request).await;
                let code = answer.as_ref().ok().map(|a| a.status().as_u16());
                self.note(&method, &path, code);
                Ok(answer?)
            }
            Some(Fate::AnswerLost) => {
                let answer = member.send(request).await?;
                drop(answer.into_body().collect().await);
                self.note(&method, &path, None);
                self.lock().met += 1;
                std::future::pending().await
            }
            Some(Fate::Delayed) => {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                self.delay(parts, body);
                std::future::pending().await
            }
            Some(Fate::Refused(code)) => {
                self.note(&method, &path, Some(code));
                self.lock().met += 1;
                refusal(code)
            }
        }
    }
}

/// What an API server says of a path that it does not serve.
fn not_served() -> Result<Response<Body>, BoxError> {
    let answer = Response::builder()
        .status(404)
        .header("content-type", "text/plain");
    Ok(answer.body(Body::from(b"404 page not found\n".to_vec()))?)
}

/// A list of API groups, in either of its forms, without one of them.
async fn without(group: &str, answer: Response<Body>) -> Result<Response<Body>, BoxError> {
    let (mut parts, body) = answer.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let mut list: serde_json::Value = serde_json::from_slice(&bytes)?;
    for (field, name) in [("items", "/metadata/name"), ("groups", "/name")] {
        if let Some(serde_json::Value::Array(all)) = list.get_mut(field) {
            all.retain(|g| g.pointer(name) != Some(&group.into()));
        }
    }
    parts.headers.remove("content-length");
    parts.headers.remove("etag");
    let body = Body::from(list.to_string().into_bytes());
    Ok(Response::from_parts(parts, body))
}

fn refusal(code: u16) -> Result<Response<Body>, BoxError> {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("a history wants {code} here"), "reason": reason, "code": code,
    });
    let answer = Response::builder()
        .status(code)
        .header("content-type", "application/json");
    Ok(answer.body(Body::from(status.to_string().into_bytes()))?)
}

#[derive(Clone)]
struct Service {
    gate: Gate,
    member: kube::Client,
}

impl tower::Service<Request<Body>> for Service {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { gate, member } = self.clone();
        Box::pin(async move { gate.pass(member, request).await })
    }
}
