//! Custom kinds that users define: served as soon as they are stored, gone when their definition is.
//!
//! One task per API follows the definitions, swaps the registry, and tells in each definition's
//! status whether it is served. A definition that is deleted stays until its objects are gone.
//! Nothing is polled.

use std::sync::{Arc, Weak};
use std::time::Duration;

use roadstead_machinery::crd;
use roadstead_machinery::resource::{Origin, Registry, Resource};
use roadstead_machinery::status::{FieldError, FieldErrorKind, Status};
use roadstead_protocol::chain;
use roadstead_store::{Event, Snapshot, Store, WatchEnd};
use serde_json::{Value, json};

use crate::rest::Inner;
use crate::write::{Context, DeleteOptions, delete, update_with};
use crate::{meta, storage};

/// The group of definitions.
const GROUP: &str = "apiextensions.k8s.io";
/// The kind of definitions.
const KIND: &str = "CustomResourceDefinition";
/// The finalizer of a definition whose objects are being deleted.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Where all objects are.
const OBJECTS: &str = "/objects/";
/// How long to wait after a failure before looking again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Who writes the status of definitions.
const MANAGER: &str = "roadstead-crds";

/// Whether `resource` is the kind of definitions.
pub(crate) fn is_definition(resource: &Resource) -> bool {
    resource.group == GROUP && resource.kind == KIND
}

/// A definition, and why it is not served, if it is not.
struct Definition {
    object: Value,
    problem: Option<String>,
}

/// `base` with every kind that is defined in `snapshot`.
pub(crate) fn registry(base: &Registry, snapshot: &Snapshot) -> Registry {
    load(base, snapshot).0
}

fn load(base: &Registry, snapshot: &Snapshot) -> (Registry, Vec<Definition>) {
    let mut registry = base.clone();
    let mut definitions = Vec::new();
    let Some(resource) = base.by_kind(GROUP, KIND) else {
        return (registry, definitions);
    };
    for entry in snapshot.range(&storage::prefix(resource, None)) {
        let Ok(object) = storage::decode(resource, entry) else {
            continue;
        };
        let problem = match registry.taken(&object) {
            Some(problem) => Some(problem),
            None => match registry.with_crd(&object) {
                Ok(with) => {
                    registry = with;
                    None
                }
                Err(error) => Some(chain(&error)),
            },
        };
        definitions.push(Definition { object, problem });
    }
    (registry, definitions)
}

/// What is wrong with a definition.
pub(crate) fn faults(object: &Value) -> Vec<FieldError> {
    match crd::resources(object, Origin::Custom) {
        Ok(_) => Vec::new(),
        Err(crd::Error::Field(field, why)) => {
            vec![FieldError::new(field, FieldErrorKind::Invalid, why)]
        }
        Err(error) => {
            vec![FieldError::new(
                "spec.versions",
                FieldErrorKind::Invalid,
                chain(&error),
            )]
        }
    }
}

/// Follows the definitions until the API is gone.
pub(crate) async fn run(store: Store, inner: Weak<Inner>) {
    loop {
        // The newest revision is always kept; were it not, a later one would be.
        let Ok(mut watch) = store.watch(OBJECTS, store.revision()) else {
            tokio::time::sleep(RETRY_AFTER).await;
            continue;
        };
        let seen = match inner.upgrade() {
            Some(inner) => look(&inner).await,
            None => return,
        };
        loop {
            let woken = tokio::select! {
                biased;
                event = watch.next() => Some(event),
                () = tokio::time::sleep(RETRY_AFTER), if seen.failed => None,
            };
            match woken {
                Some(Ok(event)) if !concerns(&event, seen.waiting) => {}
                Some(Err(WatchEnd::Closed)) => return,
                Some(Ok(_) | Err(WatchEnd::Expired)) | None => break,
            }
        }
    }
}

/// Whether a change is one of a definition, or may let one go that waits for its objects.
fn concerns(event: &Event, waiting: bool) -> bool {
    let definitions = "/objects/apiextensions.k8s.io/customresourcedefinitions/";
    event.key.as_str().starts_with(definitions) || (waiting && event.new.is_none())
}

/// What a look at the definitions came to.
#[derive(Default)]
struct Seen {
    /// Whether a definition waits for its objects to go.
    waiting: bool,
    /// Whether something could not be done that may be possible later.
    failed: bool,
}

