//! One request at a time: get, apply, merge, create, delete.
//!
//! Knows paths and deadlines; knows neither desired state nor retries.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use roadstead_protocol::wire::ItemKey;
use roadstead_protocol::wire::item::Propagation;
use serde_json::{Value, json};

use super::discovery::{Catalogue, REFRESH_EVERY, Resource};
use super::error::{Class, Error};
use super::list::{self, Page};
use crate::plan::content::FIELD_MANAGER;

/// How long the member's API has for an answer. It is told so too (`timeout=`), so that after this
/// time a request that was never answered cannot take effect any more.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer that is read, in bytes. A page of a list of full objects must fit.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A resource version that no object has: an API server takes an apply with it only where it makes the
/// object, and answers that there is a conflict where one is there.
const NO_VERSION: &str = "1";

/// What an apply acts over; over anything else it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over<'a> {
    /// Nothing: the object is made. Without force.
    Nothing,
    /// This resource version. With force on the fields that the configuration names.
    Version(&'a str),
}

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// A cheap handle on a member cluster's API.
#[derive(Clone)]
pub struct Member {
    client: kube::Client,
    catalogue: Catalogue,
}

impl Member {
    /// A handle over `client`; asks nothing yet.
    pub fn new(client: kube::Client) -> Self {
        Self {
            client,
            catalogue: Catalogue::default(),
        }
    }

