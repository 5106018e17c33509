//! `metav1.Status`: what a Kubernetes API answers when it does not answer with an object.
//!
//! Messages and reasons follow the forms that clients parse. Knows no HTTP beyond the numeric code.

use serde::{Deserialize, Serialize};

/// Longest list of causes in one status; further ones are counted in the message's place.
pub const CAUSES_MAX: usize = 100;

/// A Kubernetes `Status` object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `Success` or `Failure`.
    pub status: Outcome,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// For programs, as in `NotFound`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// The HTTP code.
    pub code: u16,
}

/// Whether a request succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It did.
    Success,
    /// It did not.
    Failure,
}

/// What a status is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource's plural, or the kind where the object is invalid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Single faults, by field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Seconds after which to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

/// One fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    /// For programs, as in `FieldValueRequired`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The field's path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// A fault of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, as in `spec.clusters[0].name`.
    pub field: String,
    /// What kind of fault.
    pub kind: FieldErrorKind,
    /// What follows the kind's own words, as in `"x": must be an integer`.
    pub detail: String,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// It is missing.
    Required,
    /// Its value is not acceptable.
    Invalid,
    /// Its value is not one of a closed set.
    NotSupported,
    /// Its type is wrong.
    TypeInvalid,
    /// A value that must be unique is there twice.
    Duplicate,
    /// It is too long, in bytes.
    TooLong,
    /// It may not be set here.
    Forbidden,
    /// A list or map has too many entries.
    TooMany,
}

impl FieldErrorKind {
    /// The `reason` of a cause.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Duplicate => "FieldValueDuplicate",
            Self::TooLong => "FieldValueTooLong",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooMany => "FieldValueTooMany",
        }
    }

    /// The words that a message begins with.
    pub fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::TooLong => "Too long",
            Self::Forbidden => "Forbidden",
            Self::TooMany => "Too many",
        }
    }
}

impl FieldError {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, kind: FieldErrorKind, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            kind,
            detail: detail.into(),
        }
    }

    /// A missing field.
    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(field, FieldErrorKind::Required, detail)
    }

    /// An unacceptable value, shown as JSON.
    pub fn invalid(field: impl Into<String>, value: &serde_json::Value, why: &str) -> Self {
        Self::new(field, FieldErrorKind::Invalid, format!("{value}: {why}"))
    }

    /// A value outside a closed set.
    pub fn not_supported(field: impl Into<String>, value: &str, allowed: &[&str]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|a| format!("{a:?}")).collect();
        let detail = format!("{value:?}: supported values: {}", allowed.join(", "));
        Self::new(field, FieldErrorKind::NotSupported, detail)
    }

    /// The message without the field's path.
    pub fn body(&self) -> String {
        if self.detail.is_empty() {
            self.kind.words().to_owned()
        } else {
            format!("{}: {}", self.kind.words(), self.detail)
        }
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// The resource that a status speaks of, as in `deployments.apps`.
fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() {
        plural.to_owned()
    } else {
        format!("{plural}.{group}")
    }
}

