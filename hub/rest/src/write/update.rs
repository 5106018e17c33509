//! PUT and PATCH: an object changes.

use roadstead_machinery::managed;
use roadstead_machinery::patch as patches;
use roadstead_machinery::status::{FieldError, FieldErrorKind, Status};
use roadstead_store::Snapshot;
use serde_json::{Value, json};

use super::checked::Applying;
use super::create::{Owner, namespace_exists, new_object};
use super::{Change, Context, Outcome, checked, write};
use crate::decode::Decoded;
use crate::{Ask, meta, strategy};

/// What a PATCH does.
pub(crate) enum Patch {
    /// RFC 6902 operations.
    Json(Value),
    /// RFC 7396.
    Merge(Value),
    /// Lists are merged by their keys.
    Strategic(Value),
    /// The whole of what one manager wants.
    Apply(Value),
}

/// How a wrong uid in what a client sent is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uid {
    /// A PUT of an object that was replaced by another: 409.
    Precondition,
    /// A patch of the uid: 422.
    Immutable,
}

/// Replaces an object.
///
/// # Errors
/// 400, 404, 409, 422.
pub(crate) async fn replace(
    ctx: &mut Context,
    name: &str,
    decoded: Decoded,
) -> Result<Outcome, Status> {
    let Decoded {
        mut object,
        duplicates,
    } = decoded;
    checked::fields(ctx, &mut object, &duplicates)?;
    same_place(ctx, name, &mut object)?;
    update_with(ctx, name, move |ctx, live| {
        let given = meta::text(&object, "resourceVersion");
        if given.is_empty() && !strategy::unconditional_update(&ctx.resource) {
            let fault = FieldError::invalid(
                "metadata.resourceVersion",
                &json!(0),
                "must be specified for an update",
            );
            let resource = &ctx.resource;
            let name = meta::name(live);
            return Err(Status::invalid(
                &resource.group,
                &resource.plural,
                name,
                &[fault],
            ));
        }
        Ok(object.clone())
    })
    .await
}

/// Changes an object by a function of what it is. The function may not change what the server
/// keeps: that is put back.
///
/// # Errors
/// What `change` refuses; 404, 409, 422.
pub(crate) async fn update_with<F>(
    ctx: &mut Context,
    name: &str,
    mut change: F,
) -> Result<Outcome, Status>
where
    F: FnMut(&mut Context, &Value) -> Result<Value, Status> + Send,
{
    write(ctx, name, |ctx, _, live| {
        let live = live.ok_or_else(|| ctx.not_found(name))?;
        let new = change(ctx, live)?;
        finish(ctx, live, new, None, Uid::Precondition)
    })
    .await
}

/// Patches an object.
///
/// # Errors
/// 400, 404, 409, 413, 415, 422.
pub(crate) async fn patch(ctx: &mut Context, name: &str, patch: Patch) -> Result<Outcome, Status> {
    if let Patch::Apply(config) = &patch {
        checked::apply_target(ctx, name, config)?;
    }
    write(ctx, name, |ctx, snapshot, live| match (&patch, live) {
        (Patch::Apply(config), live) => applied(ctx, snapshot, name, live, config),
        (_, None) => Err(ctx.not_found(name)),
        (_, Some(live)) => {
            let mut new = patched(ctx, &patch, live)?;
            same_kind(ctx, &new)?;
            checked::fields(ctx, &mut new, &[])?;
            same_place(ctx, name, &mut new)?;
            finish(ctx, live, new, None, Uid::Immutable)
        }
    })
    .await
}

/// What the three simple patches make of `live`.
pub(crate) fn patched(ctx: &Context, patch: &Patch, live: &Value) -> Result<Value, Status> {
    let resource = &ctx.resource;
    match patch {
        Patch::Json(operations) => patches::json(live, operations).map_err(|e| patch_failed(&e)),
        Patch::Merge(change) => patches::merge(live, change).map_err(|e| patch_failed(&e)),
        Patch::Strategic(change) => {
            let merged = patches::strategic(&resource.schema, resource.ty, live, change);
            merged.map_err(|e| patch_failed(&e))
        }
        Patch::Apply(_) => Err(Status::internal("an apply is no simple patch")),
    }
}

