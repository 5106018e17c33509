//! Writes of roles and bindings: nobody grants what they do not have, and a template stays one.

use roadstead_machinery::status::{FieldError, FieldErrorKind, Status};
use roadstead_protocol::api::names::TEMPLATE_LABEL;
use serde_json::Value;

use super::grants::role_of;
use super::{Access, Ask, GROUP, Grants, Rule, covers, is_template};
use crate::meta;
use crate::write::Context;

/// Refuses a write that would grant what its writer does not have, or make a grant of a template.
///
/// # Errors
/// 403, or 422 for the label.
pub(crate) fn check(ctx: &Context, old: Option<&Value>, new: &Value) -> Result<(), Status> {
    let resource = &ctx.resource;
    if resource.group != GROUP {
        return Ok(());
    }
    if let Some(old) = old.filter(|old| is_template(old) != is_template(new)) {
        return Err(relabelled(ctx, old));
    }
    if let Some(old) = old.filter(|old| role_of(old) != role_of(new)) {
        return Err(rebound(ctx, old, new));
    }
    if is_template(new) || ctx.who.is_admin() {
        return Ok(());
    }
    let access = ctx.inner.access(&ctx.who);
    let Some(grants) = access.grants() else {
        return Ok(());
    };
    let same = |field: &str| old.is_some_and(|old| old.get(field) == new.get(field));
    let labels = |object: &Value| object.pointer("/metadata/labels").cloned();
    let same_labels = || old.is_some_and(|old| labels(old) == labels(new));
    let refused = match resource.kind.as_str() {
        "Role" if same("rules") => Ok(()),
        // By its labels a cluster role becomes a part of others.
        "ClusterRole" if same("rules") && same("aggregationRule") && same_labels() => Ok(()),
        "RoleBinding" | "ClusterRoleBinding" if same("roleRef") && same("subjects") => Ok(()),
        "Role" | "ClusterRole" => role(ctx, &access, grants, new),
        "RoleBinding" | "ClusterRoleBinding" => binding(ctx, &access, grants, new)?,
        _ => Ok(()),
    };
    refused.map_err(|why| Status::forbidden(GROUP, &resource.plural, meta::name(new), &why))
}

fn relabelled(ctx: &Context, old: &Value) -> Status {
    let detail = "a role or binding is live on the hub, or a template for members, from its creation: make it anew";
    let field = format!("metadata.labels[{TEMPLATE_LABEL}]");
    let fault = FieldError::new(field, FieldErrorKind::Forbidden, detail);
    let resource = &ctx.resource;
    Status::invalid(GROUP, &resource.kind, meta::name(old), &[fault])
}

/// As in Kubernetes: what a binding grants is said once, so that nobody who was bound gets other rights.
fn rebound(ctx: &Context, old: &Value, new: &Value) -> Status {
    let wanted = new.get("roleRef").unwrap_or(&Value::Null);
    let fault = FieldError::invalid("roleRef", wanted, "cannot change roleRef: make it anew");
    let resource = &ctx.resource;
    Status::invalid(GROUP, &resource.kind, meta::name(old), &[fault])
}

/// Whether the writer may give a role these rules.
fn role(ctx: &Context, access: &Access<'_>, grants: &Grants, new: &Value) -> Result<(), String> {
    let namespace = ctx.namespace.as_deref().unwrap_or_default();
    let at = (namespace, meta::name(new));
    if access.allows(&Ask::object("escalate", (GROUP, &ctx.resource.plural), at)) {
        return Ok(());
    }
    let mut wanted = Rule::all(new);
    let gathers = new
        .get("aggregationRule")
        .is_some_and(|rule| !rule.is_null());
    if gathers {
        // What it will come to hold depends on others: only who has everything may do that.
        wanted.extend(everything());
    }
    held(access, grants, namespace, &wanted)
}

/// Whether the writer may give what a binding gives.
fn binding(
    ctx: &Context,
    access: &Access<'_>,
    grants: &Grants,
    new: &Value,
) -> Result<Result<(), String>, Status> {
    let namespace = ctx.namespace.as_deref().unwrap_or_default();
    let (kind, name) = role_of(new);
    let plural = if kind == "Role" {
        "roles"
    } else {
        "clusterroles"
    };
    if access.allows(&Ask::object("bind", (GROUP, plural), (namespace, name))) {
        return Ok(Ok(()));
    }
    let rules = grants.role(namespace, (kind, name));
    let rules = rules.ok_or_else(|| Status::not_found(GROUP, plural, name))?;
    Ok(held(access, grants, namespace, rules))
}

/// Whether somebody has all of these rights.
fn held(
    access: &Access<'_>,
    grants: &Grants,
    namespace: &str,
    wanted: &[Rule],
) -> Result<(), String> {
    let who = access.who();
    covers::check(&grants.rules(who, namespace), wanted).map_err(|missing| {
        let groups: Vec<String> = who.groups.iter().map(|g| format!("{g:?}")).collect();
        format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{missing}",
            who.user,
            groups.join(" ")
        )
    })
}

/// The right to do everything.
fn everything() -> [Rule; 2] {
    let all = || vec!["*".to_owned()];
    let objects = Rule {
        verbs: all(),
        groups: all(),
        resources: all(),
        ..Rule::default()
    };
    let paths = Rule {
        verbs: all(),
        urls: all(),
        ..Rule::default()
    };
    [objects, paths]
}
