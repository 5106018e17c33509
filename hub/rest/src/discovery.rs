//! What is served: discovery documents and OpenAPI.

use http::Response;

use crate::RestBody;
use crate::path::Target;
use crate::rest::Inner;
use crate::route::Head;

/// Answers a question about what is served; `None` where nothing of that name is.
pub(crate) fn answer(inner: &Inner, head: &Head, target: &Target) -> Option<Response<RestBody>> {
    let _ = (inner, head, target);
    None
}
