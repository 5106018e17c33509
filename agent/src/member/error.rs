//! Why a request to a member's API did not do what it should, sorted by what can be done about it.

use std::time::Duration;

use serde_json::Value;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The object that the answer names is not there.
    NotFound,
    /// The namespace that the object would stand in is not there.
    NamespaceMissing,
    /// Somebody else owns fields, or a precondition does not hold.
    Conflict,
    /// It exists already.
    AlreadyExists,
    /// The agent's account may not do it.
    Forbidden,
    /// The object is not valid, or an admission rule refuses it.
    Invalid,
    /// The resource version is too old to go on from.
    Expired,
    /// The API asks to come back later.
    Busy,
    /// The API failed inside.
    Internal,
    /// The kind is not served.
    KindUnknown,
    /// No answer: the request may or may not have been carried out.
    Unreachable,
    /// The answer was not understood, or exceeds its bound.
    Answer,
}

impl Class {
    /// Whether the request may still be carried out, or has been, although it failed here.
    pub fn is_ambiguous(self) -> bool {
        match self {
            Self::Unreachable | Self::Answer | Self::Internal => true,
            Self::NotFound
            | Self::NamespaceMissing
            | Self::Conflict
            | Self::AlreadyExists
            | Self::Forbidden
            | Self::Invalid
            | Self::Expired
            | Self::Busy
            | Self::KindUnknown => false,
        }
    }
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure it is.
    pub class: Class,
    /// The `reason` of the API's answer, or one of our own in the same style.
    pub reason: String,
    /// The API's own words where there are any.
    pub message: String,
    /// How long the API asked to wait.
    pub retry_after: Option<Duration>,
    /// The name of the object that the API's answer is about, where it says so.
    pub about: Option<String>,
}

impl Error {
    /// Whether the API says that the very object `name` of `plural` is not there. A path that is not
    /// served, a proxy or a missing namespace answer 404 too, and say nothing about the object.
    pub fn is_absence_of(&self, plural: &str, name: &str) -> bool {
        let there_is_none = match self.class {
            Class::NotFound => true,
            // An API may say so of any object in it; only of a namespace itself it is an answer.
            Class::NamespaceMissing => plural == "namespaces",
            Class::Conflict
            | Class::AlreadyExists
            | Class::Forbidden
            | Class::Invalid
            | Class::Expired
            | Class::Busy
            | Class::Internal
            | Class::KindUnknown
            | Class::Unreachable
            | Class::Answer => false,
        };
        there_is_none && self.about.as_deref() == Some(name)
    }

    /// Reason of a refusal because the namespace is being deleted.
    pub const NAMESPACE_TERMINATING: &'static str = "NamespaceTerminating";

    /// Reason of an answer that what was asked for is as it was.
    pub const NOT_MODIFIED: &'static str = "NotModified";

    /// A failure without an answer of the API.
    pub fn new(class: Class, reason: &str, message: impl Into<String>) -> Self {
        Self {
            class,
            reason: reason.to_owned(),
            message: message.into(),
            retry_after: None,
            about: None,
        }
    }

    /// No answer in time.
    pub fn timeout(after: Duration) -> Self {
        let message = format!(
            "the member's API did not answer within {} s",
            after.as_secs()
        );
        Self::new(Class::Unreachable, "Timeout", message)
    }

