//! Namespaces that go away: emptied, then removed.
//!
//! One task per API. It wakes when a namespace changes or something in one goes away, looks at
//! every namespace that is terminating, deletes what is in it (through the same path as a user's
//! deletion, so hooks add to it; they let it through with the namespace already), and removes the
//! namespace once it is empty. What has finalizers keeps its namespace waiting. Nothing is polled.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use roadstead_store::records::{object_key, parse_object_key};
use roadstead_store::{Entry, Event, Key, Store, WatchEnd};
use serde_json::{Value, json};

use crate::decode::Decoded;
use crate::rest::Inner;
use crate::write::{Context, DeleteOptions, create, delete, update_with};
use crate::{meta, storage};

/// How long to wait after a failure before looking again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Where all objects are.
const OBJECTS: &str = "/objects/";

/// Who writes namespaces here.
const MANAGER: &str = "roadstead-namespaces";

/// The key of a namespace, if that can be its name.
pub(crate) fn key(namespace: &str) -> Option<Key> {
    object_key("", "namespaces", "", namespace).ok()
}

/// Whether the namespace of this entry is going away.
pub(crate) fn is_terminating(entry: &Entry) -> bool {
    let object: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
    meta::is_deleting(&object)
}

/// Makes a namespace where it is missing.
///
/// # Errors
/// When the store cannot write.
pub(crate) async fn ensure(inner: &Arc<Inner>, name: &str) -> Result<(), Status> {
    let Some(resource) = inner.base.by_kind("", "Namespace").cloned() else {
        return Ok(());
    };
    let mut ctx = Context::internal(inner, &resource, None, None, MANAGER);
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    match create(
        &mut ctx,
        Decoded {
            object,
            duplicates: Vec::new(),
        },
    )
    .await
    {
        Err(status) if status.reason != "AlreadyExists" => Err(status),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Empties and removes namespaces until the API is gone.
pub(crate) async fn run(store: Store, inner: Weak<Inner>) {
    loop {
        // The newest revision is always kept; were it not, a later one would be.
        let Ok(mut watch) = store.watch(OBJECTS, store.revision()) else {
            tokio::time::sleep(RETRY_AFTER).await;
            continue;
        };
        let swept = match inner.upgrade() {
            Some(inner) => sweep(&inner).await,
            None => return,
        };
        loop {
            let woken = tokio::select! {
                biased;
                event = watch.next() => Some(event),
                () = tokio::time::sleep(RETRY_AFTER), if swept.failed => None,
            };
            match woken {
                Some(Ok(event)) if !concerns(&event, &swept.going) => {}
                Some(Err(WatchEnd::Closed)) => return,
                Some(Ok(_) | Err(WatchEnd::Expired)) | None => break,
            }
        }
    }
}

/// Whether a change begins the end of a namespace, or may let one go on that is `going`.
fn concerns(event: &Event, going: &BTreeSet<String>) -> bool {
    let Some(key) = parse_object_key(event.key.as_str()) else {
        return false;
    };
    match &event.new {
        Some(entry) => key.group.is_empty() && key.plural == "namespaces" && is_terminating(entry),
        None => going.contains(&key.namespace),
    }
}

/// What a look at all namespaces came to.
#[derive(Default)]
struct Swept {
    /// Those that are still there although they are going away.
    going: BTreeSet<String>,
    /// Whether something could not be done that may be possible later.
    failed: bool,
}

async fn sweep(inner: &Arc<Inner>) -> Swept {
    let mut swept = Swept::default();
    let Some(resource) = inner.base.by_kind("", "Namespace").cloned() else {
        return swept;
    };
    let snapshot = inner.store.snapshot();
    let prefix = storage::prefix(&resource, None);
    let going = snapshot
        .range(&prefix)
        .filter(|entry| is_terminating(entry))
        .filter_map(|entry| entry.key.as_str().rsplit('/').next().map(str::to_owned));
    for namespace in going.collect::<Vec<_>>() {
        if let Err(status) = finish(inner, &resource, &namespace).await {
            tracing::warn!(%namespace, error = %status, "namespace cannot be emptied yet");
            swept.failed = true;
        }
        swept.going.insert(namespace);
    }
    swept
}

async fn finish(
    inner: &Arc<Inner>,
    resource: &Arc<Resource>,
    namespace: &str,
) -> Result<(), Status> {
    if empty(inner, namespace).await? {
        let mut ctx = Context::internal(inner, resource, None, Some("finalize"), MANAGER);
        ctx.judged = true;
        let done = update_with(&mut ctx, namespace, |_, live| {
            let mut live = live.clone();
            meta::map(meta::root(&mut live), "spec").insert("finalizers".to_owned(), json!([]));
            Ok(live)
        })
        .await;
        match done {
            Err(status) if status.code != 404 => return Err(status),
            Ok(_) | Err(_) => tracing::info!(%namespace, "namespace removed"),
        }
    }
    Ok(())
}

/// Deletes what is in a namespace; whether nothing is left.
async fn empty(inner: &Arc<Inner>, namespace: &str) -> Result<bool, Status> {
    let mut seen = BTreeSet::new();
    let mut left = false;
    for resource in inner.registry().iter() {
        if !resource.namespaced || resource.is_review() || !seen.insert(resource.storage.clone()) {
            continue;
        }
        let prefix = storage::prefix(resource, Some(namespace));
        let snapshot = inner.store.snapshot();
        for entry in snapshot.range(&prefix) {
            let object = storage::decode(resource, entry)?;
            let name = meta::name(&object).to_owned();
            let mut ctx = Context::internal(inner, resource, Some(namespace), None, MANAGER);
            ctx.judged = true;
            match delete(&mut ctx, &name, &DeleteOptions::default()).await {
                Ok(outcome) => left |= !outcome.removed,
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
    }
    Ok(!left)
}