impl Status {
    /// A failure with this code, reason and message.
    pub fn failure(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            status: Outcome::Failure,
            message: message.into(),
            reason: reason.to_owned(),
            details: None,
            code,
        }
    }

    /// A success that is about `details`.
    pub fn success(details: Option<Details>) -> Self {
        Self {
            status: Outcome::Success,
            message: String::new(),
            reason: String::new(),
            details,
            code: 200,
        }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(details);
        self
    }

    fn about(self, group: &str, kind: &str, name: &str) -> Self {
        self.with_details(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            ..Details::default()
        })
    }

    /// 404: no such object.
    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", qualified(plural, group));
        Self::failure(404, "NotFound", message).about(group, plural, name)
    }

    /// 404: no such path.
    pub fn no_such_resource() -> Self {
        Self::failure(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
        .with_details(Details::default())
    }

    /// 409: an object of that name is there.
    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", qualified(plural, group));
        Self::failure(409, "AlreadyExists", message).about(group, plural, name)
    }

    /// 409: an optimistic write lost, or a precondition does not hold.
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let on = qualified(plural, group);
        let message = format!("Operation cannot be fulfilled on {on} {name:?}: {why}");
        Self::failure(409, "Conflict", message).about(group, plural, name)
    }

    /// 409: the object was changed since it was read.
    pub fn modified(group: &str, plural: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, plural, name, why)
    }

    /// 422: fields of an object are wrong.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let words: Vec<String> = errors
            .iter()
            .take(CAUSES_MAX)
            .map(ToString::to_string)
            .collect();
        let list = match words.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {list}", qualified(kind, group));
        let mut status = Self::failure(422, "Invalid", message).about(group, kind, name);
        if let Some(details) = &mut status.details {
            details.causes = errors
                .iter()
                .take(CAUSES_MAX)
                .map(|e| Cause {
                    reason: e.kind.reason().to_owned(),
                    message: e.body(),
                    field: e.field.clone(),
                })
                .collect();
        }
        status
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message)
    }

    /// 401: who is asking is not known.
    pub fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized")
    }

    /// 403: who asks may not.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let on = qualified(plural, group);
        let message = if name.is_empty() {
            format!("{on} is forbidden: {why}")
        } else {
            format!("{on} {name:?} is forbidden: {why}")
        };
        Self::failure(403, "Forbidden", message).about(group, plural, name)
    }

    /// 405: not with this method.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::failure(405, "MethodNotAllowed", message).with_details(Details::default())
    }

    /// 406: no such representation.
    pub fn not_acceptable(allowed: &[&str]) -> Self {
        let message = format!(
            "only the following media types are accepted: {}",
            allowed.join(", ")
        );
        Self::failure(406, "NotAcceptable", message)
    }

    /// 415: a body of another type.
    pub fn unsupported_media_type(allowed: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            allowed.join(", ")
        );
        Self::failure(415, "UnsupportedMediaType", message)
    }

    /// 410: a revision that is no longer kept.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message)
    }

    /// 413: a body above its bound.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::failure(413, "RequestEntityTooLarge", message)
    }

    /// 429: later.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::failure(429, "TooManyRequests", message).with_details(Details {
            retry_after_seconds: Some(retry_after_seconds),
            ..Details::default()
        })
    }

    /// 503: a part of the server does not work now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::failure(503, "ServiceUnavailable", message)
    }

    /// 504: it took too long.
    pub fn timeout(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::failure(504, "Timeout", message).with_details(Details {
            retry_after_seconds: Some(retry_after_seconds),
            ..Details::default()
        })
    }

    /// 500: a fault of the server.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        let message = format!("Internal error occurred: {message}");
        Self::failure(500, "InternalError", message)
    }

    /// The whole object, with its kind.
    pub fn to_value(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(map) = value.as_object_mut() {
            map.insert("kind".into(), "Status".into());
            map.insert("apiVersion".into(), "v1".into());
            map.insert("metadata".into(), serde_json::json!({}));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_form_that_clients_parse() {
        let check = |status: Status, expected: &str| assert_eq!(status.message, expected);
        check(
            Status::not_found("apps", "deployments", "a"),
            "deployments.apps \"a\" not found",
        );
        check(Status::not_found("", "pods", "a"), "pods \"a\" not found");
        check(
            Status::invalid(
                "fleet.kurator.dev",
                "Fleet",
                "f",
                &[FieldError::required("spec", "")],
            ),
            "Fleet.fleet.kurator.dev \"f\" is invalid: spec: Required value",
        );
        check(
            Status::invalid(
                "",
                "Pod",
                "p",
                &[
                    FieldError::not_supported("spec.restartPolicy", "x", &["Always", "Never"]),
                    FieldError::invalid("spec.a", &serde_json::json!(-1), "must be positive"),
                ],
            ),
            "Pod \"p\" is invalid: [spec.restartPolicy: Unsupported value: \"x\": supported values: \
             \"Always\", \"Never\", spec.a: Invalid value: -1: must be positive]",
        );
    }

    #[test]
    fn value_says_what_it_is() {
        let value = Status::unauthorized().to_value();
        assert_eq!(value["kind"], "Status");
        assert_eq!(value["code"], 401);
        assert_eq!(value["status"], "Failure");
    }
}
