//! Writing the objects to the copy, as `kubectl apply` or `kubectl delete` would.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use roadstead_machinery::resource::{Registry, Resource};
use roadstead_machinery::status::Status;
use roadstead_protocol::wire::ItemKey;
use roadstead_rest::{Identity, Rest};
use roadstead_store::records::object_key;
use roadstead_store::{Key, Store, Txn};
use serde_json::{Map, Value, json};

use super::{Ask, Written, name};
use crate::hooks::HubHooks;

/// Who applies on the copy.
const MANAGER: &str = "roadstead-preview";
/// Whose fields it takes over: what these had and the file no longer has goes, as with kubectl.
const MANAGERS: [&str; 3] = ["kubectl", "kubectl-client-side-apply", "kubectl-create"];
/// What `kubectl apply` keeps of the file that it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What a write changes of any object, whether it says something else or not.
const BOOKKEEPING: [&str; 3] = ["managedFields", "resourceVersion", "generation"];

/// A copy of the hub's API, and who writes there.
struct Copy<'a> {
    rest: Rest,
    store: Store,
    user: &'a Identity,
}

/// An object, and where it goes.
struct Given {
    item: ItemKey,
    resource: Arc<Resource>,
    key: Key,
    object: Value,
}

/// Writes all of them, in their order.
///
/// # Errors
/// The first refusal, with the object that it is about.
pub(super) async fn all(
    hooks: HubHooks,
    user: &Identity,
    ask: Ask,
) -> Result<Vec<Written>, Status> {
    let registry = Arc::clone(&hooks.registry);
    let mut given = Vec::new();
    let kinds = hooks.kinds();
    for (index, object) in ask.objects.into_iter().enumerate() {
        let found = find(&kinds, object, &ask.namespace);
        given.push(found.map_err(|why| Status::bad_request(format!("objects[{index}]: {why}")))?);
    }
    let store = hooks.store.clone();
    let rest = Rest::new(roadstead_rest::Parts {
        env: hooks.env.clone(),
        store: store.clone(),
        registry,
        hooks: Arc::new(hooks),
        // The copy lives for one question: what goes on by itself would come too late.
        options: roadstead_rest::Options {
            namespaces_emptied: false,
            ..roadstead_rest::Options::default()
        },
    });
    let copy = Copy { rest, store, user };
    let mut written = Vec::new();
    for given in given {
        let what = name(&given.item);
        let result = if ask.delete {
            copy.delete(given).await
        } else {
            copy.apply(given).await
        };
        let result = result.map_err(|mut status| {
            status.message = format!("{what}: {}", status.message);
            status
        })?;
        written.push(Written {
            object: what,
            result: result.to_owned(),
        });
    }
    Ok(written)
}

/// Where an object goes.
fn find(kinds: &Registry, mut object: Value, namespace: &str) -> Result<Given, String> {
    let text = |pointer: &str| {
        let found = object.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let (api_version, kind, called) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    let own = text("/metadata/namespace");
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let Some(resource) = kinds.by_gvk(group, version, &kind).cloned() else {
        return Err(format!(
            "apiVersion {api_version:?}, kind {kind:?}: no such kind is served; see kubectl api-resources"
        ));
    };
    if called.is_empty() {
        return Err(
            "metadata.name: must be there; what the hub is to find a name for cannot be looked at before"
                .to_owned(),
        );
    }
    let namespace = match (resource.namespaced, own.is_empty()) {
        (false, _) => String::new(),
        (true, false) => own,
        (true, true) => namespace.to_owned(),
    };
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "resourceVersion",
            "uid",
            "managedFields",
            "creationTimestamp",
        ] {
            metadata.remove(field);
        }
        if resource.namespaced {
            metadata.insert("namespace".to_owned(), namespace.as_str().into());
        }
    }
    let (stored_in, plural) = &resource.storage;
    let key = object_key(stored_in, plural, &namespace, &called).map_err(|e| e.to_string())?;
    let item = ItemKey {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace,
        name: called,
    };
    Ok(Given {
        item,
        resource,
        key,
        object,
    })
}