    /// The kinds that the member serves, as far as they were asked for.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The object `name`, or `None` where there is none.
    ///
    /// # Errors
    /// Whatever keeps the API from answering.
    pub async fn get(&self, resource: &Resource, key: &ItemKey) -> Result<Option<Value>, Error> {
        let path = resource.object_path(&key.namespace, &key.name);
        match self.json(Method::GET, &path, JSON, Bytes::new()).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_absence_of(&resource.plural, &key.name) => Ok(None),
            Err(error) => Err(self.not_served(error, resource).await),
        }
    }

    /// Server-side apply of `config` as [`FIELD_MANAGER`], over what `over` says and nothing else.
    ///
    /// # Errors
    /// [`Class::Conflict`] where something else is there than `over` says.
    pub async fn apply(
        &self,
        resource: &Resource,
        key: &ItemKey,
        mut config: Value,
        over: Over<'_>,
    ) -> Result<Value, Error> {
        let (version, force) = match over {
            Over::Nothing => (NO_VERSION, false),
            Over::Version(version) => (version, true),
        };
        if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), Value::from(version));
        }
        let path = resource.object_path(&key.namespace, &key.name);
        let path = with_timeout(&format!(
            "{path}?fieldManager={FIELD_MANAGER}&force={force}"
        ));
        let applied = self.json(Method::PATCH, &path, APPLY_PATCH, encode(&config)?);
        match applied.await {
            Ok(object) => Ok(object),
            Err(error) => Err(self.not_served(error, resource).await),
        }
    }

    /// A JSON merge patch as [`FIELD_MANAGER`].
    ///
    /// # Errors
    /// [`Class::Conflict`] where a resource version or uid in the patch is not the object's.
    pub async fn merge(
        &self,
        resource: &Resource,
        key: &ItemKey,
        patch: &Value,
    ) -> Result<Value, Error> {
        let path = resource.object_path(&key.namespace, &key.name);
        let path = with_timeout(&format!("{path}?fieldManager={FIELD_MANAGER}"));
        self.json(Method::PATCH, &path, MERGE_PATCH, encode(patch)?)
            .await
    }

    /// Creates `object` in `namespace` (empty for a cluster-scoped one).
    ///
    /// # Errors
    /// [`Class::AlreadyExists`] where there is one.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let path = resource.list_path(namespace);
        let path = with_timeout(&format!("{path}?fieldManager={FIELD_MANAGER}"));
        self.json(Method::POST, &path, JSON, encode(object)?).await
    }

    /// Deletes the object if it still has the uid and the resource version `at`.
    ///
    /// # Errors
    /// [`Class::Conflict`] where one of them is another; a missing object is no error.
    pub async fn delete(
        &self,
        resource: &Resource,
        key: &ItemKey,
        at: (&str, &str),
        propagation: Propagation,
    ) -> Result<(), Error> {
        let (uid, version) = at;
        let policy = match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": { "uid": uid, "resourceVersion": version },
            "propagationPolicy": policy,
        });
        let path = with_timeout(&resource.object_path(&key.namespace, &key.name));
        match self
            .json(Method::DELETE, &path, JSON, encode(&options)?)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.is_absence_of(&resource.plural, &key.name) => Ok(()),
            Err(error) => Err(self.not_served(error, resource).await),
        }
    }

    /// Where the path of a kind is not served any more, the kinds are asked for anew, so that the next
    /// attempt finds another version, or that there is none.
    async fn not_served(&self, error: Error, resource: &Resource) -> Error {
        if error.class != Class::KindUnknown {
            return error;
        }
        if let Err(failed) = self.refresh(REFRESH_EVERY).await {
            tracing::debug!(error = %failed, "the kinds could not be asked for");
        }
        Error::kind_unknown(&resource.group, &resource.kind)
    }

    /// The JSON at `path`.
    ///
    /// # Errors
    /// Whatever keeps the API from answering.
    pub async fn fetch(&self, path: &str, accept: &str) -> Result<Value, Error> {
        let request = build(Method::GET, path, accept, None, Bytes::new())?;
        self.answer(request).await
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Bytes,
    ) -> Result<Value, Error> {
        self.answer(build(method, path, JSON, Some(content), body)?)
            .await
    }

    /// The page of a list at `path`; `each` gets its objects.
    pub(super) async fn page(
        &self,
        path: &str,
        accept: &str,
        each: &mut (dyn FnMut(Value) + Send),
    ) -> Result<Page, Error> {
        let request = build(Method::GET, path, accept, None, Bytes::new())?;
        let (_, bytes) = self.whole(request).await?;
        list::read(&bytes, each).map_err(|error| not_json(&error))
    }

    /// What is at `path`, and its tag, unless that is `tag` still.
    pub(super) async fn changed(
        &self,
        path: &str,
        accept: &str,
        tag: Option<&str>,
    ) -> Result<Option<(Bytes, Option<String>)>, Error> {
        let mut request = build(Method::GET, path, accept, None, Bytes::new())?;
        if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
            request.headers_mut().insert(header::IF_NONE_MATCH, tag);
        }
        match self.whole(request).await {
            Ok((headers, bytes)) => {
                let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
                Ok(Some((bytes, tag.map(str::to_owned))))
            }
            Err(error) if error.reason == Error::NOT_MODIFIED => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn answer(&self, request: Request<Body>) -> Result<Value, Error> {
        let (_, bytes) = self.whole(request).await?;
        serde_json::from_slice(&bytes).map_err(|error| not_json(&error))
    }

    async fn whole(&self, request: Request<Body>) -> Result<(HeaderMap, Bytes), Error> {
        let exchange = async {
            let (parts, body) = self.send(request).await?.into_parts();
            Ok((parts.headers, collect(body).await?))
        };
        tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(Error::timeout(REQUEST_TIMEOUT)))
    }

    /// Sends `request` and returns an answer that is a success; its body is still to come.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<http::Response<Body>, Error> {
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| Error::transport(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = collect(response.into_body()).await.unwrap_or_default();
        Err(Error::from_answer(status.as_u16(), retry_after, &body))
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::new(
        Class::Answer,
        "BadAnswer",
        format!("the member's API answered with something that is not JSON: {error}"),
    )
}

async fn collect(body: Body) -> Result<Bytes, Error> {
    let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| Error::transport(&*error))
}

pub(super) fn build(
    method: Method,
    path: &str,
    accept: &str,
    content: Option<&str>,
    body: Bytes,
) -> Result<Request<Body>, Error> {
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, accept);
    if let Some(content) = content.filter(|_| !body.is_empty()) {
        builder = builder.header(header::CONTENT_TYPE, content);
    }
    builder.body(Body::from(body)).map_err(|error| {
        Error::new(
            Class::Invalid,
            "BadRequest",
            format!("not a path: {path}: {error}"),
        )
    })
}

fn encode(value: &Value) -> Result<Bytes, Error> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| {
        Error::new(
            Class::Invalid,
            "BadContent",
            format!("cannot be written as JSON: {error}"),
        )
    })
}

fn with_timeout(path: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}timeout={}s", REQUEST_TIMEOUT.as_secs())
}
