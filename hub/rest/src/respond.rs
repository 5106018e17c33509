//! Answers: JSON, statuses, warnings.

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WARNING};
use http::{Response, StatusCode};
use roadstead_machinery::status::{Outcome, Status};
use serde_json::Value;

use crate::{RestBody, meta};

/// Most warnings that one answer carries.
const WARNINGS_MAX: usize = 32;
/// Longest warning, in bytes.
const WARNING_BYTES_MAX: usize = 512;

/// What most answers are.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer with this code and body.
pub(crate) fn json(code: StatusCode, value: &Value) -> Response<RestBody> {
    typed(code, JSON, serde_json::to_vec(value).unwrap_or_default())
}

/// A status as an answer.
pub(crate) fn status(status: &Status) -> Response<RestBody> {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut value = status.to_value();
    if status.status == Outcome::Success {
        meta::root(&mut value).remove("code");
    }
    let mut response = json(code, &value);
    let retry = status.details.as_ref().and_then(|d| d.retry_after_seconds);
    if let Some(seconds) = retry {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Plain text.
pub(crate) fn text(code: StatusCode, text: impl Into<String>) -> Response<RestBody> {
    typed(
        code,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        text.into().into_bytes(),
    )
}

/// An answer of any media type.
pub(crate) fn typed(code: StatusCode, media: HeaderValue, body: Vec<u8>) -> Response<RestBody> {
    let mut response = Response::new(RestBody::full(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

/// Adds warnings that kubectl shows to its user.
pub(crate) fn warn(response: &mut Response<RestBody>, warnings: &[String]) {
    for text in warnings.iter().take(WARNINGS_MAX) {
        let clean: String = text.chars().filter(|c| !c.is_control()).collect();
        let bound = clean.floor_char_boundary(WARNING_BYTES_MAX);
        let short = clean.get(..bound).unwrap_or_default();
        let quoted = short.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}
