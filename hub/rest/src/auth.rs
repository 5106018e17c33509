//! From a request to the question of authorization, and who it is really from.
//!
//! Administrators may do everything, agents nothing, anybody may see health and version, and roles say the
//! rest ([`crate::rbac`]). Each request is judged when it begins: a watch goes on when rights end.

use http::{HeaderMap, Method};
use roadstead_machinery::selector::FieldSelector;
use roadstead_machinery::status::Status;

use crate::path::{Objects, Target};
use crate::query::Query;
use crate::rbac::{About, Access, Ask};
use crate::{Hooks, Identity};

/// The group of what is only impersonated.
const AUTHENTICATION: &str = "authentication.k8s.io";
/// What the name of a service account's user begins with.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
/// Most headers of one request that impersonate.
const IMPERSONATED_MAX: usize = 128;

/// Lets a request through, or says why not.
///
/// # Errors
/// 403 with Kubernetes' wording.
pub(crate) fn authorize(
    access: &Access<'_>,
    method: &Method,
    target: &Target,
    path: &str,
    query: &Query,
) -> Result<(), Status> {
    let Target::Objects(at) = target else {
        let verb = method.as_str().to_lowercase();
        return access.check(&Ask::path(&verb, path));
    };
    let verb = verb(method, at, query.watch());
    let selected = selected_name(verb, query);
    let name = at.name.as_deref().or(selected.as_deref());
    access.check(&ask(verb, at, name.unwrap_or_default()))
}

/// What a request for objects is, in the words of authorization.
fn ask<'a>(verb: &'a str, at: &'a Objects, name: &'a str) -> Ask<'a> {
    Ask {
        verb,
        about: About::Object {
            group: &at.group,
            resource: &at.plural,
            subresource: at.subresource.as_deref().unwrap_or_default(),
            namespace: at.namespace.as_deref().unwrap_or_default(),
            name,
        },
    }
}

/// The one name that a list or a watch asks for by field.
fn selected_name(verb: &str, query: &Query) -> Option<String> {
    if !matches!(verb, "list" | "watch") {
        return None;
    }
    let fields = FieldSelector::parse(query.first("fieldSelector")?).ok()?;
    fields.exact("metadata.name").map(str::to_owned)
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

/// Who a request is to be answered as: whoever may impersonate takes the place of another.
///
/// # Errors
/// 403 for who may not, 400 where there are too many headers or only groups are named.
pub(crate) fn impersonate(
    access: &Access<'_>,
    headers: &HeaderMap,
) -> Result<Option<Identity>, Status> {
    let text = |v: &http::HeaderValue| v.to_str().unwrap_or_default().to_owned();
    let all = |name: &str| -> Vec<String> { headers.get_all(name).iter().map(text).collect() };
    let user = all("impersonate-user").into_iter().find(|u| !u.is_empty());
    let (mut groups, uids) = (all("impersonate-group"), all("impersonate-uid"));
    let extra = extras(headers);
    let Some(user) = user else {
        if groups.is_empty() && uids.is_empty() && extra.is_empty() {
            return Ok(None);
        }
        let message = "requested groups, a uid or extras without impersonating a user";
        return Err(Status::bad_request(message));
    };
    if groups.len() + uids.len() + extra.len() > IMPERSONATED_MAX {
        let message = format!("more than {IMPERSONATED_MAX} headers impersonate");
        return Err(Status::bad_request(message));
    }
    let may =
        |of: (&str, &str), at: (&str, &str)| access.check(&Ask::object("impersonate", of, at));
    let account = user
        .strip_prefix(SERVICE_ACCOUNT)
        .and_then(|rest| rest.split_once(':'));
    match account {
        Some(at) => may(("", "serviceaccounts"), at)?,
        None => may(("", "users"), ("", &user))?,
    }
    for group in &groups {
        may(("", "groups"), ("", group))?;
    }
    for uid in &uids {
        may((AUTHENTICATION, "uids"), ("", uid))?;
    }
    for (key, value) in &extra {
        let about = About::Object {
            group: AUTHENTICATION,
            resource: "userextras",
            subresource: key,
            namespace: "",
            name: value,
        };
        let verb = "impersonate";
        access.check(&Ask { verb, about })?;
    }
    if let Some((namespace, _)) = account.filter(|_| groups.is_empty()) {
        groups.push("system:serviceaccounts".to_owned());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    Ok(Some(Identity::impersonated(user, groups)))
}

/// What else of a user is impersonated: key and value.
fn extras(headers: &HeaderMap) -> Vec<(String, String)> {
    let extra = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let key = name.as_str().strip_prefix("impersonate-extra-")?;
        Some((
            key.to_owned(),
            value.to_str().unwrap_or_default().to_owned(),
        ))
    };
    headers.iter().filter_map(extra).collect()
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
        _ if at.watch => "watch",
        _ if named => "get",
        _ if watch => "watch",
        _ => "list",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(who: &Identity, method: &Method, path: &str) -> Result<(), String> {
        let access = Access::by(who, std::sync::Arc::default());
        let query = Query::default();
        authorize(&access, method, &Target::parse(path), path, &query).map_err(|s| s.message)
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