impl Given {
    fn url(&self) -> String {
        let resource = &*self.resource;
        let root = match resource.group.as_str() {
            "" => format!("/api/{}", resource.version),
            group => format!("/apis/{group}/{}", resource.version),
        };
        let (plural, name) = (&resource.plural, &self.item.name);
        match self.item.namespace.as_str() {
            "" => format!("{root}/{plural}/{name}"),
            namespace => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
        }
    }
}

impl Copy<'_> {
    async fn apply(&self, given: Given) -> Result<&'static str, Status> {
        let before = self.object(&given.key);
        if let Some(live) = &before {
            self.take_over(&given.key, live).await?;
        }
        let url = format!("{}?fieldManager={MANAGER}&force=true", given.url());
        let apply = ("PATCH", "application/apply-patch+yaml");
        self.send(apply, &url, &given.object).await?;
        let after = self.object(&given.key);
        Ok(match before {
            None => "created",
            Some(before) if Some(meant(&before)) == after.as_ref().map(meant) => "unchanged",
            Some(_) => "changed",
        })
    }

    async fn delete(&self, given: Given) -> Result<&'static str, Status> {
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        let delete = ("DELETE", "application/json");
        self.send(delete, &given.url(), &options).await?;
        Ok("deleted")
    }

    fn object(&self, key: &Key) -> Option<Value> {
        let snapshot = self.store.snapshot();
        serde_json::from_slice(&snapshot.get(key.as_str())?.value).ok()
    }

    /// Gives what kubectl's managers have to the one that applies here, as `kubectl apply --server-side`
    /// does with what it applied otherwise before.
    async fn take_over(&self, key: &Key, live: &Value) -> Result<(), Status> {
        let mut object = live.clone();
        let managed = object.pointer_mut("/metadata/managedFields");
        let Some(entries) = managed.and_then(Value::as_array_mut) else {
            return Ok(());
        };
        let is_ours = |entry: &Value| {
            let manager = entry.get("manager").and_then(Value::as_str);
            manager.is_some_and(|m| MANAGERS.contains(&m)) && entry.get("subresource").is_none()
        };
        let (ours, others): (Vec<Value>, Vec<Value>) = entries.drain(..).partition(is_ours);
        let mut fields = Value::Object(Map::new());
        for entry in &ours {
            union(&mut fields, entry.get("fieldsV1").unwrap_or(&Value::Null));
        }
        let mut taken = ours.into_iter().next();
        if let Some(entry) = taken.as_mut().and_then(Value::as_object_mut) {
            entry.insert("manager".to_owned(), MANAGER.into());
            entry.insert("operation".to_owned(), "Apply".into());
            entry.insert("fieldsV1".to_owned(), fields);
        }
        *entries = taken.into_iter().chain(others).collect();
        let value = serde_json::to_vec(&object).map_err(Status::internal)?;
        let taken = Txn::new().put(key.clone(), value);
        self.store.commit(taken).await.map_err(Status::internal)?;
        Ok(())
    }

    async fn send(
        &self,
        (method, media): (&str, &str),
        url: &str,
        body: &Value,
    ) -> Result<(), Status> {
        let request = http::Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", media)
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|e| Status::bad_request(format!("{url} is no path: {e}")))?;
        let answer = self.rest.handle(request, self.user.clone()).await;
        let code = answer.status();
        if code.is_success() {
            return Ok(());
        }
        let body = answer.into_body().collect().await;
        let body = body.map(http_body_util::Collected::to_bytes);
        let said: Value = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
        let words = |field: &str| {
            let found = said.get(field).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        Err(Status::failure(
            code.as_u16(),
            &words("reason"),
            words("message"),
        ))
    }
}

/// An object without what every write changes.
fn meant(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in BOOKKEEPING {
            metadata.remove(field);
        }
        let annotations = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut);
        let empty = annotations.is_some_and(|annotations| {
            annotations.remove(LAST_APPLIED);
            annotations.is_empty()
        });
        if empty {
            metadata.remove("annotations");
        }
    }
    object
}

/// The fields of both.
fn union(into: &mut Value, from: &Value) {
    let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) else {
        return;
    };
    for (key, value) in from {
        union(into.entry(key).or_insert_with(|| json!({})), value);
    }
}
