//! Questions about who one is and what one may do: answered, never stored.
//!
//! Administrators may everything, all others nothing that they could ask about.

use jiff::Timestamp;
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use serde_json::{Value, json};

use crate::{Identity, meta};

/// Answers a review.
///
/// # Errors
/// 404 for a review that this API does not have, 400 for one that asks nothing.
pub(crate) fn answer(
    resource: &Resource,
    mut review: Value,
    who: &Identity,
    now: Timestamp,
) -> Result<Value, Status> {
    let status = match resource.kind.as_str() {
        "SelfSubjectReview" => json!({"userInfo": {"username": who.user, "groups": who.groups}}),
        "SelfSubjectAccessReview" => access(&review, who.is_admin())?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let groups = review.pointer("/spec/groups").and_then(Value::as_array);
            let admin = groups
                .into_iter()
                .flatten()
                .any(|g| g == crate::identity::ADMINS);
            access(&review, admin)?
        }
        "SelfSubjectRulesReview" => rules(who.is_admin()),
        "TokenReview" => json!({"user": {}, "error": "tokens are not reviewed here"}),
        _ => return Err(Status::no_such_resource()),
    };
    let root = meta::root(&mut review);
    if resource.kind == "SelfSubjectRulesReview" {
        root.insert("spec".to_owned(), json!({}));
    }
    root.insert("status".to_owned(), status);
    let asked = (resource.kind == "SelfSubjectReview").then(|| meta::timestamp(now).into());
    meta::set(&mut review, "creationTimestamp", asked);
    Ok(review)
}

fn access(review: &Value, allowed: bool) -> Result<Value, Status> {
    let asks = |field: &str| review.pointer(field).is_some_and(Value::is_object);
    if !asks("/spec/resourceAttributes") && !asks("/spec/nonResourceAttributes") {
        let message =
            "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        return Err(Status::bad_request(message));
    }
    Ok(if allowed {
        json!({"allowed": true, "reason": "administrators may do everything"})
    } else {
        json!({"allowed": false})
    })
}

fn rules(admin: bool) -> Value {
    if admin {
        json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        })
    } else {
        let urls = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
        json!({
            "resourceRules": [],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": urls}],
            "incomplete": false,
        })
    }
}
