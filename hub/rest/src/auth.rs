//! Who may do what: administrators everything, agents nothing, anybody may see health and version.
//!
//! Role-based rules are not here yet.

use http::{HeaderMap, Method};
use roadstead_machinery::status::Status;

use crate::identity::AGENTS;
use crate::path::{Objects, Target};
use crate::{Hooks, Identity};

/// Lets `who` through, or says why not.
///
/// # Errors
/// 403 with Kubernetes' wording.
pub(crate) fn authorize(
    who: &Identity,
    method: &Method,
    target: &Target,
    path: &str,
    watch: bool,
) -> Result<(), Status> {
    if who.is_admin() {
        return Ok(());
    }
    let public = matches!(target, Target::Version | Target::Health { .. });
    if public && !who.is_in(AGENTS) {
        return Ok(());
    }
    Err(match target {
        Target::Objects(objects) => refuse_objects(who, method, objects, watch),
        Target::Version
        | Target::Health { .. }
        | Target::Metrics
        | Target::Root
        | Target::Core
        | Target::Groups
        | Target::Group(_)
        | Target::GroupVersion(..)
        | Target::OpenapiIndex
        | Target::Openapi(..)
        | Target::OpenapiV2
        | Target::Unknown => refuse_path(who, method, path),
    })
}

/// Who a request is from: a certificate goes before a bearer token, which the owner of the API
/// vouches for. Whoever shows credentials that nobody knows is not taken for somebody without any.
///
/// # Errors
/// 401.
pub(crate) fn authenticate(
    who: Identity,
    headers: &HeaderMap,
    hooks: &dyn Hooks,
) -> Result<Identity, Status> {
    let Some(shown) = headers.get(http::header::AUTHORIZATION) else {
        return Ok(who);
    };
    if !who.is_anonymous() {
        return Ok(who);
    }
    let token = shown.to_str().ok().and_then(bearer);
    let known = token.and_then(|token| hooks.vouch(token));
    known.ok_or_else(Status::unauthorized)
}

/// The token of an `Authorization` header; the scheme's case does not matter.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who a request is to be answered as: administrators may take the place of others.
///
/// # Errors
/// 403 for others, 400 where only groups are named.
pub(crate) fn impersonate(who: Identity, headers: &HeaderMap) -> Result<Identity, Status> {
    let text = |v: &http::HeaderValue| v.to_str().unwrap_or_default().to_owned();
    let user = headers
        .get("impersonate-user")
        .map(text)
        .filter(|u| !u.is_empty());
    let other = ["impersonate-group", "impersonate-uid"]
        .iter()
        .any(|h| headers.contains_key(*h));
    let Some(user) = user else {
        return if other {
            let message = "requested groups or a uid without impersonating a user";
            Err(Status::bad_request(message))
        } else {
            Ok(who)
        };
    };
    if !who.is_admin() {
        let why = format!(
            "User {:?} cannot impersonate resource \"users\" in API group \"\" at the cluster scope",
            who.user
        );
        return Err(Status::forbidden("", "users", &user, &why));
    }
    Ok(Identity::new(
        user,
        headers.get_all("impersonate-group").iter().map(text),
    ))
}

fn refuse_path(who: &Identity, method: &Method, path: &str) -> Status {
    let verb = method.as_str().to_lowercase();
    let message = format!("forbidden: User {:?} cannot {verb} path {path:?}", who.user);
    Status::failure(403, "Forbidden", message).with_details(<_>::default())
}

fn refuse_objects(who: &Identity, method: &Method, at: &Objects, watch: bool) -> Status {
    let verb = verb(method, at, watch);
    let resource = match &at.subresource {
        Some(sub) => format!("{}/{sub}", at.plural),
        None => at.plural.clone(),
    };
    let scope = match &at.namespace {
        Some(namespace) if at.plural != "namespaces" => format!("in the namespace {namespace:?}"),
        Some(_) | None => "at the cluster scope".to_owned(),
    };
    let why = format!(
        "User {:?} cannot {verb} resource {resource:?} in API group {:?} {scope}",
        who.user, at.group
    );
    Status::forbidden(
        &at.group,
        &at.plural,
        at.name.as_deref().unwrap_or_default(),
        &why,
    )
}

