//! What stands somewhere in the text of whatever a selector selects: of ten thousand templates most are
//! passed over by that, and not read.
//!
//! Deliberately absent: whether it is selected, which is the plan's. What is left out here never is.

use roadstead_protocol::api::policy::ResourceSelector;
use roadstead_store::Entry;

/// The words of a selector, as JSON has them.
pub(crate) fn words(selector: &ResourceSelector) -> Vec<String> {
    if !selector.name.is_empty() {
        return quoted([selector.name.as_str()]);
    }
    let labels = selector.label_selector.iter().flat_map(|s| &s.match_labels);
    quoted(labels.flat_map(|(key, value)| [key.as_str(), value.as_str()]))
}

/// What may stand there with an escape is not looked for.
fn quoted<'t>(texts: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let texts = texts.into_iter().filter(|text| text.chars().all(plain));
    texts.map(|text| format!("\"{text}\"")).collect()
}

/// Whether the text of an object has all of these words somewhere.
pub(crate) fn says(object: &Entry, words: &[String]) -> bool {
    let Ok(text) = std::str::from_utf8(&object.value) else {
        return true;
    };
    words.iter().all(|word| text.contains(word.as_str()))
}

#[cfg(test)]
mod tests {
    use roadstead_store::{Key, Revision};
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    use super::*;

    fn check(selector: &Value, object: &Value, expected: bool) {
        let selector = ResourceSelector::deserialize(selector).unwrap();
        let entry = Entry {
            key: Key::parse("/k").unwrap(),
            created: Revision(1),
            revision: Revision(1),
            value: serde_json::to_vec_pretty(object).unwrap().into(),
        };
        assert_eq!(says(&entry, &words(&selector)), expected, "{selector:?}");
    }

    #[test]
    fn what_is_selected_has_the_words_and_what_has_them_not_is_not_read() {
        let object = json!({"metadata": {
            "name": "web-1", "labels": {"team": "t1", "example.com/a": "b", "odd": "\u{7f}"},
        }});
        let by = |labels: Value| json!({"kind": "X", "labelSelector": {"matchLabels": labels}});
        check(&json!({"kind": "X"}), &object, true);
        check(&json!({"kind": "X", "name": "web-1"}), &object, true);
        check(&json!({"kind": "X", "name": "web"}), &object, false);
        check(&by(json!({"team": "t1"})), &object, true);
        check(
            &by(json!({"team": "t1", "example.com/a": "b"})),
            &object,
            true,
        );
        check(&by(json!({"team": "t"})), &object, false);
        check(&by(json!({"team": "t1", "stage": "t1"})), &object, false);
        check(&by(json!({"odd": "\u{7f}"})), &object, true);
        let exists = json!([{"key": "stage", "operator": "DoesNotExist"}]);
        let without = json!({"kind": "X", "labelSelector": {"matchExpressions": exists}});
        check(&without, &object, true);
    }
}
