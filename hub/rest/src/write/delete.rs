//! DELETE of one object.

use roadstead_machinery::status::{Details, FieldError, FieldErrorKind, Status};
use serde_json::{Value, json};

use super::{Change, Context, Outcome, write};
use crate::decode::{self, Media};
use crate::query::{OptionsKind, Query};
use crate::{crds, meta, strategy};

/// The finalizer that asks the garbage collector to delete dependents first.
const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer that asks the garbage collector to let dependents go.
const ORPHAN: &str = "orphan";

/// How to delete.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    dry_run: Vec<String>,
    propagation: Option<Propagation>,
    uid: Option<String>,
    revision: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Propagation {
    Foreground,
    Background,
    Orphan,
}

impl DeleteOptions {
    /// Reads options from the body, or from the query where there is no body.
    ///
    /// # Errors
    /// 400 for what cannot be read, 422 for what makes no sense.
    pub(crate) fn parse(media: Media, body: &[u8], query: &Query) -> Result<Self, Status> {
        let given = if body.is_empty() {
            json!({
                "dryRun": query.all("dryRun").filter(|v| !v.is_empty()).collect::<Vec<_>>(),
                "propagationPolicy": query.first("propagationPolicy"),
                "orphanDependents": query.flag("orphanDependents"),
            })
        } else {
            decode::any(media, body, "DeleteOptions")?.object
        };
        let text = |pointer: &str| {
            given
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let dry = given
            .get("dryRun")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let dry_run: Vec<String> = dry.filter_map(Value::as_str).map(str::to_owned).collect();
        let orphan = given.get("orphanDependents").and_then(Value::as_bool);
        let mut faults = Vec::new();
        let words: Vec<&str> = dry_run.iter().map(String::as_str).collect();
        faults.extend(crate::query::dry_run_fault(&words));
        let propagation = propagation(text("/propagationPolicy").as_deref(), orphan, &mut faults);
        if !faults.is_empty() {
            return Err(OptionsKind::Delete.invalid(&faults));
        }
        Ok(Self {
            dry_run,
            propagation,
            uid: text("/preconditions/uid"),
            revision: text("/preconditions/resourceVersion"),
        })
    }

    /// Whether nothing is to be deleted in the end.
    pub(crate) fn is_dry_run(&self) -> bool {
        !self.dry_run.is_empty()
    }
}

fn propagation(
    text: Option<&str>,
    orphan: Option<bool>,
    faults: &mut Vec<FieldError>,
) -> Option<Propagation> {
    if text.is_some() && orphan.is_some() {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        faults.push(FieldError::new(
            "propagationPolicy",
            FieldErrorKind::Invalid,
            why,
        ));
    }
    match text {
        None => orphan.map(|o| {
            if o {
                Propagation::Orphan
            } else {
                Propagation::Background
            }
        }),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Background") => Some(Propagation::Background),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => {
            let allowed = ["Foreground", "Background", "Orphan", "nil"];
            faults.push(FieldError::not_supported(
                "propagationPolicy",
                other,
                &allowed,
            ));
            None
        }
    }
}

/// Deletes an object, or begins to where it has finalizers.
///
/// # Errors
/// 404, 409 where a precondition does not hold.
pub(crate) async fn delete(
    ctx: &mut Context,
    name: &str,
    options: &DeleteOptions,
) -> Result<Outcome, Status> {
    write(ctx, name, |ctx, _, live| {
        let live = live.ok_or_else(|| ctx.not_found(name))?;
        preconditions(ctx, live, options)?;
        strategy::may_delete(&ctx.resource, name)?;
        let mut going = live.clone();
        let finalizers = finalizers(ctx, live, options);
        if finalizers != meta::finalizers(live) {
            let value = (!finalizers.is_empty()).then(|| json!(finalizers));
            meta::set(&mut going, "finalizers", value);
        }
        if strategy::may_go(&ctx.resource, &going) {
            return Ok(Change::Remove {
                answer: live.clone(),
            });
        }
        if meta::is_deleting(live) && going == *live {
            return Ok(Change::Nothing {
                answer: live.clone(),
            });
        }
        if !meta::is_deleting(live) {
            let now = meta::timestamp(ctx.inner.env.clock.now());
            meta::set(&mut going, "deletionTimestamp", Some(now.into()));
            if strategy::has_grace(&ctx.resource) {
                meta::set(&mut going, "deletionGracePeriodSeconds", Some(0.into()));
            }
            if ctx.resource.generation {
                let next = meta::generation(live) + 1;
                meta::set(&mut going, "generation", Some(next.into()));
            }
            strategy::deleting(&ctx.resource, &mut going);
        }
        Ok(Change::Update(going))
    })
    .await
}

/// What a client is answered about an object that is gone.
pub(crate) fn gone(ctx: &Context, object: &Value) -> Status {
    Status::success(Some(Details {
        name: meta::name(object).to_owned(),
        group: ctx.resource.group.clone(),
        kind: ctx.resource.plural.clone(),
        uid: meta::text(object, "uid").to_owned(),
        ..Details::default()
    }))
}

fn preconditions(ctx: &Context, live: &Value, options: &DeleteOptions) -> Result<(), Status> {
    let conflict = |why: &str| {
        Err(Status::conflict(
            &ctx.resource.group,
            &ctx.resource.kind,
            meta::name(live),
            why,
        ))
    };
    let found = meta::text(live, "uid");
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != found) {
        return conflict(&format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({found}). The \
             object might have been deleted and then recreated"
        ));
    }
    let found = meta::text(live, "resourceVersion");
    if let Some(revision) = options.revision.as_deref().filter(|r| *r != found) {
        return conflict(&format!(
            "the ResourceVersion in the precondition ({revision}) does not match the \
             ResourceVersion in record ({found}). The object might have been modified"
        ));
    }
    Ok(())
}

/// The finalizers that a deletion leaves the object with.
fn finalizers<'a>(ctx: &Context, live: &'a Value, options: &DeleteOptions) -> Vec<&'a str> {
    let mut finalizers = meta::finalizers(live);
    let defines = ctx.inner.options.definitions_served && crds::is_definition(&ctx.resource);
    if defines && !meta::is_deleting(live) && !finalizers.contains(&crds::CLEANUP) {
        finalizers.push(crds::CLEANUP);
    }
    if !ctx.inner.options.garbage_collected {
        return finalizers;
    }
    let Some(propagation) = options.propagation else {
        return finalizers;
    };
    finalizers.retain(|f| *f != FOREGROUND && *f != ORPHAN);
    match propagation {
        Propagation::Foreground => finalizers.push(FOREGROUND),
        Propagation::Orphan => finalizers.push(ORPHAN),
        Propagation::Background => {}
    }
    finalizers
}
