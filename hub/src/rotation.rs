//! `/roadstead.dev/authority`: how the agents' authority stands, and giving it a successor.
//!
//! For administrators only. `GET` shows it; `POST` to `rotate` or `rotate-now` beneath it makes a
//! successor. What a successor means for agents is the authority's to say.

use http::{HeaderValue, Method, Response, header};
use roadstead_authority::{Authority, Standing};
use roadstead_machinery::status::Status;
use roadstead_protocol::env::BoxFuture;
use roadstead_rest::{Page, RestBody};
use serde_json::{Value, json};

/// Where it is shown.
pub(crate) const PATH: &str = "/roadstead.dev/authority";

type Answer = BoxFuture<Result<Response<RestBody>, Status>>;

/// Answers a request about the agents' authority; `None` for any other path.
pub(crate) fn page(authority: &Authority, page: &Page<'_>) -> Option<Answer> {
    let now = match page.path.strip_prefix(PATH)? {
        "" => None,
        "/rotate" => Some(false),
        "/rotate-now" => Some(true),
        _ => return None,
    };
    let method = if now.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    if page.method != method {
        return Some(Box::pin(std::future::ready(Err(
            Status::method_not_allowed(),
        ))));
    }
    let (authority, user) = (authority.clone(), page.user.user.clone());
    Some(Box::pin(async move {
        let standing = match now {
            None => authority.standing(),
            Some(now) => {
                tracing::info!(%user, now, "the agents' authority is given a successor");
                let rotated = authority.rotate(now).await;
                rotated.map_err(|error| Status::unavailable(crate::chain(&error)))?
            }
        };
        Ok(shown(standing))
    }))
}

/// The standing as the API gives it.
fn object(standing: Standing) -> Value {
    json!({
        "generation": standing.generation,
        "ends": standing.ends.to_string(),
        "successorSignsFrom": standing.successor.map(|at| at.to_string()),
        "former": standing.former,
    })
}

fn shown(standing: Standing) -> Response<RestBody> {
    let mut response = Response::new(RestBody::full(object(standing).to_string()));
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
