//! What is served: discovery documents and OpenAPI, each made once and known by its hash.
//!
//! Clients keep copies and ask whether they are still good: an `If-None-Match` with the right hash
//! is answered with 304.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HOST, HeaderValue, IF_NONE_MATCH, VARY};
use http::{Response, StatusCode};
use roadstead_machinery::discovery::{self, Aggregated, Part};
use roadstead_machinery::openapi;
use serde_json::{Value, json};

use crate::path::Target;
use crate::rest::Inner;
use crate::route::Head;
use crate::{RestBody, accept};

/// Most documents that are kept.
const DOCUMENTS_MAX: usize = 1024;
/// How many hexadecimal digits of a hash are shown.
const HASH_CHARS: usize = 32;

/// An OpenAPI document of version 2 without paths, as JSON.
const OPENAPI_V2_JSON: &[u8] =
    br#"{"swagger":"2.0","info":{"title":"Kubernetes","version":"v1"},"paths":{}}"#;
/// The same in the form that Go clients ask for: swagger (1), info (2), paths (8).
const OPENAPI_V2_PROTOBUF: &[u8] = b"\x0a\x032.0\x12\x10\x0a\x0aKubernetes\x12\x02v1\x42\x00";

/// A document and its hash.
#[derive(Clone)]
struct Document {
    body: Bytes,
    hash: String,
}

/// Documents that were asked for before.
#[derive(Default)]
pub(crate) struct Documents(Mutex<BTreeMap<String, Document>>);

impl Documents {
    /// The document of that name, made if it was not asked for before.
    fn get(&self, name: &str, make: impl FnOnce() -> Option<Value>) -> Option<Document> {
        let known = self.0.lock().ok().and_then(|kept| kept.get(name).cloned());
        if known.is_some() {
            return known;
        }
        let body = serde_json::to_vec(&make()?).unwrap_or_default();
        let hash: String = blake3::hash(&body)
            .to_hex()
            .chars()
            .take(HASH_CHARS)
            .collect();
        let document = Document {
            body: Bytes::from(body),
            hash,
        };
        if let Ok(mut kept) = self.0.lock()
            && kept.len() < DOCUMENTS_MAX
        {
            kept.insert(name.to_owned(), document.clone());
        }
        Some(document)
    }
}

/// Answers a question about what is served; `None` where nothing of that name is.
pub(crate) fn answer(inner: &Inner, head: &Head, target: &Target) -> Option<Response<RestBody>> {
    let (registry, documents) = inner.documents();
    let registry = &registry;
    let kept = |name: &str, make: &dyn Fn() -> Option<Value>| documents.get(name, make);
    let json = "application/json";
    let (document, media) = match target {
        Target::Root => (kept("/", &|| Some(root(inner)))?, json.to_owned()),
        Target::Core => return core(inner, head),
        Target::Groups => match form(head.accept()) {
            Some(form) => {
                let name = format!("/apis {}", form.version());
                let make = || Some(discovery::aggregated(registry, Part::Groups, form));
                (kept(&name, &make)?, form.media_type())
            }
            None => (
                kept("/apis", &|| Some(discovery::groups(registry)))?,
                json.to_owned(),
            ),
        },
        Target::Group(group) => {
            let name = format!("/apis/{group}");
            (
                kept(&name, &|| discovery::group(registry, group))?,
                json.to_owned(),
            )
        }
        Target::GroupVersion(group, version) => {
            let name = format!("/apis/{group}/{version}");
            (
                kept(&name, &|| discovery::resources(registry, group, version))?,
                json.to_owned(),
            )
        }
        Target::OpenapiIndex => (
            kept("/openapi/v3", &|| Some(openapi::index(registry)))?,
            json.to_owned(),
        ),
        Target::Openapi(group, version) => {
            (openapi_document(inner, group, version)?, json.to_owned())
        }
        Target::OpenapiV2 => return Some(openapi_v2(head)),
        Target::Version
        | Target::Health { .. }
        | Target::Metrics
        | Target::Objects(_)
        | Target::Unknown => return None,
    };
    Some(send(head, &document, &media))
}

fn form(accept: &str) -> Option<Aggregated> {
    match accept::aggregated(accept)? {
        "v2" => Some(Aggregated::V2),
        _ => Some(Aggregated::V2Beta1),
    }
}

/// `/api`, whose old form names the server by the address that the client uses.
fn core(inner: &Inner, head: &Head) -> Option<Response<RestBody>> {
    let (registry, documents) = inner.documents();
    let registry = &registry;
    if let Some(form) = form(head.accept()) {
        let name = format!("/api {}", form.version());
        let make = || Some(discovery::aggregated(registry, Part::Core, form));
        return Some(send(head, &documents.get(&name, make)?, &form.media_type()));
    }
    let host = head.header(HOST);
    let body = serde_json::to_vec(&discovery::core_versions(registry, host)).unwrap_or_default();
    let hash = blake3::hash(&body).to_hex().to_string();
    Some(send(
        head,
        &Document {
            body: Bytes::from(body),
            hash,
        },
        "application/json",
    ))
}

fn openapi_document(inner: &Inner, group: &str, version: &str) -> Option<Document> {
    let name = format!("/openapi/v3 {group}/{version}");
    let (registry, documents) = inner.documents();
    let make = || match openapi::document(&registry, group, version) {
        Ok(document) => document,
        Err(error) => {
            tracing::error!(%error, "failed to make an OpenAPI document");
            None
        }
    };
    documents.get(&name, make)
}

/// What the second version of OpenAPI says: nothing. Clients read the third, but some ask here about
/// kinds that they did not find there, and take a missing document for a failure.
fn openapi_v2(head: &Head) -> Response<RestBody> {
    // What is asked for is no valid media type, so the answer has another name.
    let asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let (body, media) = if head.accept().contains(asked) {
        (Bytes::from_static(OPENAPI_V2_PROTOBUF), protobuf)
    } else {
        (Bytes::from_static(OPENAPI_V2_JSON), "application/json")
    };
    let hash = blake3::hash(&body).to_hex().to_string();
    send(head, &Document { body, hash }, media)
}

/// The paths that there are, for people who look around.
fn root(inner: &Inner) -> Value {
    let mut paths = vec!["/api".to_owned(), "/apis".to_owned()];
    for (group, versions) in inner.registry().groups() {
        for version in versions {
            paths.push(if group.is_empty() {
                format!("/api/{version}")
            } else {
                format!("/apis/{group}/{version}")
            });
        }
    }
    for path in [
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v3",
        "/readyz",
        "/version",
    ] {
        paths.push(path.to_owned());
    }
    json!({"paths": paths})
}

fn send(head: &Head, document: &Document, media: &str) -> Response<RestBody> {
    let tag = format!("\"{}\"", document.hash);
    let known = head
        .header(IF_NONE_MATCH)
        .split(',')
        .any(|t| t.trim().trim_start_matches("W/") == tag);
    let body = if known {
        Bytes::new()
    } else {
        document.body.clone()
    };
    let mut response = Response::new(RestBody::full(body));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    for (name, value) in [(CONTENT_TYPE, media), (ETAG, &tag), (VARY, "Accept")] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}
