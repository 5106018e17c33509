//! What the hub's own pages have in common: a question in JSON is posted, and the answer is JSON. What is
//! asked and answered, and who may ask, is theirs to say.

#![expect(
    clippy::result_large_err,
    reason = "a status is the answer, made once per refused request"
)]

use http::{HeaderValue, Method, Response, header};
use roadstead_machinery::status::Status;
use roadstead_protocol::env::BoxFuture;
use roadstead_rest::{Page, RestBody};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The answer to a request for a page.
pub(crate) type Answered = BoxFuture<Result<Response<RestBody>, Status>>;

/// Answers a question that was posted. A body that is none is refused as "no `what`".
pub(crate) fn posted<Q: DeserializeOwned, A: Serialize>(
    page: &Page<'_>,
    what: &str,
    answer: impl FnOnce(&Q) -> Result<A, Status>,
) -> Answered {
    let answered = question(page, what).and_then(|ask| json(&answer(&ask)?));
    Box::pin(std::future::ready(answered))
}

/// The question that was posted.
///
/// # Errors
/// When nothing was posted, or no question.
pub(crate) fn question<Q: DeserializeOwned>(page: &Page<'_>, what: &str) -> Result<Q, Status> {
    if page.method != Method::POST {
        return Err(Status::method_not_allowed());
    }
    serde_json::from_slice(page.body)
        .map_err(|error| Status::bad_request(format!("the body is no {what}: {error}")))
}

/// An answer in JSON.
///
/// # Errors
/// When it cannot be written as such.
pub(crate) fn json(answer: &impl Serialize) -> Result<Response<RestBody>, Status> {
    let text = serde_json::to_string(answer).map_err(Status::internal)?;
    let mut response = Response::new(RestBody::full(text));
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}