async fn look(inner: &Arc<Inner>) -> Seen {
    let mut seen = Seen::default();
    let (registry, definitions) = load(&inner.base, &inner.store.snapshot());
    let Some(resource) = inner.base.by_kind(GROUP, KIND).cloned() else {
        return seen;
    };
    inner.serve(registry);
    for Definition { object, problem } in definitions {
        let name = meta::name(&object).to_owned();
        let done = if meta::is_deleting(&object) {
            seen.waiting = true;
            clean(inner, &resource, &object).await
        } else {
            tell(inner, &resource, &name, problem).await
        };
        match done {
            Err(status) if status.code != 404 => {
                tracing::warn!(%name, error = %status, "definition of a kind cannot be followed yet");
                seen.failed = true;
            }
            Ok(()) | Err(_) => {}
        }
    }
    seen
}

/// Says in the status of a definition whether its kind is served.
async fn tell(
    inner: &Arc<Inner>,
    resource: &Arc<Resource>,
    name: &str,
    problem: Option<String>,
) -> Result<(), Status> {
    let mut ctx = Context::internal(inner, resource, None, Some("status"), MANAGER);
    let told = update_with(&mut ctx, name, |ctx, live| {
        let now = meta::timestamp(ctx.inner.env.clock.now());
        let mut new = live.clone();
        let root = meta::root(&mut new);
        root.insert("status".to_owned(), status(live, problem.as_deref(), &now));
        Ok(new)
    });
    told.await.map(|_| ())
}

fn status(live: &Value, problem: Option<&str>, now: &str) -> Value {
    let served = problem.is_none();
    let (reason, message) = match problem {
        None => (
            "NoConflicts",
            "the names are free and the schema can be used",
        ),
        Some(problem) => ("NotAccepted", problem),
    };
    let condition = |kind: &str, reason: &str| {
        let status = if served { "True" } else { "False" };
        let old = live.pointer("/status/conditions").and_then(Value::as_array);
        let same = old
            .into_iter()
            .flatten()
            .find(|c| c["type"] == kind && c["status"] == status);
        let since = same
            .and_then(|c| c["lastTransitionTime"].as_str())
            .unwrap_or(now);
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": since,
        })
    };
    let names = live.pointer("/spec/names").cloned().unwrap_or_default();
    let versions = live.pointer("/spec/versions").and_then(Value::as_array);
    let stored = versions
        .into_iter()
        .flatten()
        .filter(|v| v["storage"] == true);
    let stored: Vec<&Value> = stored.map(|v| &v["name"]).collect();
    let established = if served {
        "InitialNamesAccepted"
    } else {
        reason
    };
    json!({
        "conditions": [condition("NamesAccepted", reason), condition("Established", established)],
        "acceptedNames": if served { names } else { json!({"plural": "", "kind": ""}) },
        "storedVersions": stored,
    })
}

/// Deletes the objects of a kind whose definition goes away, and lets go of it once there are none.
async fn clean(inner: &Arc<Inner>, resource: &Arc<Resource>, object: &Value) -> Result<(), Status> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let registry = inner.registry();
    let kind = registry.by_storage(text("/spec/group"), text("/spec/names/plural"));
    let mut left = false;
    if let Some(kind) = kind.filter(|kind| kind.origin == Origin::Custom) {
        let snapshot = inner.store.snapshot();
        for entry in snapshot.range(&storage::prefix(kind, None)) {
            let object = storage::decode(kind, entry)?;
            let namespace = meta::text(&object, "namespace");
            let namespace = Some(namespace).filter(|_| kind.namespaced);
            let mut ctx = Context::internal(inner, kind, namespace, None, MANAGER);
            match delete(&mut ctx, meta::name(&object), &DeleteOptions::default()).await {
                Ok(outcome) => left |= !outcome.removed,
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
    }
    if left {
        return Ok(());
    }
    let mut ctx = Context::internal(inner, resource, None, None, MANAGER);
    let let_go = update_with(&mut ctx, meta::name(object), |_, live| {
        let mut new = live.clone();
        let mut finalizers = meta::finalizers(live);
        finalizers.retain(|f| *f != CLEANUP);
        meta::set(
            &mut new,
            "finalizers",
            (!finalizers.is_empty()).then(|| json!(finalizers)),
        );
        Ok(new)
    });
    let_go.await.map(|_| ())
}
