//! DELETE of everything that a selector matches: the owner's hooks judge it as a whole, page or not,
//! then one object goes after the other.

use roadstead_machinery::status::Status;

use super::{Context, DeleteOptions, delete};
use crate::hooks::Collection;
use crate::list::{self, Page};
use crate::meta;
use crate::query::ListParams;

/// Deletes what `params` select and answers with what that was.
///
/// # Errors
/// Those of a list, and the first of a deletion that is none because the object is gone already.
pub(crate) async fn delete_collection(
    ctx: &mut Context,
    params: &ListParams,
    options: &DeleteOptions,
) -> Result<Page, Status> {
    let page = list::list(
        &ctx.inner.store,
        &ctx.resource,
        ctx.namespace.as_deref(),
        params,
    )?;
    let all = ListParams {
        limit: 0,
        page: None,
        ..params.clone()
    };
    let namespace = ctx.namespace.as_deref();
    let all = list::list(&ctx.inner.store, &ctx.resource, namespace, &all)?;
    ctx.inner.hooks.admit_collection(&Collection {
        resource: &ctx.resource,
        namespace,
        objects: &all.items,
        user: &ctx.who,
        snapshot: &ctx.inner.store.snapshot(),
    })?;
    ctx.judged = true;
    let everywhere = ctx.namespace.is_none() && ctx.resource.namespaced;
    for object in &page.items {
        if everywhere {
            ctx.namespace = Some(meta::text(object, "namespace").to_owned());
        }
        let done = Box::pin(delete(ctx, meta::name(object), options)).await;
        match done {
            Err(status) if status.code != 404 => return Err(status),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(page)
}
