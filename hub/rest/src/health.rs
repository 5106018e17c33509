//! `/livez`, `/readyz`, `/healthz`, `/version`.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::query::Query;
use crate::rest::Inner;
use crate::{RestBody, respond};

/// Answers a question about health.
pub(crate) fn health(
    inner: &Inner,
    endpoint: &str,
    check: Option<&str>,
    query: &Query,
) -> Response<RestBody> {
    let ready = if endpoint == "livez" {
        Ok(())
    } else {
        inner.hooks.ready()
    };
    let notices = if endpoint == "livez" {
        Vec::new()
    } else {
        inner.hooks.notices()
    };
    // Whether a check says something about the whole.
    let decides = [("ping", Ok(()), true), ("owner", ready, true)];
    let notices = notices.into_iter().map(|(name, result)| {
        let alone = check == Some(name);
        (name, result, alone)
    });
    let excluded: Vec<&str> = query.all("exclude").collect();
    let asked = |name: &str| check.is_none_or(|c| c == name) && !excluded.contains(&name);
    let checks: Vec<_> = decides
        .into_iter()
        .chain(notices)
        .filter(|(name, ..)| asked(name))
        .collect();
    if checks.is_empty() && check.is_some() {
        return respond::text(StatusCode::NOT_FOUND, "404 page not found\n");
    }
    let failed = checks
        .iter()
        .any(|(_, result, decides)| *decides && result.is_err());
    let verbose = query.flag("verbose").unwrap_or_default();
    if !failed && !verbose {
        return respond::text(StatusCode::OK, "ok");
    }
    let mut text = String::new();
    for (name, result, _) in checks {
        match result {
            Ok(()) => text.push_str(&format!("[+]{name} ok\n")),
            Err(why) => text.push_str(&format!("[-]{name} failed: {why}\n")),
        }
    }
    let word = if failed { "failed" } else { "passed" };
    text.push_str(&format!("{endpoint} check {word}\n"));
    let code = if failed {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    };
    respond::text(code, text)
}

/// What `/version` says.
pub(crate) fn version(inner: &Inner) -> Value {
    let versions = &inner.options.versions;
    json!({
        "major": versions.major,
        "minor": versions.minor,
        "gitVersion": versions.git,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": "any",
    })
}