    /// The request could not be sent, or its answer not be received.
    pub fn transport(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut message = format!("the member's API cannot be reached: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !message.ends_with(&cause_text) {
                message.push_str(": ");
                message.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self::new(Class::Unreachable, "Unreachable", message)
    }

    /// The kind is served, and not in this version.
    pub fn version_unknown(group: &str, kind: &str, version: &str, served: &[String]) -> Self {
        let message = format!(
            "the member serves {} as {} only, and the object is written as {version}: write it as one of these",
            full_name(group, kind),
            served.join(", ")
        );
        Self::new(Class::KindUnknown, "VersionNotServed", message)
    }

    /// The kind is not served by this member.
    pub fn kind_unknown(group: &str, kind: &str) -> Self {
        let name = full_name(group, kind);
        let message =
            format!("the member serves no {name}; is its CustomResourceDefinition missing?");
        Self::new(Class::KindUnknown, "KindNotServed", message)
    }

    /// What an answer with an error code says; `body` is a `Status` or anything else.
    pub fn from_answer(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let status: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |field: &str| {
            status
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let reason = text("reason");
        let message = match text("message") {
            "" => format!("the member's API answered {code}"),
            message => message.to_owned(),
        };
        let detail = |pointer: &str| {
            let text = status.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let (kind, name) = (detail("/details/kind"), detail("/details/name"));
        let class = classify(code, reason, &kind, &name);
        let causes = status.pointer("/details/causes").and_then(Value::as_array);
        let terminating = causes.into_iter().flatten().any(|cause| {
            cause.get("reason").and_then(Value::as_str) == Some(Self::NAMESPACE_TERMINATING)
        });
        let reason = match reason {
            _ if code == 304 => Self::NOT_MODIFIED,
            _ if terminating => Self::NAMESPACE_TERMINATING,
            "" => fallback_reason(class),
            reason => reason,
        };
        Self {
            class,
            reason: reason.to_owned(),
            message,
            retry_after,
            about: (!name.is_empty()).then_some(name),
        }
    }
}

fn full_name(group: &str, kind: &str) -> String {
    if group.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    }
}

fn classify(code: u16, reason: &str, kind: &str, name: &str) -> Class {
    match (code, reason) {
        (404, "NotFound") if kind == "namespaces" => Class::NamespaceMissing,
        (404, "NotFound") if !name.is_empty() => Class::NotFound,
        // Nothing of that path is served, whatever objects there are.
        (404, _) => Class::KindUnknown,
        (409, "AlreadyExists") => Class::AlreadyExists,
        (409, _) => Class::Conflict,
        (401 | 403, _) => Class::Forbidden,
        (410, _) => Class::Expired,
        (429, _) => Class::Busy,
        (503, _) => Class::Busy,
        (400..=499, _) => Class::Invalid,
        _ => Class::Internal,
    }
}

fn fallback_reason(class: Class) -> &'static str {
    match class {
        Class::NotFound => "NotFound",
        Class::NamespaceMissing => "NamespaceNotFound",
        Class::Conflict => "Conflict",
        Class::AlreadyExists => "AlreadyExists",
        Class::Forbidden => "Forbidden",
        Class::Invalid => "Invalid",
        Class::Expired => "Expired",
        Class::Busy => "TooManyRequests",
        Class::Internal => "InternalError",
        Class::KindUnknown => "KindNotServed",
        Class::Unreachable => "Unreachable",
        Class::Answer => "BadAnswer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, body: &str, class: Class, reason: &str, message: &str) {
        let error = Error::from_answer(code, None, body.as_bytes());
        assert_eq!(
            (error.class, error.reason.as_str(), error.message.as_str()),
            (class, reason, message)
        );
    }

    #[test]
    fn answers_are_sorted_and_keep_their_words() {
        check(
            404,
            r#"{"reason":"NotFound","message":"namespaces \"x\" not found","details":{"kind":"namespaces"}}"#,
            Class::NamespaceMissing,
            "NotFound",
            "namespaces \"x\" not found",
        );
        check(
            404,
            r#"{"reason":"NotFound","message":"pods \"x\" not found","details":{"kind":"pods","name":"x"}}"#,
            Class::NotFound,
            "NotFound",
            "pods \"x\" not found",
        );
        check(
            404,
            r#"{"reason":"NotFound","message":"the server could not find the requested resource","details":{}}"#,
            Class::KindUnknown,
            "NotFound",
            "the server could not find the requested resource",
        );
        check(
            404,
            "404 page not found",
            Class::KindUnknown,
            "KindNotServed",
            "the member's API answered 404",
        );
        check(
            422,
            r#"{"reason":"Invalid","message":"no"}"#,
            Class::Invalid,
            "Invalid",
            "no",
        );
        check(
            409,
            r#"{"reason":"Conflict","message":"c"}"#,
            Class::Conflict,
            "Conflict",
            "c",
        );
        check(
            502,
            "<html>",
            Class::Internal,
            "InternalError",
            "the member's API answered 502",
        );
        check(
            429,
            "",
            Class::Busy,
            "TooManyRequests",
            "the member's API answered 429",
        );
        check(
            403,
            r#"{"reason":"Forbidden","message":"f"}"#,
            Class::Forbidden,
            "Forbidden",
            "f",
        );
    }

    #[test]
    fn only_an_answer_that_names_the_object_says_that_it_is_absent() {
        let check = |body: &str, plural: &str, expected: bool| {
            let error = Error::from_answer(404, None, body.as_bytes());
            assert_eq!(error.is_absence_of(plural, "x"), expected, "{body}");
        };
        let named = |kind: &str, name: &str| {
            format!(r#"{{"reason":"NotFound","details":{{"kind":"{kind}","name":"{name}"}}}}"#)
        };
        check(&named("pods", "x"), "pods", true);
        check(&named("pods", "y"), "pods", false);
        check(&named("namespaces", "x"), "pods", false);
        check(&named("namespaces", "x"), "namespaces", true);
        check(r#"{"reason":"NotFound","details":{}}"#, "pods", false);
        check("404 page not found", "pods", false);
    }
}
