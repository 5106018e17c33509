//! Bodies of requests: bounded, then parsed from JSON, YAML or protobuf.
//!
//! Objects say what they are; whether that is what the path names is checked here too. Fields that
//! a kind does not have are dealt with elsewhere.

mod strict;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::Body;
use http_body_util::BodyExt;
use roadstead_machinery::protobuf;
use roadstead_machinery::resource::{Origin, Resource};
use roadstead_machinery::status::Status;
use serde_json::Value;

/// How many bytes of a body that cannot be read an error repeats.
const SHOWN_BYTES: usize = 30;

/// The forms of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
    /// `application/json-patch+json`
    JsonPatch,
    /// `application/merge-patch+json`
    MergePatch,
    /// `application/strategic-merge-patch+json`
    StrategicPatch,
    /// `application/apply-patch+yaml`
    Apply,
    /// Anything else.
    Other,
}

impl Media {
    /// The form that a request's headers name; JSON where they name none.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Self::Json;
        };
        let text = value.to_str().unwrap_or("?");
        match text.split(';').next().unwrap_or_default().trim() {
            "" | "application/json" => Self::Json,
            "application/yaml" => Self::Yaml,
            "application/vnd.kubernetes.protobuf" => Self::Protobuf,
            "application/json-patch+json" => Self::JsonPatch,
            "application/merge-patch+json" => Self::MergePatch,
            "application/strategic-merge-patch+json" => Self::StrategicPatch,
            "application/apply-patch+yaml" => Self::Apply,
            _ => Self::Other,
        }
    }
}

/// What a body said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoded {
    /// The object.
    pub(crate) object: Value,
    /// Paths of fields that were there twice.
    pub(crate) duplicates: Vec<String>,
}

/// Takes a body in, up to `limit` bytes.
///
/// # Errors
/// 413 above the limit, 400 where the client broke off.
pub(crate) async fn collect<B>(body: B, limit: usize) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes> + Send,
    B::Error: std::fmt::Display,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(Status::too_large(limit));
    }
    let mut body = std::pin::pin!(body);
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| {
            let what: String = e.to_string().chars().take(200).collect();
            Status::bad_request(format!("unable to read the body of the request: {what}"))
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if all.len() + data.len() > limit {
            return Err(Status::too_large(limit));
        }
        all.extend_from_slice(&data);
    }
    Ok(Bytes::from(all))
}

/// Reads an object of `resource` from the body of a POST or PUT.
///
/// # Errors
/// 400 for what cannot be read or is of another kind, 415 for another form.
pub(crate) fn object(resource: &Resource, media: Media, body: &[u8]) -> Result<Decoded, Status> {
    let mut decoded = any(media, body, &resource.kind)?;
    typed(resource, &mut decoded.object, body)?;
    Ok(decoded)
}

/// Reads a body of whatever kind; `wanted` is named in errors.
///
/// # Errors
/// 400 for what cannot be read, 415 for another form.
pub(crate) fn any(media: Media, body: &[u8], wanted: &str) -> Result<Decoded, Status> {
    match media {
        Media::Json => {
            let parsed = strict::parse(body).map_err(|e| unrecognized(wanted, &e, body))?;
            Ok(Decoded {
                object: parsed.0,
                duplicates: parsed.1,
            })
        }
        Media::Yaml => Ok(Decoded {
            object: yaml(body)?,
            duplicates: Vec::new(),
        }),
        Media::Protobuf => {
            let object = protobuf::decode(body).map_err(|e| Status::bad_request(e.to_string()))?;
            Ok(Decoded {
                object,
                duplicates: Vec::new(),
            })
        }
        Media::JsonPatch
        | Media::MergePatch
        | Media::StrategicPatch
        | Media::Apply
        | Media::Other => Err(Status::unsupported_media_type(&[
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
        ])),
    }
}

