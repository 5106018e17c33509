//! HTTP without sockets: requests to an API in this process.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use roadstead_rest::{Identity, Rest};
use serde_json::Value;

use crate::trace;

/// Sends a request as an administrator; gives status and body (`Null` if it is no JSON).
pub async fn call(
    rest: &Rest,
    method: &str,
    path: &str,
    media: &str,
    body: &Value,
) -> (u16, Value) {
    let bytes = if body.is_null() {
        Bytes::new()
    } else {
        Bytes::from(body.to_string())
    };
    trace::event("ask", &format!("{method} {path}"), &bytes);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .body(Full::new(bytes));
    let Ok(request) = request else {
        return (0, Value::Null);
    };
    let answer = rest.handle(request, Identity::admin()).await;
    let status = answer.status().as_u16();
    let bytes = answer
        .into_body()
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default();
    trace::event("answer", &format!("{status} {method} {path}"), &bytes);
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}
