//! Events in their two forms: `v1` is what is stored, `events.k8s.io/v1` is another view of it.

use roadstead_machinery::resource::Resource;
use serde_json::{Map, Value};

use crate::meta;

/// The group of the newer form.
const GROUP: &str = "events.k8s.io";

/// Fields that have one name in `v1` and another in `events.k8s.io/v1`.
const RENAMED: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// Whether `resource` shows events in the newer form.
pub(crate) fn is_new_form(resource: &Resource) -> bool {
    resource.group == GROUP && resource.kind == "Event"
}

/// Whether `resource` is one of the two forms of events.
pub(crate) fn is_event(resource: &Resource) -> bool {
    resource.kind == "Event" && (resource.group.is_empty() || resource.group == GROUP)
}

/// An event as `events.k8s.io/v1` shows it.
pub(crate) fn to_new_form(mut event: Value) -> Value {
    let map = meta::root(&mut event);
    for (old, new) in RENAMED {
        rename(map, old, new);
    }
    map.insert("apiVersion".to_owned(), format!("{GROUP}/v1").into());
    event
}

/// An event as `v1` shows it.
pub(crate) fn to_old_form(mut event: Value) -> Value {
    let map = meta::root(&mut event);
    for (old, new) in RENAMED {
        rename(map, new, old);
    }
    map.insert("apiVersion".to_owned(), "v1".into());
    event
}

fn rename(map: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_say_the_same() {
        let old = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "message": "m",
            "involvedObject": {"kind": "Pod"}, "count": 2, "reason": "r", "eventTime": null,
        });
        let new = to_new_form(old.clone());
        assert_eq!(new["note"], "m");
        assert_eq!(new["regarding"]["kind"], "Pod");
        assert_eq!(new["deprecatedCount"], 2);
        assert_eq!(to_old_form(new), old);
    }
}
