//! Whether a policy may go another way because labels of a cluster turned: what asks for `site=a` is not
//! concerned by a cluster that turns from `site=b` to `site=c`. A hundred policies that go by one label
//! are the usual way to part a fleet, and one cluster that moves concerns two of them.
//!
//! Looks at the shape of what people wrote and knows no policy: what it does not understand is concerned.
//! Deliberately absent: which clusters a policy takes, which is the plan's.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A label's value before and after; `None` where the cluster does not have it.
pub(super) type Turn = (Option<String>, Option<String>);

/// Whether what people wrote in `spec` may go by a label that turned.
pub(super) fn concerns(spec: &Value, turned: &BTreeMap<String, Turn>) -> bool {
    match spec {
        Value::Object(fields) => match expression(fields, turned) {
            Some(concerned) => concerned,
            None => fields
                .iter()
                .any(|(name, field)| match (name.as_str(), field) {
                    ("matchLabels", Value::Object(labels)) => labelled(labels, turned),
                    (name, field) => named(name, turned) || concerns(field, turned),
                }),
        },
        Value::Array(parts) => parts.iter().any(|part| concerns(part, turned)),
        Value::String(text) => named(text, turned),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Of `matchLabels`: whether a label is the wanted one that was not, or the other way round.
fn labelled(labels: &Map<String, Value>, turned: &BTreeMap<String, Turn>) -> bool {
    labels.iter().any(|(key, wanted)| {
        let Some((old, new)) = turned.get(key) else {
            return false;
        };
        let is = |value: &Option<String>| value.as_deref() == wanted.as_str();
        !wanted.is_string() || is(old) != is(new)
    })
}

/// Of one of `matchExpressions`: whether it is true and was not, or the other way round. `None` of what
/// is none, or has an operator that is not known here.
fn expression(fields: &Map<String, Value>, turned: &BTreeMap<String, Turn>) -> Option<bool> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let (key, operator) = (text("key")?, text("operator")?);
    let none = Vec::new();
    let values = match fields.get("values") {
        Some(values) => values.as_array()?,
        None => &none,
    };
    let known = ["key", "operator", "values"];
    if fields.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    let among = |value: &Option<String>| {
        let value = value.as_deref();
        value.is_some_and(|value| values.iter().any(|one| one.as_str() == Some(value)))
    };
    let turn = turned.get(key);
    let turns = |is: &dyn Fn(&Option<String>) -> bool| turn.is_some_and(|t| is(&t.0) != is(&t.1));
    match operator {
        "In" | "NotIn" => Some(turns(&among)),
        "Exists" | "DoesNotExist" => Some(turns(&Option::is_some)),
        _ => None,
    }
}

/// Whether a text has the key of a label that turned somewhere in it.
fn named(text: &str, turned: &BTreeMap<String, Turn>) -> bool {
    turned.keys().any(|key| text.contains(key.as_str()))
}

#[cfg(test)]
mod tests {
    use roadstead_machinery::selector::LabelSelector;
    use serde_json::json;

    use super::*;

    fn turn(key: &str, old: Option<&str>, new: Option<&str>) -> BTreeMap<String, Turn> {
        let value = |value: Option<&str>| value.map(str::to_owned);
        [(key.to_owned(), (value(old), value(new)))].into()
    }

    #[test]
    fn a_selector_is_concerned_where_it_takes_one_and_not_the_other() {
        let selectors = [
            json!({"matchLabels": {"site": "a"}}),
            json!({"matchLabels": {"site": "a", "stage": "prod"}}),
            json!({"matchExpressions": [{"key": "site", "operator": "In", "values": ["a", "b"]}]}),
            json!({"matchExpressions": [{"key": "site", "operator": "NotIn", "values": ["a"]}]}),
            json!({"matchExpressions": [{"key": "site", "operator": "Exists"}]}),
            json!({"matchExpressions": [{"key": "site", "operator": "DoesNotExist"}]}),
            json!({"matchExpressions": [{"key": "stage", "operator": "Exists"}]}),
        ];
        let values = [None, Some("a"), Some("b"), Some("c")];
        for selector in &selectors {
            let read = LabelSelector::from_value(selector).unwrap();
            let takes = |site: Option<&str>| {
                read.matches(|key| if key == "site" { site } else { Some("prod") })
            };
            let spec = json!({"placement": {"clusterAffinity": {"labelSelector": selector}}});
            for old in values {
                for new in values {
                    let concerned = concerns(&spec, &turn("site", old, new));
                    let turns = takes(old) != takes(new);
                    assert_eq!(concerned, turns, "{selector} {old:?} {new:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_concerned() {
        let site = turn("site", Some("b"), Some("c"));
        for spec in [
            json!({"spreadConstraints": [{"spreadByLabel": "site"}]}),
            json!({"when": "cluster.labels['site'] == 'a'"}),
            json!({"site": "a"}),
            json!({"key": "site", "operator": "Gt", "values": ["4"]}),
            json!({"key": "site", "operator": "In", "values": ["a"], "effect": "NoExecute"}),
            json!({"matchLabels": {"site": 4}}),
            json!({"matchLabels": "site=a"}),
        ] {
            assert!(concerns(&spec, &site), "{spec}");
        }
        for spec in [
            json!({}),
            json!({"matchLabels": {"site": "a", "stage": "b"}}),
            json!({"values": ["a", "b", "c"], "number": 4, "none": null}),
            json!({"matchExpressions": [{"key": "stage", "operator": "Gt", "values": ["4"]}]}),
        ] {
            assert!(!concerns(&spec, &site), "{spec}");
        }
    }
}
