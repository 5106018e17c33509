//! What every written object goes through: unknown fields, defaults, managed fields, validation.

use std::collections::BTreeSet;
use std::sync::Arc;

use roadstead_machinery::resource::Origin;
use roadstead_machinery::status::Status;
use roadstead_machinery::{managed, validate};
use serde_json::Value;

use super::Context;
use super::update::apply_failed;
use crate::query::Validation;
use crate::{crds, defaults, meta, strategy};

/// Says that an object comes from an apply, whose fields have their owners already.
pub(super) struct Applying;

/// Drops the fields that the kind does not have, and warns of them or refuses, as the client
/// wishes.
///
/// # Errors
/// 400 in strict mode, and for values that a field cannot hold.
pub(super) fn fields(
    ctx: &mut Context,
    object: &mut Value,
    duplicates: &[String],
) -> Result<(), Status> {
    let unknown =
        validate::fit(&ctx.resource, object).map_err(|e| unhandled(ctx, &e.to_string()))?;
    owners_once(ctx, object);
    for field in ["finalizers", "ownerReferences", "labels", "annotations"] {
        let empty = match meta::get(object, field) {
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            Some(_) | None => false,
        };
        if empty {
            meta::set(object, field, None);
        }
    }
    if ctx.params.validation == Validation::Ignore {
        return Ok(());
    }
    let duplicates = duplicates
        .iter()
        .map(|path| format!("duplicate field {path:?}"));
    let unknown = unknown.iter().map(|path| format!("unknown field {path:?}"));
    let faults: Vec<String> = duplicates.chain(unknown).collect();
    if ctx.params.validation == Validation::Strict && !faults.is_empty() {
        return Err(unhandled(
            ctx,
            &format!("strict decoding error: {}", faults.join(", ")),
        ));
    }
    faults.into_iter().for_each(|fault| ctx.warn(fault));
    Ok(())
}

fn unhandled(ctx: &Context, why: &str) -> Status {
    let (version, kind) = (&ctx.resource.version, &ctx.resource.kind);
    Status::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
    ))
}

/// Keeps one of several owner references to the same uid.
fn owners_once(ctx: &mut Context, object: &mut Value) {
    let Some(Value::Array(owners)) = meta::of(object).get_mut("ownerReferences") else {
        return;
    };
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    owners.retain(|owner| {
        let uid = owner.get("uid").and_then(Value::as_str).unwrap_or_default();
        let first = seen.insert(uid.to_owned());
        if !first {
            twice.insert(uid.to_owned());
        }
        first || uid.is_empty()
    });
    if !twice.is_empty() {
        let uids: Vec<String> = twice.into_iter().collect();
        ctx.warn(format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references \
             in 1.20+, and may reject such requests as early as 1.24; please fix your requests; \
             duplicate UID(s) observed: {}",
            uids.join(", ")
        ));
    }
}

/// Fills in what the schema of a custom kind has defaults for, and what a cluster would.
pub(super) fn fill_in(ctx: &Context, object: &mut Value) {
    validate::defaults(&ctx.resource, object);
    if ctx.inner.options.defaulted && ctx.resource.origin == Origin::BuiltIn {
        defaults::workload(&ctx.resource, object);
    }
}

/// Refuses an object that is not valid.
///
/// # Errors
/// 422 with every fault.
pub(super) fn valid(ctx: &mut Context, new: &Value, old: Option<&Value>) -> Result<(), Status> {
    let resource = Arc::clone(&ctx.resource);
    let mut faults = validate::object(&resource, new);
    faults.extend(strategy::faults(&resource, old, new));
    if ctx.inner.options.definitions_served && crds::is_definition(&resource) {
        faults.extend(crds::faults(new));
    }
    if !faults.is_empty() {
        return Err(Status::invalid(
            &resource.group,
            &resource.kind,
            meta::name(new),
            &faults,
        ));
    }
    for finalizer in meta::finalizers(new) {
        let usual = matches!(finalizer, "orphan" | "foregroundDeletion" | "kubernetes");
        let known = old.is_some_and(|old| meta::finalizers(old).contains(&finalizer));
        if !usual && !known && !finalizer.contains('/') {
            ctx.warn(format!(
                "metadata.finalizers: {finalizer:?}: prefer a domain-qualified finalizer name to \
                 avoid accidental conflicts with other finalizer writers"
            ));
        }
    }
    Ok(())
}

/// Records which fields this write changed.
pub(super) fn record(ctx: &Context, live: Option<&Value>, new: Value) -> Value {
    if ctx.subresource.as_deref() == Some("finalize") {
        return new;
    }
    let api_version = ctx.resource.api_version();
    let options = options(ctx, &api_version);
    let mut new = managed::update(&ctx.resource.schema, ctx.resource.ty, live, new, &options);
    if options.subresource == "scale" {
        timeless_scale(&mut new);
    }
    new
}

/// What was written through the scale subresource has no time, as in Kubernetes, and so comes
/// before what has.
fn timeless_scale(object: &mut Value) {
    let Some(Value::Array(entries)) = meta::of(object).get_mut("managedFields") else {
        return;
    };
    for entry in entries
        .iter_mut()
        .filter(|e| e.get("subresource").is_some_and(|s| s == "scale"))
    {
        meta::root(entry).remove("time");
    }
    let text = |entry: &Value, field: &str| {
        entry
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    entries.sort_by_cached_key(|entry| (text(entry, "operation"), text(entry, "time")));
}

/// Merges what a manager wants into what is there.
///
/// # Errors
/// 409 for conflicts, 500 where the configuration does not fit the schema, as in Kubernetes.
pub(super) fn apply(
    ctx: &Context,
    live: Option<&Value>,
    config: &Value,
) -> Result<managed::Applied, Status> {
    let api_version = ctx.resource.api_version();
    let options = options(ctx, &api_version);
    managed::apply(
        &ctx.resource.schema,
        ctx.resource.ty,
        live,
        config,
        &options,
    )
    .map_err(apply_failed)
}

fn options<'a>(ctx: &'a Context, api_version: &'a str) -> managed::Options<'a> {
    let reset = if ctx.is_status() {
        managed::Reset::AllButStatus
    } else if ctx.resource.status {
        managed::Reset::Status
    } else {
        managed::Reset::Nothing
    };
    managed::Options {
        manager: &ctx.params.manager,
        api_version,
        subresource: ctx.subresource.as_deref().unwrap_or_default(),
        now: ctx.inner.env.clock.now(),
        force: ctx.params.force,
        reset,
    }
}

/// Refuses a configuration that is not for this object.
///
/// # Errors
/// 400 as in Kubernetes.
pub(super) fn apply_target(ctx: &Context, name: &str, config: &Value) -> Result<(), Status> {
    let resource = &ctx.resource;
    let text = |field: &str| {
        config
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (given, kind) = (text("apiVersion"), text("kind"));
    if given != resource.api_version() || kind != resource.kind {
        let (group, version) = given.split_once('/').unwrap_or(("", given));
        let message = format!("invalid object type: {group}/{version}, Kind={kind}");
        return Err(Status::bad_request(message));
    }
    let given = meta::name(config);
    if given.is_empty() {
        let message = format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        );
        return Err(Status::bad_request(message));
    }
    if given != name {
        let message =
            format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(message));
    }
    let namespace = ctx
        .namespace
        .as_deref()
        .filter(|_| resource.namespaced)
        .unwrap_or_default();
    let given = meta::text(config, "namespace");
    if !given.is_empty() && given != namespace {
        let message =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(message));
    }
    if meta::get(config, "managedFields").is_some_and(|m| !m.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}