/// The status of a patch that does not apply.
pub(crate) fn patch_failed(error: &patches::Error) -> Status {
    match error {
        patches::Error::Malformed(message) => Status::bad_request(message.clone()),
        patches::Error::Failed(detail) => {
            tracing::debug!(%detail, "patch does not apply");
            let message = "the server rejected our request due to an error in our request";
            Status::failure(422, "Invalid", message).with_details(<_>::default())
        }
        patches::Error::TooManyOperations(_) | patches::Error::TooMuchCopied => {
            Status::failure(413, "RequestEntityTooLarge", error.to_string())
        }
    }
}

fn applied(
    ctx: &mut Context,
    snapshot: &Snapshot,
    name: &str,
    live: Option<&Value>,
    config: &Value,
) -> Result<Change, Status> {
    if live.is_none() && ctx.subresource.is_some() {
        return Err(ctx.not_found(name));
    }
    if let Some(live) = live {
        same_revision(ctx, live, config)?;
        same_uid(ctx, live, config, Uid::Immutable)?;
    }
    if live.is_none() {
        may_create(ctx, name)?;
    }
    let merged = checked::apply(ctx, live, config)?;
    match live {
        None => {
            let check = namespace_exists(ctx, snapshot, name)?;
            let mut object = merged.object;
            meta::set(&mut object, "resourceVersion", None);
            checked::fields(ctx, &mut object, &[])?;
            let object = new_object(ctx, object, Owner::Recorded)?;
            Ok(Change::Create { object, check })
        }
        Some(live) => finish(ctx, live, merged.object, Some(Applying), Uid::Immutable),
    }
}

/// Refuses an apply that would create where its writer may only patch.
fn may_create(ctx: &Context, name: &str) -> Result<(), Status> {
    let of = (ctx.resource.group.as_str(), ctx.resource.plural.as_str());
    let namespace = ctx.namespace.as_deref().unwrap_or_default();
    let access = ctx.inner.access(&ctx.who);
    access.check(&Ask::object("create", of, (namespace, name)))
}

/// Puts back what the server keeps, records who changed what, validates, and decides whether there
/// is anything to write.
fn finish(
    ctx: &mut Context,
    live: &Value,
    mut new: Value,
    applying: Option<Applying>,
    uid: Uid,
) -> Result<Change, Status> {
    same_revision(ctx, live, &new)?;
    same_uid(ctx, live, &new, uid)?;
    for field in KEPT {
        let kept = meta::get(live, field).cloned();
        meta::set(&mut new, field, kept);
    }
    split(ctx, live, &mut new);
    strategy::update(&ctx.resource, live, &mut new, ctx.subresource.as_deref());
    checked::fill_in(ctx, &mut new);
    if applying.is_none() {
        new = checked::record(ctx, Some(live), new);
    }
    if ctx.resource.generation && wanted(ctx, live) != wanted(ctx, &new) {
        let next = meta::generation(live) + 1;
        meta::set(&mut new, "generation", Some(next.into()));
    }
    meta::set(
        &mut new,
        "resourceVersion",
        meta::get(live, "resourceVersion").cloned(),
    );
    new = managed::settle(live, new);
    if new == *live {
        return Ok(Change::Nothing { answer: new });
    }
    checked::valid(ctx, &new, Some(live))?;
    if meta::is_deleting(live) {
        no_new_finalizers(ctx, live, &new)?;
        if strategy::may_go(&ctx.resource, &new) {
            return Ok(Change::Remove { answer: new });
        }
    }
    Ok(Change::Update(new))
}

/// What of `metadata` a client cannot change.
const KEPT: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
    "selfLink",
];

/// Takes from `live` the part that this endpoint does not write.
fn split(ctx: &Context, live: &Value, new: &mut Value) {
    if ctx.is_status() {
        let status = new.get("status").cloned();
        let managed = meta::get(new, "managedFields").cloned();
        *new = live.clone();
        put(new, "status", status);
        meta::set(new, "managedFields", managed);
    } else if ctx.resource.status && ctx.subresource.as_deref() != Some("finalize") {
        put(new, "status", live.get("status").cloned());
    }
}

