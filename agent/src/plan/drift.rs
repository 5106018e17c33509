//! Whether an object still is as it was given.
//!
//! Every field of the configuration must be in the object with the same value; fields that others
//! added are theirs. Lists are compared strictly, and so are values that an API server writes in
//! another way (quantities): a difference that is none costs one apply that changes nothing, whose
//! answer is remembered. Whether somebody took a field over as a whole (an atomic map) is seen by the
//! caller in the object's managed fields.

use serde_json::Value;

/// Deepest nesting that is compared; deeper counts as drifted, and the API server decides.
const DEPTH_MAX: usize = 64;

/// Where `live` first lacks or changes something of `config`: a path for people.
pub fn first_difference(config: &Value, live: &Value) -> Option<String> {
    let mut path = Vec::new();
    let differs = walk(config, live, &mut path);
    differs.then(|| path.concat())
}

/// Whether `live` differs; leaves the path of the place in `path` then.
fn walk(config: &Value, live: &Value, path: &mut Vec<String>) -> bool {
    if path.len() > DEPTH_MAX {
        return true;
    }
    match (config, live) {
        (Value::Object(config), Value::Object(live)) => config.iter().any(|(key, value)| {
            // `status` is not applied and null means absent.
            if (path.is_empty() && key == "status") || value.is_null() {
                return false;
            }
            path.push(format!(".{key}"));
            let differs = match live.get(key) {
                Some(found) => walk(value, found, path),
                None => !is_empty(value),
            };
            if !differs {
                path.pop();
            }
            differs
        }),
        (Value::Array(config), Value::Array(live)) => {
            if config.len() != live.len() {
                return true;
            }
            config
                .iter()
                .zip(live)
                .enumerate()
                .any(|(index, (value, found))| {
                    path.push(format!("[{index}]"));
                    let differs = walk(value, found, path);
                    if !differs {
                        path.pop();
                    }
                    differs
                })
        }
        (Value::Number(config), Value::Number(live)) => config.as_f64() != live.as_f64(),
        (config, live) => config != live && !(is_empty(config) && is_empty(live)),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(config: Value, live: Value, expected: Option<&str>) {
        assert_eq!(first_difference(&config, &live).as_deref(), expected);
    }

    #[test]
    fn what_others_added_is_no_drift() {
        check(
            json!({"spec": {"a": 1}}),
            json!({"spec": {"a": 1, "b": 2}, "status": {}}),
            None,
        );
        check(
            json!({"l": [{"name": "x"}]}),
            json!({"l": [{"name": "x", "pull": "Always"}]}),
            None,
        );
        check(
            json!({"spec": {"a": {}, "n": null}}),
            json!({"spec": {}}),
            None,
        );
    }

    #[test]
    fn what_was_changed_or_taken_away_is() {
        check(
            json!({"spec": {"a": 1}}),
            json!({"spec": {"a": 2}}),
            Some(".spec.a"),
        );
        check(
            json!({"spec": {"a": 1}}),
            json!({"spec": {}}),
            Some(".spec.a"),
        );
        check(
            json!({"l": [{"name": "x"}, {"name": "y"}]}),
            json!({"l": [{"name": "x"}]}),
            Some(".l"),
        );
        check(
            json!({"l": ["a", "b"]}),
            json!({"l": ["b", "a"]}),
            Some(".l[0]"),
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_differs_from_itself_with_additions(map in proptest::collection::btree_map("[a-c]{1,2}", 0..5i64, 0..6)) {
            let config = json!({"spec": map});
            let mut live = config.clone();
            live["spec"]["added"] = json!(1);
            proptest::prop_assert_eq!(first_difference(&config, &live), None);
        }
    }
}
