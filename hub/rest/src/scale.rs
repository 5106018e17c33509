//! The scale subresource: one number of an object, in the form of `autoscaling/v1`.

use roadstead_machinery::jsonpath::JsonPath;
use roadstead_machinery::resource::{Resource, ScalePaths};
use roadstead_machinery::status::{FieldError, Status};
use serde_json::{Value, json};

use crate::write::{self, Context, Outcome, Patch, patched, update_with};
use crate::{meta, storage};

/// The version of the Scale kind.
const VERSION: &str = "autoscaling/v1";

/// The scale of an object as it is now.
///
/// # Errors
/// 404.
pub(crate) fn get(ctx: &Context, name: &str) -> Result<Value, Status> {
    let key = storage::key(&ctx.resource, ctx.namespace.as_deref(), name);
    let key = key.map_err(|_| ctx.not_found(name))?;
    let found = storage::read(&ctx.inner.store.snapshot(), &ctx.resource, &key)?;
    let (object, _) = found.ok_or_else(|| ctx.not_found(name))?;
    show(&ctx.resource, &object)
}

/// Replaces the scale of an object.
///
/// # Errors
/// 400, 404, 409, 422.
pub(crate) async fn put(ctx: &mut Context, name: &str, scale: Value) -> Result<Value, Status> {
    write(ctx, name, move |_, _| Ok(scale.clone())).await
}

/// Patches the scale of an object.
///
/// # Errors
/// 400, 404, 409, 422.
pub(crate) async fn patch(ctx: &mut Context, name: &str, patch: Patch) -> Result<Value, Status> {
    if let Patch::Apply(scale) = &patch {
        let config = config(&ctx.resource, scale)?;
        let Outcome { object, .. } = write::patch(ctx, name, Patch::Apply(config)).await?;
        return show(&ctx.resource, &object);
    }
    write(ctx, name, move |ctx, old| match &patch {
        Patch::Strategic(change) => patched(ctx, &Patch::Merge(change.clone()), old),
        Patch::Json(_) | Patch::Merge(_) | Patch::Apply(_) => patched(ctx, &patch, old),
    })
    .await
}

/// What an applied scale wants of the object itself.
fn config(resource: &Resource, scale: &Value) -> Result<Value, Status> {
    let text = |field: &str| scale.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") != VERSION || text("kind") != "Scale" {
        let (version, kind) = (text("apiVersion"), text("kind"));
        let message = format!("invalid object type: {version}, Kind={kind}");
        return Err(Status::bad_request(message));
    }
    // Who may scale may not label: of the metadata only what tells which object is meant.
    let told = ["name", "namespace", "uid", "resourceVersion"]
        .into_iter()
        .filter_map(|field| Some((field.to_owned(), meta::get(scale, field)?.clone())));
    let metadata: serde_json::Map<String, Value> = told.collect();
    let mut config = json!({
        "apiVersion": resource.api_version(), "kind": resource.kind,
        "metadata": metadata,
    });
    if let Some(replicas) = scale.pointer("/spec/replicas") {
        set(
            &mut config,
            &paths(resource)?.spec_replicas,
            replicas.clone(),
        );
    }
    Ok(config)
}

async fn write<F>(ctx: &mut Context, name: &str, mut change: F) -> Result<Value, Status>
where
    F: FnMut(&Context, &Value) -> Result<Value, Status> + Send,
{
    let paths = paths(&ctx.resource)?.clone();
    let Outcome { object, .. } = update_with(ctx, name, |ctx, live| {
        let old = show(&ctx.resource, live)?;
        let new = change(ctx, &old)?;
        let given = meta::text(&new, "resourceVersion");
        if !given.is_empty() && given != meta::text(live, "resourceVersion") {
            return Err(ctx.modified(name));
        }
        let replicas = new
            .pointer("/spec/replicas")
            .cloned()
            .unwrap_or_else(|| json!(0));
        if replicas.as_i64().is_none_or(|n| n < 0) {
            let why = "must be greater than or equal to 0";
            let fault = FieldError::invalid("spec.replicas", &replicas, why);
            return Err(Status::invalid("autoscaling", "Scale", name, &[fault]));
        }
        let mut live = live.clone();
        set(&mut live, &paths.spec_replicas, replicas);
        Ok(live)
    })
    .await?;
    show(&ctx.resource, &object)
}

fn paths(resource: &Resource) -> Result<&ScalePaths, Status> {
    resource.scale.as_ref().ok_or_else(Status::no_such_resource)
}

/// The scale of `object`.
fn show(resource: &Resource, object: &Value) -> Result<Value, Status> {
    let paths = paths(resource)?;
    let number = |path: &str| {
        find(object, path)
            .and_then(|v| v.as_i64())
            .unwrap_or_default()
    };
    let mut metadata = serde_json::Map::new();
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = meta::get(object, field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut status = json!({"replicas": number(&paths.status_replicas)});
    let selector = paths
        .label_selector
        .as_deref()
        .and_then(|p| find(object, p));
    if let Some(selector) = selector.map(selector_text).filter(|s| !s.is_empty()) {
        meta::root(&mut status).insert("selector".to_owned(), selector.into());
    }
    let mut spec = json!({});
    let replicas = number(&paths.spec_replicas);
    if replicas != 0 {
        meta::root(&mut spec).insert("replicas".to_owned(), replicas.into());
    }
    Ok(json!({
        "kind": "Scale", "apiVersion": VERSION, "metadata": metadata, "spec": spec, "status": status,
    }))
}

fn find<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    JsonPath::parse(path).ok()?.first(object)
}

/// A selector as text: as it is, or from the form with `matchLabels`.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.to_owned();
    }
    let parsed = roadstead_machinery::selector::LabelSelector::from_value(selector);
    let requirements = parsed.map(|s| s.0).unwrap_or_default();
    requirements
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

/// Puts a value at a path of plain field names.
fn set(object: &mut Value, path: &str, value: Value) {
    let mut parts: Vec<&str> = path.split('.').filter(|p| !p.is_empty()).collect();
    let Some(last) = parts.pop() else { return };
    let mut at = meta::root(object);
    for part in parts {
        at = meta::map(at, part);
    }
    at.insert(last.to_owned(), value);
}