fn put(object: &mut Value, field: &str, value: Option<Value>) {
    let map = meta::root(object);
    match value {
        Some(value) => {
            map.insert(field.to_owned(), value);
        }
        None => {
            map.remove(field);
        }
    }
}

/// What `generation` counts the changes of.
fn wanted(ctx: &Context, object: &Value) -> Value {
    let mut wanted = object.clone();
    let map = meta::root(&mut wanted);
    map.remove("metadata");
    if ctx.resource.status {
        map.remove("status");
    }
    wanted
}

fn same_revision(ctx: &Context, live: &Value, new: &Value) -> Result<(), Status> {
    let given = meta::text(new, "resourceVersion");
    if given.is_empty() || given == meta::text(live, "resourceVersion") {
        return Ok(());
    }
    Err(ctx.modified(meta::name(live)))
}

fn same_uid(ctx: &Context, live: &Value, new: &Value, uid: Uid) -> Result<(), Status> {
    let (given, found) = (meta::text(new, "uid"), meta::text(live, "uid"));
    if given.is_empty() || given == found {
        return Ok(());
    }
    let name = meta::name(live);
    Err(match uid {
        Uid::Precondition => {
            let why = format!(
                "Precondition failed: UID in precondition: {given}, UID in object meta: {found}"
            );
            ctx.conflict(name, &why)
        }
        Uid::Immutable => {
            let fault = FieldError::invalid("metadata.uid", &json!(given), "field is immutable");
            Status::invalid(&ctx.resource.group, &ctx.resource.kind, name, &[fault])
        }
    })
}

/// Refuses a patch that makes an object of another kind or version.
fn same_kind(ctx: &Context, new: &Value) -> Result<(), Status> {
    let resource = &ctx.resource;
    let text = |field: &str| new.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") == resource.api_version() && text("kind") == resource.kind {
        return Ok(());
    }
    let (given, kind) = (text("apiVersion"), text("kind"));
    let wanted = format!("{}, Kind={}", resource.api_version(), resource.kind);
    Err(Status::bad_request(format!(
        "a patch cannot make {given}, Kind={kind} of {wanted}"
    )))
}

/// Refuses a body that names another object than the path.
fn same_place(ctx: &Context, name: &str, object: &mut Value) -> Result<(), Status> {
    let given = meta::name(object);
    if given.is_empty() {
        meta::set(object, "name", Some(name.into()));
    } else if given != name {
        let message =
            format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(message));
    }
    let given = meta::text(object, "namespace");
    match ctx.namespace.as_deref().filter(|_| ctx.resource.namespaced) {
        Some(namespace) if !given.is_empty() && given != namespace => {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            Err(Status::bad_request(message))
        }
        Some(_) | None => Ok(()),
    }
}

fn no_new_finalizers(ctx: &Context, live: &Value, new: &Value) -> Result<(), Status> {
    let old = meta::finalizers(live);
    let mut added: Vec<&str> = meta::finalizers(new);
    added.retain(|f| !old.contains(f));
    added.sort_unstable();
    if added.is_empty() {
        return Ok(());
    }
    let quoted: Vec<String> = added.iter().map(|f| format!("{f:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        quoted.join(", ")
    );
    let fault = FieldError::new("metadata.finalizers", FieldErrorKind::Forbidden, detail);
    let resource = &ctx.resource;
    Err(Status::invalid(
        &resource.group,
        &resource.kind,
        meta::name(live),
        &[fault],
    ))
}

/// The status of an apply that failed.
pub(super) fn apply_failed(error: managed::Error) -> Status {
    use roadstead_machinery::status::{Cause, Details};
    match error {
        managed::Error::Conflicts { message, conflicts } => {
            let causes = conflicts.into_iter().map(|c| Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: c.message,
                field: c.field,
            });
            Status::failure(409, "Conflict", message).with_details(Details {
                causes: causes.collect(),
                ..Details::default()
            })
        }
        managed::Error::BadRequest(message) => Status::bad_request(message),
        managed::Error::Schema(message) => Status::failure(500, "", message),
    }
}
