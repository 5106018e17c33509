//! From a request to the answer: who, what, may they, do it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use roadstead_machinery::resource::{Origin, Resource};
use roadstead_machinery::status::Status;

use crate::decode::{self, Media};
use crate::hooks::{Page, Subresource};
use crate::path::{Objects, Target};
use crate::query::Query;
use crate::rest::Inner;
use crate::{Identity, RestBody, auth, discovery, health, metrics, mutate, read, respond};

/// How long a client may take to send the body of a request.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// When a client is told to try again.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A request without its body.
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) who: Identity,
}

impl Head {
    /// A header as text; empty if there is none.
    pub(crate) fn header(&self, name: http::HeaderName) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }

    /// The program that asks.
    pub(crate) fn agent(&self) -> &str {
        self.header(USER_AGENT)
    }

    /// Which representations are welcome.
    pub(crate) fn accept(&self) -> &str {
        self.header(ACCEPT)
    }
}

/// Answers one request.
pub(crate) async fn handle<B>(
    inner: &Arc<Inner>,
    request: Request<B>,
    who: Identity,
) -> Response<RestBody>
where
    B: Body<Data = Bytes> + Send,
    B::Error: std::fmt::Display,
{
    let (parts, body) = request.into_parts();
    let target = Target::parse(parts.uri.path());
    let (verb, label) = label(inner, &parts.method, &target);
    let path = parts.uri.path().to_owned();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let who = auth::authenticate(who, &parts.headers, &*inner.hooks).and_then(|who| {
        let other = auth::impersonate(&inner.access(&who), &parts.headers)?;
        Ok(other.unwrap_or(who))
    });
    let answer = match query.and_then(|query| Ok((query, who?))) {
        Err(status) => Err(status),
        Ok((query, who)) => {
            let head = Head {
                method: parts.method,
                query,
                headers: parts.headers,
                who,
            };
            Box::pin(answer(inner, head, &path, target, body)).await
        }
    };
    let response = answer.unwrap_or_else(|status| {
        if status.code == 503 || status.reason == "InternalError" {
            tracing::warn!(code = status.code, error = %status, resource = %label, verb, "request failed");
        }
        respond::status(&status)
    });
    let code = response.status().as_u16();
    tracing::debug!(verb, resource = %label, path, code, "request answered");
    inner.metrics.count(verb, &label, code);
    response
}

/// How metrics name a request.
fn label(inner: &Inner, method: &Method, target: &Target) -> (&'static str, String) {
    match target {
        Target::Objects(at) => {
            // Only names that are known here become labels: anybody can ask for anything.
            let registry = inner.registry();
            let resource = registry.lookup(&at.group, &at.version, &at.plural);
            let sub = match at.subresource.as_deref() {
                None => "",
                Some("status") => "/status",
                Some("scale") => "/scale",
                Some(_) => "/other",
            };
            let name = resource.map_or_else(|| "unknown".to_owned(), |r| r.qualified());
            (auth::verb(method, at, false), format!("{name}{sub}"))
        }
        Target::Version
        | Target::Health { .. }
        | Target::Metrics
        | Target::Root
        | Target::Core
        | Target::Groups
        | Target::Group(_)
        | Target::GroupVersion(..)
        | Target::OpenapiIndex
        | Target::Openapi(..)
        | Target::OpenapiV2
        | Target::Unknown => ("get", String::new()),
    }
}

