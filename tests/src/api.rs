//! A Kubernetes API spoken to over HTTP, with the answers as they are: code and body.
//!
//! Deliberately thin: what it hides a test cannot see.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;

/// Longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The media type of server-side apply.
pub const APPLY: &str = "application/apply-patch+yaml";
/// The media type of a merge patch.
pub const MERGE: &str = "application/merge-patch+json";
/// The media type of everything else.
pub const JSON: &str = "application/json";
/// What to accept for one object's metadata alone.
pub const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// An API server.
#[derive(Clone)]
pub struct Api {
    client: kube::Client,
}

/// What it answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The body; null where there is none.
    pub body: Value,
}

impl Answer {
    /// The text at a JSON pointer; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        text(&self.body, pointer)
    }

    /// The body of a success.
    ///
    /// # Errors
    /// The answer's message, where it is none.
    pub fn ok(self) -> Result<Value> {
        anyhow::ensure!(self.code < 300, "{}: {}", self.code, self.body);
        Ok(self.body)
    }
}

/// The text at a JSON pointer; empty where there is none.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

impl Api {
    /// The API that a kubeconfig names.
    ///
    /// # Errors
    /// When it cannot be read or used.
    pub async fn of(kubeconfig: &Path) -> Result<Self> {
        let config = Kubeconfig::read_from(kubeconfig)?;
        let config =
            kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        Ok(Self::over(kube::Client::try_from(config)?))
    }

    /// An API in this process.
    pub fn over(client: kube::Client) -> Self {
        Self { client }
    }

    /// Sends a request. `media` is of the body; `accept` what is wanted.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        (media, accept): (&str, &str),
        body: Option<&Value>,
    ) -> Result<Answer> {
        let body = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .header("accept", accept)
            .body(Body::from(body))?;
        let exchange = async {
            let answer = self.client.send(request).await?;
            let code = answer.status().as_u16();
            let bytes = answer.into_body().collect().await?.to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            anyhow::Ok(Answer { code, body })
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange)
            .await
            .with_context(|| format!("no answer to {method} {path}"))?
            .with_context(|| format!("{method} {path}"))
    }

    /// Reads what is at a path.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, (JSON, JSON), None).await
    }

    /// Reads what is at a path as text, as of `/metrics`.
    ///
    /// # Errors
    /// When there is no answer, or it is none of success.
    pub async fn text(&self, path: &str) -> Result<String> {
        let request = Request::builder().uri(path).body(Body::empty())?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.client.send(request)).await??;
        let code = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(code.is_success(), "GET {path}: {code}");
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Creates an object in a collection.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Answer> {
        self.send("POST", path, (JSON, JSON), Some(object)).await
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn replace(&self, path: &str, object: &Value) -> Result<Answer> {
        self.send("PUT", path, (JSON, JSON), Some(object)).await
    }

    /// Server-side apply as `manager`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn apply(
        &self,
        path: &str,
        manager: &str,
        force: bool,
        object: &Value,
    ) -> Result<Answer> {
        let path = format!("{path}?fieldManager={manager}&force={force}");
        self.send("PATCH", &path, (APPLY, JSON), Some(object)).await
    }

    /// A merge patch.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Answer> {
        self.send("PATCH", path, (MERGE, JSON), Some(patch)).await
    }

    /// Deletes an object, with options where there are any.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn delete(&self, path: &str, options: Option<&Value>) -> Result<Answer> {
        self.send("DELETE", path, (JSON, JSON), options).await
    }

    /// Opens a watch; `path` says `watch=true` itself.
    ///
    /// # Errors
    /// When it is refused or there is no answer.
    pub async fn watch(&self, path: &str, accept: &str) -> Result<Watch> {
        let request = Request::builder()
            .uri(path)
            .header("accept", accept)
            .header("accept-encoding", "identity")
            .body(Body::empty())?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.client.send(request)).await??;
        let code = answer.status().as_u16();
        anyhow::ensure!(code == 200, "GET {path}: {code}");
        let (body, rest) = (answer.into_body(), BytesMut::new());
        Ok(Watch { body, rest })
    }
}

/// An open watch.
pub struct Watch {
    body: Body,
    rest: BytesMut,
}

impl Watch {
    /// The next event; `None` where the server ended the watch.
    ///
    /// # Errors
    /// When none comes within `limit`, or what comes is none.
    pub async fn next(&mut self, limit: Duration) -> Result<Option<Value>> {
        let event = tokio::time::timeout(limit, self.line()).await;
        let line = event.with_context(|| format!("no event within {limit:?}"))??;
        Ok(line.map(|l| serde_json::from_slice(&l)).transpose()?)
    }

    async fn line(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                return Ok(Some(self.rest.split_to(end + 1).freeze()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}
