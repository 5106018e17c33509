//! GET: one object, a list, or the beginning of a watch.

use std::sync::Arc;

use http::{Response, StatusCode};
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use serde_json::Value;

use crate::output::View;
use crate::path::Objects;
use crate::query::{ListParams, Query};
use crate::rest::Inner;
use crate::watch::{self, Wanted};
use crate::{RestBody, list, respond, storage};

/// Answers a GET of objects.
///
/// # Errors
/// What Kubernetes answers: 400, 404, 406, 410, 422, 429, 504.
pub(crate) fn get(
    inner: &Arc<Inner>,
    resource: &Arc<Resource>,
    at: &Objects,
    query: &Query,
    accept: &str,
) -> Result<Response<RestBody>, Status> {
    let now = inner.env.clock.now();
    if let (Some(name), false) = (&at.name, at.watch) {
        let view = View::parse(accept, query)?;
        let object = object(inner, resource, at.namespace.as_deref(), name)?;
        return Ok(respond::json(
            StatusCode::OK,
            &view.object(resource, object, now),
        ));
    }
    let watching = at.watch || query.watch();
    let params = ListParams::parse(query, watching)?;
    let view = View::parse(accept, query)?;
    // The namespace of a namespace is its own name: no limit to what is watched.
    let namespace = at.namespace.clone().filter(|_| resource.namespaced);
    if watching {
        let wanted = Wanted {
            resource: Arc::clone(resource),
            namespace,
            name: at.name.clone(),
            params,
            view,
        };
        return watch::start(inner, wanted);
    }
    let page = list::list(&inner.store, resource, namespace.as_deref(), &params)?;
    Ok(respond::json(
        StatusCode::OK,
        &view.page(resource, page, now),
    ))
}

/// One object as it is now.
///
/// # Errors
/// 404.
pub(crate) fn object(
    inner: &Inner,
    resource: &Resource,
    namespace: Option<&str>,
    name: &str,
) -> Result<Value, Status> {
    let missing = || Status::not_found(&resource.group, &resource.plural, name);
    let key = storage::key(resource, namespace, name).map_err(|_| missing())?;
    let found = storage::read(&inner.store.snapshot(), resource, &key)?;
    found.map(|(object, _)| object).ok_or_else(missing)
}
