//! A member cluster as small as can be, so that thousands fit into one process: objects in a map,
//! naive merging, watches. It stands in for the member where agents in numbers are measured; what a
//! member answers is proved elsewhere, with real ones.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Events that a watch may lag behind; then it ends, as a real one does.
const LAG_MAX: usize = 256;
/// What the member serves: API version, kind, plural, whether in namespaces.
const KINDS: [(&str, &str, &str, bool); 2] = [
    ("v1", "Namespace", "namespaces", false),
    ("v1", "ConfigMap", "configmaps", true),
];

/// Is told of each object that an agent writes.
pub(crate) type Told = Arc<dyn Fn(&Value) + Send + Sync>;

struct State {
    objects: BTreeMap<String, Value>,
    watchers: Vec<(String, mpsc::Sender<Bytes>)>,
    version: u64,
    uid: String,
    told: Told,
}

/// A member.
#[derive(Clone)]
pub(crate) struct Light(Arc<Mutex<State>>);

impl Light {
    /// The member number `number`, which tells `told` what it is given.
    pub(crate) fn new(number: usize, told: Told) -> Self {
        let light = Self(Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            watchers: Vec::new(),
            version: 1,
            uid: format!("light-{number}"),
            told,
        })));
        for name in ["kube-system", "bench", "roadstead-system"] {
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            light
                .lock()
                .store(&format!("/api/v1/namespaces/{name}"), object);
        }
        light
    }

    /// Its API.
    pub(crate) fn client(&self) -> kube::Client {
        let light = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let light = light.clone();
            async move { Ok::<_, Infallible>(light.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Streamed> {
        let (parts, body) = request.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let body = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        self.lock().handle(&parts.method, path, query, &body)
    }
}

impl State {
    fn handle(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: &Value,
    ) -> Response<Streamed> {
        match *method {
            Method::GET => self.read(path, query),
            Method::POST => {
                let name = body
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let path = format!("{path}/{name}");
                if self.objects.contains_key(&path) {
                    return status(409, "AlreadyExists", &path);
                }
                let object = self.store(&path, body.clone());
                reply(201, &object)
            }
            Method::PATCH => self.patch(path, query, body),
            Method::DELETE => {
                self.version += 1;
                match self.objects.remove(path) {
                    None => status(404, "NotFound", path),
                    Some(object) => {
                        self.tell(path, "DELETED", &object);
                        reply(200, &json!({"kind": "Status", "status": "Success"}))
                    }
                }
            }
            _ => status(405, "MethodNotAllowed", path),
        }
    }

    fn patch(&mut self, path: &str, query: &str, body: &Value) -> Response<Streamed> {
        let before = self.objects.get(path).cloned();
        let applying = query.contains("force=") || query.contains("fieldManager=");
        if before.is_none() && !applying {
            return status(404, "NotFound", path);
        }
        let mut object = before.clone().unwrap_or_else(|| json!({}));
        merge(&mut object, body);
        if applying
            && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        {
            let entry = json!({"manager": "roadstead", "operation": "Apply", "fieldsV1": {}});
            metadata.insert("managedFields".to_owned(), json!([entry]));
        }
        if before.as_ref() == Some(&object) {
            return reply(200, &object);
        }
        let object = self.store(path, object);
        reply(200, &object)
    }

    fn read(&mut self, path: &str, query: &str) -> Response<Streamed> {
        match path {
            "/version" => return reply(200, &json!({"gitVersion": "v1.36.3"})),
            "/api" => return reply(200, &discovery()),
            "/apis" => return reply(200, &json!({"kind": "APIGroupDiscoveryList", "items": []})),
            _ => {}
        }
        if let Some(object) = self.objects.get(path) {
            return reply(200, object);
        }
        let plural = path.rsplit('/').next().unwrap_or_default();
        if plural != "nodes" && !KINDS.iter().any(|kind| kind.2 == plural) {
            return status(404, "NotFound", path);
        }
        if query.contains("watch=true") {
            let (send, receive) = mpsc::channel(LAG_MAX);
            self.watchers.push((path.to_owned(), send));
            return Response::new(Streamed {
                first: None,
                rest: Some(receive),
            });
        }
        let owned = |object: &Value| {
            object
                .pointer("/metadata/labels/roadstead.dev~1owner")
                .is_some()
        };
        let found = self
            .objects
            .iter()
            .filter(|(at, o)| in_list(path, at) && owned(o));
        let items: Vec<&Value> = found.map(|(_, o)| o).collect();
        let list =
            json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items});
        reply(200, &list)
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let fresh = !self.objects.contains_key(path);
        let uid = format!("{}-{}", self.uid, path.replace('/', "-"));
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), uid.into());
            metadata.insert(
                "resourceVersion".to_owned(),
                self.version.to_string().into(),
            );
        }
        self.objects.insert(path.to_owned(), object.clone());
        self.tell(path, if fresh { "ADDED" } else { "MODIFIED" }, &object);
        (self.told)(&object);
        object
    }

    fn tell(&mut self, path: &str, kind: &str, object: &Value) {
        if !self.watchers.iter().any(|(list, _)| in_list(list, path)) {
            return;
        }
        let line = Bytes::from(format!("{}\n", json!({"type": kind, "object": object})));
        self.watchers
            .retain(|(list, to)| !in_list(list, path) || to.try_send(line.clone()).is_ok());
    }
}

fn discovery() -> Value {
    let resource = |(_, kind, plural, namespaced): &(&str, &str, &str, bool)| {
        json!({
            "resource": plural, "responseKind": {"kind": kind},
            "scope": if *namespaced { "Namespaced" } else { "Cluster" },
            "verbs": ["get", "list", "watch", "patch", "create", "delete"],
        })
    };
    let resources: Vec<Value> = KINDS.iter().map(resource).collect();
    let versions = json!([{"version": "v1", "resources": resources}]);
    json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": ""}, "versions": versions}]})
}

fn in_list(list: &str, object: &str) -> bool {
    let (base, plural) = list.rsplit_once('/').unwrap_or_default();
    object.starts_with(base) && object.rsplit('/').nth(1) == Some(plural)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// A failure about the object at `path`.
fn status(code: u16, reason: &str, path: &str) -> Response<Streamed> {
    let mut parts = path.rsplit('/');
    let (name, kind) = (parts.next(), parts.next());
    let known = KINDS.iter().any(|served| Some(served.2) == kind);
    let details = if known {
        json!({"name": name, "kind": kind})
    } else {
        json!({})
    };
    let message = format!("{reason}: {path}");
    reply(
        code,
        &json!({"kind": "Status", "reason": reason, "message": message, "code": code, "details": details}),
    )
}

fn reply(code: u16, body: &Value) -> Response<Streamed> {
    let first = Some(Bytes::from(body.to_string()));
    let mut response = Response::new(Streamed { first, rest: None });
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    response
}

/// A body of one piece, or of as many as there are events.
pub(crate) struct Streamed {
    first: Option<Bytes>,
    rest: Option<mpsc::Receiver<Bytes>>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        match &mut self.rest {
            None => Poll::Ready(None),
            Some(rest) => rest
                .poll_recv(cx)
                .map(|line| line.map(|line| Ok(Frame::data(line)))),
        }
    }
}
