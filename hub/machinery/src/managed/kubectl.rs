//! People who move from client-side to server-side apply with kubectl.
//!
//! Client-side apply leaves what it applied in an annotation. The manager named `kubectl` may
//! take fields that the annotation shows to be its own, and keeps the annotation up to date so
//! that client-side apply goes on working.

use serde_json::{Map, Value};

use crate::merge::{Conflict, Duplicates, Set, Typed};

use super::Options;

const MANAGER: &str = "kubectl";

pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The most bytes that the names and values of all annotations may have.
const MAX_ANNOTATION_BYTES: usize = 256 * 1024;

/// The conflicts that are left when `live` still has what was last applied from the client.
pub(super) fn not_settled_by_last_applied(
    options: &Options<'_>,
    live: &Typed<'_>,
    conflicts: Vec<Conflict>,
) -> Vec<Conflict> {
    if options.manager != MANAGER {
        return conflicts;
    }
    let Some(settled) = unchanged_since_applied(live, options.api_version) else {
        return conflicts;
    };
    let open = |conflict: &Conflict| !settled.has(&conflict.path.0);
    conflicts.into_iter().filter(open).collect()
}

/// The fields of the annotation's object that `live` has with the same values.
fn unchanged_since_applied(live: &Typed<'_>, api_version: &str) -> Option<Set> {
    let text = annotations(live.value())?.get(LAST_APPLIED)?.as_str()?;
    let applied: Value = serde_json::from_str(text).ok()?;
    if applied.get("apiVersion")?.as_str()? != api_version {
        return None;
    }
    live.validate(Duplicates::Refused).ok()?;
    let applied = live.with(applied);
    applied.validate(Duplicates::Refused).ok()?;
    let changes = applied.compare(live).ok()?;
    let fields = applied.to_set().ok()?.difference(&changes.modified);
    Some(
        fields
            .difference(&changes.added)
            .difference(&changes.removed),
    )
}

/// `object` with `config` as what was last applied, if it has such an annotation at all.
pub(super) fn refresh_last_applied(manager: &str, config: &Value, mut object: Value) -> Value {
    let present = annotations(&object).and_then(|all| all.get(LAST_APPLIED));
    let filled = present
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty());
    if manager != MANAGER || !filled {
        return object;
    }
    let text = as_go_writes(&without_annotation(config));
    if let Some(Value::Object(all)) = object.pointer_mut("/metadata/annotations") {
        all.insert(LAST_APPLIED.to_owned(), Value::String(text));
        let size =
            |(name, value): (&String, &Value)| name.len() + value.as_str().map_or(0, str::len);
        if all.iter().map(size).sum::<usize>() > MAX_ANNOTATION_BYTES {
            all.remove(LAST_APPLIED);
        }
    }
    object
}

fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.get("annotations")?.as_object()
}

fn without_annotation(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(Value::Object(all)) = config.pointer_mut("/metadata/annotations") {
        all.remove(LAST_APPLIED);
    }
    config
}

/// JSON as Go writes it: safe to stand in a web page, with a line end.
fn as_go_writes(value: &Value) -> String {
    let mut text = value.to_string();
    for (plain, escaped) in [
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u{2028}", "\\u2028"),
        ("\u{2029}", "\\u2029"),
    ] {
        text = text.replace(plain, escaped);
    }
    text.push('\n');
    text
}
