//! POST: a new object.

use roadstead_machinery::status::{Cause, Status};
use roadstead_store::{Check, Snapshot};
use serde_json::Value;

use super::{Change, Context, Outcome, checked, write};
use crate::decode::Decoded;
use crate::{meta, namespaces, storage, strategy};

/// How many generated names are tried before one that is taken is an error.
const NAMES_MAX: usize = 8;
/// What generated names end in: no vowels, nothing that is easily misread.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How long the generated end of a name is.
const GENERATED_CHARS: usize = 5;
/// Longest beginning of a generated name.
const PREFIX_BYTES_MAX: usize = 253 - GENERATED_CHARS;

/// Creates an object.
///
/// # Errors
/// 400, 403, 404 for its namespace, 409, 422.
pub(crate) async fn create(ctx: &mut Context, decoded: Decoded) -> Result<Outcome, Status> {
    let Decoded {
        mut object,
        duplicates,
    } = decoded;
    checked::fields(ctx, &mut object, &duplicates)?;
    namespace_matches(ctx, &mut object)?;
    if !meta::text(&object, "resourceVersion").is_empty() {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Status::failure(500, "", message));
    }
    let generated =
        meta::name(&object).is_empty() && !meta::text(&object, "generateName").is_empty();
    for left in (0..NAMES_MAX).rev() {
        let mut object = object.clone();
        if generated {
            let name = generate(ctx, meta::text(&object, "generateName"));
            meta::set(&mut object, "name", Some(name.into()));
        }
        let result = create_named(ctx, object).await;
        match result {
            Err(status) if generated && left > 0 && status.reason == "AlreadyExists" => {}
            result => return result,
        }
    }
    Err(Status::internal("no free name was found"))
}

async fn create_named(ctx: &mut Context, object: Value) -> Result<Outcome, Status> {
    let name = meta::name(&object).to_owned();
    if name.is_empty() || storage::key(&ctx.resource, ctx.namespace.as_deref(), &name).is_err() {
        let snapshot = ctx.inner.store.snapshot();
        namespace_exists(ctx, &snapshot, &name)?;
        // Such a name fails validation, which says it better than the store would.
        new_object(ctx, object, Owner::Record)?;
        let wrong = roadstead_machinery::status::FieldError::required("metadata.name", "");
        return Err(Status::invalid(
            &ctx.resource.group,
            &ctx.resource.kind,
            &name,
            &[wrong],
        ));
    }
    write(ctx, &name.clone(), move |ctx, snapshot, live| {
        let check = namespace_exists(ctx, snapshot, &name)?;
        let object = new_object(ctx, object.clone(), Owner::Record)?;
        match live {
            Some(live) => Err(exists(ctx, &name, live)),
            None => Ok(Change::Create { object, check }),
        }
    })
    .await
}

/// Whether the fields of a new object are still to be given an owner.
pub(super) enum Owner {
    /// They are: this is an ordinary write.
    Record,
    /// They have one: this is an apply.
    Recorded,
}

/// Makes a new object of what a client sent.
///
/// # Errors
/// 422 for what is not valid.
pub(super) fn new_object(
    ctx: &mut Context,
    mut object: Value,
    owner: Owner,
) -> Result<Value, Status> {
    let now = ctx.inner.env.clock.now();
    if ctx.resource.status {
        meta::root(&mut object).remove("status");
    }
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
        "uid",
    ] {
        meta::set(&mut object, field, None);
    }
    meta::set(
        &mut object,
        "creationTimestamp",
        Some(meta::timestamp(now).into()),
    );
    if ctx.resource.namespaced {
        meta::set(
            &mut object,
            "namespace",
            ctx.namespace.clone().map(Value::from),
        );
    } else {
        meta::set(&mut object, "namespace", None);
    }
    strategy::create(&ctx.resource, &mut object);
    checked::fill_in(ctx, &mut object);
    if let Owner::Record = owner {
        object = checked::record(ctx, None, object);
    }
    strategy::begin(&ctx.resource, &mut object);
    if ctx.inner.options.defaulted {
        strategy::observe(&ctx.resource, &mut object);
    }
    meta::set(&mut object, "uid", Some(ctx.inner.env.uid().into()));
    if ctx.resource.generation {
        meta::set(&mut object, "generation", Some(1.into()));
    }
    checked::valid(ctx, &object, None)?;
    Ok(object)
}

/// Fills in the namespace, or refuses another than the path's.
fn namespace_matches(ctx: &Context, object: &mut Value) -> Result<(), Status> {
    let given = meta::text(object, "namespace");
    match ctx.namespace.as_deref() {
        Some(namespace) if ctx.resource.namespaced => {
            if !given.is_empty() && given != namespace {
                let message = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Status::bad_request(message));
            }
            let namespace = namespace.to_owned();
            meta::set(object, "namespace", Some(namespace.into()));
            Ok(())
        }
        None if ctx.resource.namespaced => Err(Status::bad_request(
            "an empty namespace may not be set during creation",
        )),
        Some(_) | None => Ok(()),
    }
}

/// The check that the namespace is there and takes new content until the commit.
pub(super) fn namespace_exists(
    ctx: &Context,
    snapshot: &Snapshot,
    name: &str,
) -> Result<Option<Check>, Status> {
    let Some(namespace) = ctx.namespace.as_deref().filter(|_| ctx.resource.namespaced) else {
        return Ok(None);
    };
    let missing = || Status::not_found("", "namespaces", namespace);
    let key = namespaces::key(namespace).ok_or_else(missing)?;
    let entry = snapshot.get(key.as_str()).ok_or_else(missing)?;
    if namespaces::is_terminating(entry) {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut status = Status::forbidden(&ctx.resource.group, &ctx.resource.plural, name, &why);
        if let Some(details) = &mut status.details {
            details.causes.push(Cause {
                reason: "NamespaceTerminating".to_owned(),
                message: format!("namespace {namespace} is being terminated"),
                field: "metadata.namespace".to_owned(),
            });
        }
        return Err(status);
    }
    Ok(Some(Check::At(key, entry.revision)))
}

fn exists(ctx: &Context, name: &str, live: &Value) -> Status {
    let mut status = Status::already_exists(&ctx.resource.group, &ctx.resource.plural, name);
    if meta::is_deleting(live) {
        status.message = format!("object is being deleted: {}", status.message);
    }
    status
}

fn generate(ctx: &Context, prefix: &str) -> String {
    let bound = prefix.floor_char_boundary(PREFIX_BYTES_MAX);
    let mut name = prefix.get(..bound).unwrap_or_default().to_owned();
    for byte in ctx.inner.env.random::<GENERATED_CHARS>() {
        let letter = LETTERS.get(usize::from(byte) % LETTERS.len());
        name.extend(letter.map(|l| char::from(*l)));
    }
    name
}
