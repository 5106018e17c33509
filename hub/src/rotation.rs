//! `/roadstead.dev/authority`: how the authorities stand, and giving one a successor.
//!
//! For administrators only. `GET` shows them; `POST` to `rotate` or `rotate-now` beneath it makes a
//! successor of the agents' authority, and beneath `api` of the REST port's. What a successor means is
//! the authority's to say.

use http::Method;
use roadstead_authority::{Authority, Standing};
use roadstead_machinery::status::Status;
use roadstead_rest::Page;
use serde_json::{Value, json};

use crate::page::{self, Answered};

/// Where it is shown.
pub(crate) const PATH: &str = "/roadstead.dev/authority";

/// What is asked for: of the REST port's authority (or the agents'), and whether at once.
struct Rotation {
    api: bool,
    now: bool,
}

/// Answers a request about an authority; `None` for any other path.
pub(crate) fn page(authority: &Authority, page: &Page<'_>) -> Option<Answered> {
    let rotation = |api, now| Some(Rotation { api, now });
    let rotation = match page.path.strip_prefix(PATH)? {
        "" => None,
        "/rotate" => rotation(false, false),
        "/rotate-now" => rotation(false, true),
        "/api/rotate" => rotation(true, false),
        "/api/rotate-now" => rotation(true, true),
        _ => return None,
    };
    let method = if rotation.is_some() {
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
        if let Some(Rotation { api, now }) = rotation {
            tracing::info!(%user, now, api, "an authority is given a successor");
            let rotated = if api {
                authority.rotate_api(now).await
            } else {
                authority.rotate(now).await
            };
            rotated.map_err(|error| Status::unavailable(crate::chain(&error)))?;
        }
        page::json(&shown(&authority))
    }))
}

/// A standing as the API gives it.
fn object(standing: Standing) -> Value {
    json!({
        "generation": standing.generation,
        "ends": standing.ends.to_string(),
        "successorSignsFrom": standing.successor.map(|at| at.to_string()),
        "former": standing.former,
    })
}

/// That of the agents' authority, with that of the REST port's inside.
fn shown(authority: &Authority) -> Value {
    let mut all = object(authority.standing());
    if let Some(map) = all.as_object_mut() {
        map.insert("api".to_owned(), object(authority.api_standing()));
    }
    all
}