/// Reads YAML, of which JSON is a part.
///
/// # Errors
/// 400 for what cannot be read.
pub(crate) fn yaml(body: &[u8]) -> Result<Value, Status> {
    let wrong = |why: &str| {
        let first = why.lines().next().unwrap_or_default();
        // The parser says where before it says what; that is not a form that clients know.
        let first = first.splitn(3, ": ").nth(2).unwrap_or(first);
        Status::bad_request(format!(
            "error decoding YAML: error converting YAML to JSON: yaml: {first}"
        ))
    };
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|e| wrong(&e.to_string()))?;
    serde_saphyr::from_str(text).map_err(|e| wrong(&e.to_string()))
}

/// Checks that `object` says to be of `resource`. Built-in kinds may leave it out.
fn typed(resource: &Resource, object: &mut Value, body: &[u8]) -> Result<(), Status> {
    let wanted = resource.api_version();
    let lenient = resource.origin == Origin::BuiltIn;
    let Some(map) = object.as_object_mut() else {
        return Err(unrecognized_object(
            resource,
            "json: the body is not an object",
            body,
        ));
    };
    for (field, value) in [("kind", &resource.kind), ("apiVersion", &wanted)] {
        let missing = map
            .get(field)
            .and_then(Value::as_str)
            .is_none_or(str::is_empty);
        if missing && lenient {
            map.insert(field.to_owned(), value.clone().into());
        } else if missing {
            let text = String::from_utf8_lossy(body);
            let name = if field == "kind" {
                "Kind"
            } else {
                "apiVersion"
            };
            let why = format!("Object '{name}' is missing in '{text}'");
            return Err(unrecognized_object(resource, &why, body));
        }
    }
    let given = map
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if given != wanted {
        let message = format!(
            "the API version in the data ({given}) does not match the expected API version ({wanted})"
        );
        return Err(Status::bad_request(message));
    }
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind != resource.kind {
        let (version, wanted) = (&resource.version, &resource.kind);
        let message = format!("{kind} in version {version:?} cannot be handled as a {wanted}");
        return Err(Status::bad_request(message));
    }
    Ok(())
}

fn unrecognized(wanted: &str, error: &serde_json::Error, body: &[u8]) -> Status {
    let why = if error.is_eof() {
        "unexpected end of JSON input".to_owned()
    } else {
        error.to_string()
    };
    let why = format!("couldn't get version/kind; json parse error: {why}");
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {wanted}): {why} ({})",
        shown(body)
    ))
}

fn unrecognized_object(resource: &Resource, why: &str, body: &[u8]) -> Status {
    let message = format!(
        "the object provided is unrecognized (must be of type {}): {why} ({})",
        resource.kind,
        shown(body)
    );
    Status::bad_request(message)
}

/// The beginning of a body, as errors repeat it.
fn shown(body: &[u8]) -> String {
    match body.get(..SHOWN_BYTES) {
        _ if body.is_empty() => "<empty>".to_owned(),
        Some(head) if body.len() > SHOWN_BYTES => format!("{} ...", String::from_utf8_lossy(head)),
        Some(_) | None => String::from_utf8_lossy(body).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_are_both_read_as_yaml() {
        assert_eq!(
            yaml(b"{\"a\": 1}").expect("json"),
            serde_json::json!({"a": 1})
        );
        assert_eq!(
            yaml(b"a: {b: [1, x]}").expect("yaml"),
            serde_json::json!({"a": {"b": [1, "x"]}})
        );
        assert_eq!(yaml(b"a: b: c").expect_err("no yaml").code, 400);
    }

    #[test]
    fn what_cannot_be_read_is_shown_in_part() {
        assert_eq!(shown(b""), "<empty>");
        assert_eq!(shown(b"{bad"), "{bad");
        assert_eq!(
            shown(b"{\"metadata\": {\"name\": \"nokind\"}, \"spec\": {}}"),
            "{\"metadata\": {\"name\": \"nokind\" ..."
        );
    }
}
