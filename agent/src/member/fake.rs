//! A very small API server for tests: objects in a map, naive merging, watches, and faults.
//!
//! It shows what the agent asks for and when; it proves nothing about a real API server.

mod body;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub(crate) use body::Streamed;

use crate::plan::content::FIELD_MANAGER;

/// What a fault does to a request: an answer in its place, or silence for ever.
pub(crate) enum Fault {
    Answer(u16, &'static str, &'static str),
    /// As `Answer`, with causes.
    Reply(u16, Value),
    Silence,
    /// It is answered with 502 now and carried out after this time.
    Late(Duration),
    /// Somebody else writes this in the moment before it is carried out.
    After(Value),
}

type Judge = Box<dyn Fn(&Method, &str) -> Option<Fault> + Send>;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<String, Value>,
    /// Every request that may change something: method and path.
    pub(crate) writes: Vec<String>,
    pub(crate) reads: usize,
    watchers: Vec<(String, mpsc::Sender<Bytes>)>,
    version: u64,
    uids: u64,
    pub(crate) fault: Option<Judge>,
    /// Watches answer that what they are to begin from is too old.
    pub(crate) expired: bool,
    pub(crate) kinds: Vec<(&'static str, &'static str, &'static str, bool)>,
}

#[derive(Clone)]
pub(crate) struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub(crate) fn new() -> Self {
        let kinds = vec![
            ("v1", "Namespace", "namespaces", false),
            ("v1", "ConfigMap", "configmaps", true),
            ("v1", "Secret", "secrets", true),
            ("apps/v1", "Deployment", "deployments", true),
        ];
        let fake = Self(Arc::new(Mutex::new(State {
            kinds,
            ..State::default()
        })));
        fake.put(
            "/api/v1/namespaces/kube-system",
            json!({"kind": "Namespace", "metadata": {"name": "kube-system"}}),
        );
        fake.put(
            "/api/v1/namespaces/web",
            json!({"kind": "Namespace", "metadata": {"name": "web"}}),
        );
        fake
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn client(&self) -> kube::Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// A user writes `object` at `path`.
    pub(crate) fn put(&self, path: &str, object: Value) -> Value {
        self.state().store(path, object)
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state().drop_object(path);
    }

    async fn answer(&self, request: Request<Body>) -> Response<Streamed> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = parts.uri.path().to_owned();
        let fault = self
            .state()
            .fault
            .as_ref()
            .and_then(|judge| judge(&parts.method, &path));
        match fault {
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Answer(code, reason, message)) => return status(code, reason, message),
            Some(Fault::Reply(code, body)) => return reply(code, &body),
            Some(Fault::After(object)) => drop(self.put(&path, object)),
            Some(Fault::Late(after)) => {
                let (fake, method) = (self.clone(), parts.method.clone());
                let query = parts.uri.query().unwrap_or_default().to_owned();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                    drop(fake.state().handle(&method, &path, &query, &body));
                });
                return status(502, "", "the connection broke");
            }
            None => {}
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        self.state().handle(
            &parts.method,
            &path,
            parts.uri.query().unwrap_or_default(),
            &body,
        )
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
        if *method == Method::GET {
            self.reads += 1;
            return self.read(path, query);
        }
        self.writes.push(format!("{method} {path}"));
        let namespace = path
            .split("/namespaces/")
            .nth(1)
            .and_then(|rest| rest.split_once('/'))
            .map(|(ns, _)| ns);
        if let Some(namespace) = namespace
            && !self
                .objects
                .contains_key(&format!("/api/v1/namespaces/{namespace}"))
        {
            let message = "namespaces \"x\" not found";
            let body = json!({"reason": "NotFound", "message": message, "details": {"kind": "namespaces", "name": namespace}});
            return reply(404, &body);
        }
        match *method {
            Method::POST => {
                let name = body
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .unwrap();
                let path = format!("{path}/{name}");
                if self.objects.contains_key(&path) {
                    return status(409, "AlreadyExists", "already exists");
                }
                reply(201, &self.store(&path, body.clone()))
            }
            Method::PATCH => self.patch(path, query, body),
            Method::DELETE => {
                let Some(object) = self.objects.get(path) else {
                    return missing(path);
                };
                let differs = |given: &str, found: &str| {
                    body.pointer(given)
                        .is_some_and(|g| Some(g) != object.pointer(found))
                };
                if differs("/preconditions/uid", "/metadata/uid")
                    || differs(
                        "/preconditions/resourceVersion",
                        "/metadata/resourceVersion",
                    )
                {
                    return status(409, "Conflict", "a precondition does not hold");
                }
                if object.pointer("/metadata/finalizers").is_some() {
                    let mut object = object.clone();
                    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                    return reply(200, &self.store(path, object));
                }
                self.drop_object(path);
                reply(200, &json!({"kind": "Status", "status": "Success"}))
            }
            _ => status(405, "MethodNotAllowed", "no"),
        }
    }

    fn patch(&mut self, path: &str, query: &str, body: &Value) -> Response<Streamed> {
        let before = self.objects.get(path).cloned();
        let applying = query.contains("force=");
        let given = body.pointer("/metadata/resourceVersion");
        let found = before
            .as_ref()
            .and_then(|b| b.pointer("/metadata/resourceVersion"));
        if found.is_some() && given.is_some() && given != found {
            return status(409, "Conflict", "the object has been modified");
        }
        if before.is_none() && !applying {
            return missing(path);
        }
        let mut object = before.clone().unwrap_or_else(|| json!({}));
        let mut body = body.clone();
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        merge(&mut object, &body);
        if applying {
            let entry = json!({"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": body});
            object["metadata"]["managedFields"] = json!([entry]);
        }
        if before.as_ref() == Some(&object) {
            return reply(200, &object);
        }
        reply(200, &self.store(path, object))
    }

    fn read(&mut self, path: &str, query: &str) -> Response<Streamed> {
        if path == "/version" {
            return reply(200, &json!({"gitVersion": "v1.36.3"}));
        }
        if path == "/api" || path == "/apis" {
            return reply(200, &self.discovery(path == "/api"));
        }
        if let Some(object) = self.objects.get(path) {
            return reply(200, object);
        }
        let plural = path.rsplit('/').next().unwrap_or_default();
        if let "/api/v1/nodes" | "/api/v1/pods" = path {
            let inside = format!("/{plural}/");
            let items = self.objects.iter().filter(|(at, _)| at.contains(&inside));
            let items: Vec<&Value> = items.map(|(_, object)| object).collect();
            return reply(200, &json!({"items": items}));
        }
        if !self.kinds.iter().any(|kind| kind.2 == plural) {
            let of = path.rsplit('/').nth(1).unwrap_or_default();
            let served = self.kinds.iter().any(|kind| kind.2 == of);
            return if served {
                missing(path)
            } else {
                status(404, "NotFound", "not served")
            };
        }
        if query.contains("watch=true") && self.expired {
            return status(410, "Expired", "too old resource version");
        }
        if query.contains("watch=true") {
            let (send, receive) = mpsc::channel(1024);
            self.watchers.push((path.to_owned(), send));
            return Response::new(Streamed {
                first: None,
                rest: Some(receive),
            });
        }
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(at, o)| in_list(path, at) && (owned(o) || !query.contains("roadstead")))
            .map(|(_, o)| o)
            .collect();
        reply(
            200,
            &json!({"metadata": {"resourceVersion": self.version.to_string()}, "items": items}),
        )
    }

    fn discovery(&self, core: bool) -> Value {
        let mut groups: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (version, kind, plural, namespaced) in &self.kinds {
            if version.contains('/') == core {
                continue;
            }
            groups.entry(version).or_default().push(json!({
                "resource": plural, "responseKind": {"kind": kind},
                "scope": if *namespaced { "Namespaced" } else { "Cluster" },
                "verbs": ["get", "list", "watch", "patch", "create", "delete"],
            }));
        }
        let items: Vec<Value> = groups
            .into_iter()
            .map(|(version, resources)| {
                let (group, version) = version.split_once('/').unwrap_or(("", version));
                json!({"metadata": {"name": group}, "versions": [{"version": version, "resources": resources}]})
            })
            .collect();
        json!({"kind": "APIGroupDiscoveryList", "items": items})
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let before = self.objects.get(path);
        let kept = |field: &str| before.and_then(|b| b["metadata"].get(field)).cloned();
        let uid = kept("uid").unwrap_or_else(|| {
            self.uids += 1;
            json!(format!("uid-{}", self.uids))
        });
        let generation = kept("generation")
            .and_then(|g| g.as_i64())
            .unwrap_or_default();
        let changed = before.is_none_or(|b| b.get("spec") != object.get("spec"));
        let fresh = before.is_none();
        object["metadata"]["uid"] = uid;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object.get("spec").is_some() {
            object["metadata"]["generation"] = json!(generation + i64::from(changed));
        }
        self.objects.insert(path.to_owned(), object.clone());
        self.tell(path, if fresh { "ADDED" } else { "MODIFIED" }, &object);
        object
    }

    /// Ends all watches.
    pub(crate) fn hang_up(&mut self) {
        self.watchers.clear();
    }

    fn drop_object(&mut self, path: &str) {
        self.version += 1;
        if let Some(mut object) = self.objects.remove(path) {
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            self.tell(path, "DELETED", &object);
        }
    }

    fn tell(&mut self, path: &str, kind: &str, object: &Value) {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        self.watchers.retain(|(list, to)| {
            !in_list(list, path) || to.try_send(Bytes::from(line.clone())).is_ok()
        });
    }
}

fn in_list(list: &str, object: &str) -> bool {
    let (base, plural) = list.rsplit_once('/').unwrap_or_default();
    object.starts_with(base) && object.rsplit('/').nth(1) == Some(plural)
}

fn owned(object: &Value) -> bool {
    object
        .pointer("/metadata/labels")
        .is_some_and(|labels| labels.get("roadstead.dev/owner").is_some())
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

fn status(code: u16, reason: &str, message: &str) -> Response<Streamed> {
    reply(
        code,
        &json!({"kind": "Status", "reason": reason, "message": message, "code": code}),
    )
}

/// No object at `path`.
fn missing(path: &str) -> Response<Streamed> {
    let mut parts = path.rsplit('/');
    let (name, plural) = (parts.next(), parts.next());
    let message = format!("{plural:?} {name:?} not found");
    reply(
        404,
        &json!({"reason": "NotFound", "message": message, "details": {"kind": plural, "name": name}}),
    )
}

fn reply(code: u16, body: &Value) -> Response<Streamed> {
    let body = Streamed {
        first: Some(Bytes::from(body.to_string())),
        rest: None,
    };
    Response::builder().status(code).body(body).unwrap()
}
