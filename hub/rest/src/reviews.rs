//! Questions about who one is and what one, or somebody else, may do: answered, never stored.

use jiff::Timestamp;
use roadstead_machinery::resource::Resource;
use roadstead_machinery::status::Status;
use serde_json::{Value, json};

use crate::rbac::{About, Access, Ask, Rule, public};
use crate::{Identity, meta};

/// Most rules that a review of rules shows.
const RULES_SHOWN_MAX: usize = 2_000;

/// Who asks, and how what others may do is found out.
pub(crate) struct Asker<'a> {
    /// What the one who asks may do.
    pub(crate) access: &'a Access<'a>,
    /// What others may.
    pub(crate) others: &'a dyn Fn(&Identity) -> Access<'_>,
    /// The namespace that is asked in, for the one review that lives in one.
    pub(crate) namespace: Option<&'a str>,
}

/// Answers a review.
///
/// # Errors
/// 404 for a review that this API does not have, 400 for one that asks nothing.
pub(crate) fn answer(
    resource: &Resource,
    mut review: Value,
    asker: &Asker<'_>,
    now: Timestamp,
) -> Result<Value, Status> {
    let who = asker.access.who();
    let status = match resource.kind.as_str() {
        "SelfSubjectReview" => json!({"userInfo": {"username": who.user, "groups": who.groups}}),
        "SelfSubjectAccessReview" => access(&review, asker.access)?,
        "SubjectAccessReview" => other(&review, asker)?,
        "LocalSubjectAccessReview" => {
            let meant = review.pointer("/spec/resourceAttributes/namespace");
            if meant.and_then(Value::as_str) != asker.namespace {
                let message = "spec.resourceAttributes.namespace must match metadata.namespace";
                return Err(Status::bad_request(message));
            }
            other(&review, asker)?
        }
        "SelfSubjectRulesReview" => {
            let namespace = review.pointer("/spec/namespace").and_then(Value::as_str);
            rules(asker.access, namespace.unwrap_or_default())
        }
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

/// What somebody else may do: in the groups that are named, and no others.
fn other(review: &Value, asker: &Asker<'_>) -> Result<Value, Status> {
    let user = review.pointer("/spec/user").and_then(Value::as_str);
    let groups = review.pointer("/spec/groups").and_then(Value::as_array);
    let groups = groups.into_iter().flatten().filter_map(Value::as_str);
    let who = Identity {
        user: user.unwrap_or_default().to_owned(),
        groups: groups.map(str::to_owned).collect(),
    };
    if who.user.is_empty() && who.groups.is_empty() {
        let message = "at least one of user or group must be specified";
        return Err(Status::bad_request(message));
    }
    access(review, &(asker.others)(&who))
}

fn access(review: &Value, access: &Access<'_>) -> Result<Value, Status> {
    let part = |field: &str| review.pointer(field).filter(|part| part.is_object());
    let text = |part: &Value, field: &str| {
        let text = part.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (object, path) = (
        part("/spec/resourceAttributes"),
        part("/spec/nonResourceAttributes"),
    );
    let reason = match (object, path) {
        (Some(object), None) => {
            let of = |field: &str| text(object, field);
            let about = About::Object {
                group: &of("group"),
                resource: &of("resource"),
                subresource: &of("subresource"),
                namespace: &of("namespace"),
                name: &of("name"),
            };
            let verb = &of("verb");
            access.reason(&Ask { verb, about })
        }
        (None, Some(path)) => access.reason(&Ask::path(&text(path, "verb"), &text(path, "path"))),
        (None, None) | (Some(_), Some(_)) => {
            let message =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            return Err(Status::bad_request(message));
        }
    };
    Ok(match reason {
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    })
}

fn rules(access: &Access<'_>, namespace: &str) -> Value {
    let Some(rules) = access.rules(namespace) else {
        return json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        });
    };
    let incomplete = rules.len() > RULES_SHOWN_MAX;
    let shown = rules.into_iter().take(RULES_SHOWN_MAX);
    let (paths, objects): (Vec<&Rule>, Vec<&Rule>) =
        shown.partition(|rule| rule.resources.is_empty());
    let urls: Vec<String> = public().collect();
    let everybody = json!({"verbs": ["get"], "nonResourceURLs": urls});
    let objects: Vec<Value> = objects.iter().map(|rule| rule.shown()).collect();
    let paths = paths.iter().map(|rule| rule.shown());
    let paths: Vec<Value> = std::iter::once(everybody).chain(paths).collect();
    json!({"resourceRules": objects, "nonResourceRules": paths, "incomplete": incomplete})
}
