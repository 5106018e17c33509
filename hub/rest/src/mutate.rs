//! POST, PUT, PATCH and DELETE: from a body to a write, and from its outcome to an answer.

use std::sync::Arc;

use http::{Method, Response, StatusCode};
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use serde_json::Value;

use crate::decode::{self, Media};
use crate::output::View;
use crate::path::Objects;
use crate::query::{ListParams, OptionsKind, WriteParams};
use crate::rbac::Access;
use crate::rest::Inner;
use crate::route::Head;
use crate::write::{self, Context, DeleteOptions, Outcome, Patch};
use crate::{RestBody, respond, reviews, scale};

/// Does what a request that is no GET asks for.
///
/// # Errors
/// What Kubernetes answers.
pub(crate) async fn run(
    inner: &Arc<Inner>,
    resource: Arc<Resource>,
    at: Objects,
    head: &Head,
    body: &[u8],
) -> Result<Response<RestBody>, Status> {
    let view = View::parse(head.accept(), &head.query)?;
    match head.method {
        Method::POST => post(inner, resource, at, head, body, view).await,
        Method::PUT => put(inner, resource, at, head, body, view).await,
        Method::PATCH => patch(inner, resource, at, head, body, view).await,
        Method::DELETE => delete(inner, resource, at, head, body, view).await,
        _ => Err(Status::method_not_allowed()),
    }
}

fn context(
    inner: &Arc<Inner>,
    resource: &Arc<Resource>,
    at: &Objects,
    head: &Head,
    params: WriteParams,
) -> Context {
    Context {
        inner: Arc::clone(inner),
        resource: Arc::clone(resource),
        namespace: at.namespace.clone().filter(|_| resource.namespaced),
        subresource: at.subresource.clone(),
        params,
        who: head.who.clone(),
        warnings: Vec::new(),
        judged: false,
    }
}

fn named(at: &Objects) -> Result<&str, Status> {
    at.name
        .as_deref()
        .ok_or_else(|| Status::bad_request("name must be provided"))
}

/// The answer to a write.
fn done(ctx: &Context, outcome: Outcome, view: View) -> Response<RestBody> {
    let code = if outcome.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    shown(ctx, code, outcome.object, view)
}

fn shown(ctx: &Context, code: StatusCode, object: Value, view: View) -> Response<RestBody> {
    let now = ctx.inner.env.clock.now();
    let mut response = respond::json(code, &view.object(&ctx.resource, object, now));
    respond::warn(&mut response, &ctx.warnings);
    response
}

async fn post(
    inner: &Arc<Inner>,
    resource: Arc<Resource>,
    at: Objects,
    head: &Head,
    body: &[u8],
    view: View,
) -> Result<Response<RestBody>, Status> {
    let decoded = decode::object(&resource, Media::of(&head.headers), body)?;
    if at.name.is_some() {
        return Err(Status::method_not_allowed());
    }
    if resource.is_review() {
        let asker = reviews::Asker {
            access: &inner.access(&head.who),
            others: &|who| Access::by(who, inner.grants()),
            namespace: at.namespace.as_deref(),
        };
        let now = inner.env.clock.now();
        let answer = reviews::answer(&resource, decoded.object, &asker, now)?;
        return Ok(respond::json(StatusCode::CREATED, &answer));
    }
    let params = WriteParams::parse(&head.query, OptionsKind::Create, head.agent())?;
    let mut ctx = context(inner, &resource, &at, head, params);
    let outcome = write::create(&mut ctx, decoded).await?;
    Ok(done(&ctx, outcome, view))
}

async fn put(
    inner: &Arc<Inner>,
    resource: Arc<Resource>,
    at: Objects,
    head: &Head,
    body: &[u8],
    view: View,
) -> Result<Response<RestBody>, Status> {
    let name = named(&at)?;
    let params = WriteParams::parse(&head.query, OptionsKind::Update, head.agent())?;
    let mut ctx = context(inner, &resource, &at, head, params);
    if at.subresource.as_deref() == Some("scale") {
        let decoded = decode::any(Media::of(&head.headers), body, "Scale")?;
        let scale = scale::put(&mut ctx, name, decoded.object).await?;
        return Ok(shown(&ctx, StatusCode::OK, scale, View::PLAIN));
    }
    let decoded = decode::object(&resource, Media::of(&head.headers), body)?;
    let outcome = write::replace(&mut ctx, name, decoded).await?;
    Ok(done(&ctx, outcome, view))
}