async fn answer<B>(
    inner: &Arc<Inner>,
    head: Head,
    path: &str,
    target: Target,
    body: B,
) -> Result<Response<RestBody>, Status>
where
    B: Body<Data = Bytes> + Send,
    B::Error: std::fmt::Display,
{
    let access = inner.access(&head.who);
    auth::authorize(&access, &head.method, &target, path, &head.query)?;
    let Target::Objects(at) = target else {
        let paged = target == Target::Unknown;
        let body = match head.method {
            Method::POST if paged => collected(inner, body).await?,
            _ => Bytes::new(),
        };
        let page = Page {
            method: &head.method,
            path,
            body: &body,
            user: &head.who,
            access: &access,
        };
        if paged && let Some(answer) = inner.hooks.page(&page) {
            return answer.await;
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            return Err(Status::method_not_allowed());
        }
        return document(inner, &head, target);
    };
    let Some(resource) = inner
        .registry()
        .lookup(&at.group, &at.version, &at.plural)
        .cloned()
    else {
        return missing(inner, &at);
    };
    // Only a namespace is inside itself: what is allowed in one namespace says nothing of another.
    let itself = crate::strategy::is_namespace(&resource) && at.namespace == at.name;
    if at.namespace.is_some() && !resource.namespaced && !itself {
        return Err(Status::no_such_resource());
    }
    if !known(inner, &resource, &at) {
        return Err(Status::no_such_resource());
    }
    let custom = at
        .subresource
        .as_deref()
        .filter(|s| inner.hooks.subresources(&resource).contains(s));
    if head.method == Method::GET && custom.is_none() {
        return if at.subresource.as_deref() == Some("scale") {
            mutate::show_scale(inner, &resource, &at, &head)
        } else {
            read::get(inner, &resource, &at, &head.query, head.accept())
        };
    }
    let body = collected(inner, body).await?;
    if custom.is_some() {
        return hooked(inner, resource, at, &head, &body).await;
    }
    mutate::run(inner, resource, at, &head, &body).await
}

/// The body of a request, which must come in time.
async fn collected<B>(inner: &Inner, body: B) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes> + Send,
    B::Error: std::fmt::Display,
{
    let collected = decode::collect(body, inner.options.body_bytes_max);
    tokio::time::timeout(BODY_WITHIN, collected)
        .await
        .map_err(|_| {
            Status::timeout(
                "the body of the request did not come in time",
                RETRY_AFTER_SECONDS,
            )
        })?
}

/// What is not about objects.
fn document(inner: &Inner, head: &Head, target: Target) -> Result<Response<RestBody>, Status> {
    Ok(match target {
        Target::Version => respond::json(StatusCode::OK, &health::version(inner)),
        Target::Health { endpoint, check } => {
            health::health(inner, &endpoint, check.as_deref(), &head.query)
        }
        Target::Metrics => respond::text(StatusCode::OK, metrics::text(inner)),
        Target::Unknown | Target::Objects(_) => no_page(),
        Target::Root
        | Target::Core
        | Target::Groups
        | Target::Group(_)
        | Target::GroupVersion(..)
        | Target::OpenapiIndex
        | Target::Openapi(..)
        | Target::OpenapiV2 => discovery::answer(inner, head, &target).unwrap_or_else(no_page),
    })
}

/// 404 as Kubernetes answers it outside of its groups.
pub(crate) fn no_page() -> Response<RestBody> {
    respond::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn missing(inner: &Inner, at: &Objects) -> Result<Response<RestBody>, Status> {
    let registry = inner.registry();
    let mut kinds = registry
        .iter()
        .filter(|r| r.group == at.group && r.version == at.version);
    match kinds.next() {
        Some(r) if r.origin == Origin::BuiltIn => Err(Status::no_such_resource()),
        Some(_) | None => Ok(no_page()),
    }
}

/// Whether the path's subresource is one.
fn known(inner: &Inner, resource: &Resource, at: &Objects) -> bool {
    match at.subresource.as_deref() {
        None => true,
        Some("status") => resource.status,
        Some("scale") => resource.scale.is_some(),
        Some("finalize") => crate::strategy::is_namespace(resource),
        Some(other) => inner.hooks.subresources(resource).contains(&other),
    }
}

async fn hooked(
    inner: &Arc<Inner>,
    resource: Arc<Resource>,
    at: Objects,
    head: &Head,
    body: &[u8],
) -> Result<Response<RestBody>, Status> {
    let Some(name) = at.name else {
        return Err(Status::bad_request("name must be provided"));
    };
    let object = read::object(inner, &resource, at.namespace.as_deref(), &name)?;
    let body = if body.is_empty() {
        serde_json::Value::Null
    } else {
        decode::any(Media::of(&head.headers), body, "object")?.object
    };
    let code = if head.method == Method::POST {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let request = Subresource {
        method: head.method.to_string(),
        resource,
        namespace: at.namespace,
        name,
        subresource: at.subresource.unwrap_or_default(),
        object,
        body,
        user: head.who.clone(),
    };
    let answer = inner.hooks.subresource(request).await?;
    Ok(respond::json(code, &answer))
}