/// The verb that authorization speaks of.
pub(crate) fn verb(method: &Method, at: &Objects, watch: bool) -> &'static str {
    let named = at.name.is_some();
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ if watch || at.watch => "watch",
        _ if named => "get",
        _ => "list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(who: &Identity, method: &Method, path: &str) -> Result<(), String> {
        authorize(who, method, &Target::parse(path), path, false).map_err(|s| s.message)
    }

    #[test]
    fn anonymous_sees_health_and_version_only() {
        let who = Identity::anonymous();
        assert_eq!(check(&who, &Method::GET, "/version"), Ok(()));
        assert_eq!(check(&who, &Method::GET, "/readyz"), Ok(()));
        assert_eq!(
            check(&who, &Method::GET, "/api"),
            Err("forbidden: User \"system:anonymous\" cannot get path \"/api\"".to_owned())
        );
        assert_eq!(
            check(&who, &Method::GET, "/apis/apps/v1/namespaces/g/deployments/a"),
            Err("deployments.apps \"a\" is forbidden: User \"system:anonymous\" cannot get resource \
                 \"deployments\" in API group \"apps\" in the namespace \"g\""
                .to_owned())
        );
        assert_eq!(
            check(&who, &Method::DELETE, "/api/v1/nodes"),
            Err(
                "nodes is forbidden: User \"system:anonymous\" cannot deletecollection resource \
                 \"nodes\" in API group \"\" at the cluster scope"
                    .to_owned()
            )
        );
    }

    #[test]
    fn credentials_that_nobody_knows_are_not_ignored() {
        let check = |who: Identity, header: &'static str, expected: Option<u16>| {
            let mut headers = HeaderMap::new();
            headers.insert(header, http::HeaderValue::from_static("Bearer x"));
            let refused = authenticate(who, &headers, &Known).err();
            assert_eq!(refused.map(|s| s.code), expected, "{header}");
        };
        check(Identity::anonymous(), "authorization", Some(401));
        check(Identity::anonymous(), "accept", None);
        check(Identity::admin(), "authorization", None);
    }

    /// Vouches for one token.
    struct Known;

    impl Hooks for Known {
        fn admit(&self, _: &mut crate::Write<'_>) -> Result<Vec<roadstead_store::Op>, Status> {
            Ok(Vec::new())
        }

        fn subresources(
            &self,
            _: &roadstead_machinery::resource::Resource,
        ) -> &'static [&'static str] {
            &[]
        }

        fn subresource(
            &self,
            _: crate::Subresource,
        ) -> roadstead_protocol::env::BoxFuture<Result<serde_json::Value, Status>> {
            Box::pin(std::future::ready(Err(Status::no_such_resource())))
        }

        fn vouch(&self, token: &str) -> Option<Identity> {
            (token == "good").then(Identity::admin)
        }
    }

    #[test]
    fn a_token_is_worth_what_the_owner_says() {
        let user = |header: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", http::HeaderValue::from_static(header));
            authenticate(Identity::anonymous(), &headers, &Known).map(|who| who.user)
        };
        assert_eq!(user("Bearer good").ok().as_deref(), Some("admin"));
        assert_eq!(user("bearer  good ").ok().as_deref(), Some("admin"));
        for bad in ["Bearer bad", "Basic good", "Bearer", "good"] {
            assert_eq!(user(bad).err().map(|s| s.code), Some(401), "{bad}");
        }
    }

    #[test]
    fn agents_see_nothing_and_admins_all() {
        assert!(check(&Identity::agent("u"), &Method::GET, "/version").is_err());
        assert!(check(&Identity::admin(), &Method::DELETE, "/api/v1/nodes").is_ok());
    }
}