async fn patch(
    inner: &Arc<Inner>,
    resource: Arc<Resource>,
    at: Objects,
    head: &Head,
    body: &[u8],
    view: View,
) -> Result<Response<RestBody>, Status> {
    let name = named(&at)?;
    let media = Media::of(&head.headers);
    let scaling = at.subresource.as_deref() == Some("scale");
    let apply = media == Media::Apply;
    accepted(&resource, media)?;
    let params = WriteParams::parse(&head.query, OptionsKind::Patch { apply }, head.agent())?;
    let patch = parse_patch(media, body)?;
    let mut ctx = context(inner, &resource, &at, head, params);
    if scaling {
        let scale = scale::patch(&mut ctx, name, patch).await?;
        return Ok(shown(&ctx, StatusCode::OK, scale, View::PLAIN));
    }
    let outcome = write::patch(&mut ctx, name, patch).await?;
    Ok(done(&ctx, outcome, view))
}

/// Refuses patches that the kind does not take.
fn accepted(resource: &Resource, media: Media) -> Result<(), Status> {
    let fits = match media {
        Media::JsonPatch | Media::MergePatch | Media::Apply => true,
        Media::StrategicPatch => resource.smp,
        Media::Json | Media::Yaml | Media::Protobuf | Media::Other => false,
    };
    if fits {
        return Ok(());
    }
    let mut media = vec![
        "application/json-patch+json",
        "application/merge-patch+json",
    ];
    if resource.smp {
        media.push("application/strategic-merge-patch+json");
    }
    media.push("application/apply-patch+yaml");
    Err(Status::unsupported_media_type(&media))
}

fn parse_patch(media: Media, body: &[u8]) -> Result<Patch, Status> {
    if media == Media::Apply {
        let config = decode::yaml(body)?;
        return if config.is_object() {
            Ok(Patch::Apply(config))
        } else {
            Err(Status::bad_request(
                "error decoding YAML: the patch is not an object",
            ))
        };
    }
    let wrong =
        |e: &dyn std::fmt::Display| Status::bad_request(format!("error decoding patch: {e}"));
    let value: Value = serde_json::from_slice(body).map_err(|e| wrong(&e))?;
    match media {
        Media::JsonPatch => Ok(Patch::Json(value)),
        Media::StrategicPatch => Ok(Patch::Strategic(value)),
        Media::MergePatch => Ok(Patch::Merge(value)),
        Media::Json | Media::Yaml | Media::Protobuf | Media::Apply | Media::Other => {
            Err(Status::internal("this is no patch"))
        }
    }
}

async fn delete(
    inner: &Arc<Inner>,
    resource: Arc<Resource>,
    at: Objects,
    head: &Head,
    body: &[u8],
    view: View,
) -> Result<Response<RestBody>, Status> {
    if at.subresource.is_some() {
        return Err(Status::method_not_allowed());
    }
    let options = DeleteOptions::parse(Media::of(&head.headers), body, &head.query)?;
    let mut params = WriteParams::parse(
        &crate::query::Query::default(),
        OptionsKind::Delete,
        head.agent(),
    )?;
    params.dry_run = options.is_dry_run();
    let mut ctx = context(inner, &resource, &at, head, params);
    let Some(name) = at.name.as_deref() else {
        let selected = ListParams::parse(&head.query, false)?;
        let page = write::delete_collection(&mut ctx, &selected, &options).await?;
        let now = inner.env.clock.now();
        return Ok(respond::json(
            StatusCode::OK,
            &view.page(&resource, page, now),
        ));
    };
    let outcome = write::delete(&mut ctx, name, &options).await?;
    if outcome.removed {
        return Ok(respond::status(&write::gone(&ctx, &outcome.object)));
    }
    Ok(done(&ctx, outcome, view))
}

/// GET of a scale.
///
/// # Errors
/// 404, 406.
pub(crate) fn show_scale(
    inner: &Arc<Inner>,
    resource: &Arc<Resource>,
    at: &Objects,
    head: &Head,
) -> Result<Response<RestBody>, Status> {
    let name = named(at)?;
    let params = WriteParams::parse(
        &crate::query::Query::default(),
        OptionsKind::Update,
        head.agent(),
    )?;
    let ctx = context(inner, resource, at, head, params);
    let scale = scale::get(&ctx, name)?;
    Ok(shown(&ctx, StatusCode::OK, scale, View::PLAIN))
}
