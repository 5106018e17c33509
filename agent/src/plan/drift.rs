//! Whether an object still is as it was given.
//!
//! Every field of the configuration must be in the object with the same value; fields that others
//! added are theirs. Amounts of resources are the same however they are written. Lists are compared
//! strictly, and so is what else an API server writes in another way: a difference that is none costs
//! one apply that changes nothing, whose answer is remembered. Whether somebody took a field over as a whole (an atomic map) is seen by the
//! caller in the object's managed fields.

use roadstead_protocol::api::quantity;
use serde_json::Value;

/// Deepest nesting that is compared; deeper counts as drifted, and the API server decides.
const DEPTH_MAX: usize = 64;

/// The fields in which amounts of resources stand.
const AMOUNTS: &[&str] = &[".limits", ".requests", ".hard", ".capacity", ".sizeLimit"];

/// Longest value that is shown, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// A place where an object is not as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where, for people.
    pub path: String,
    /// What was given, as JSON, shortened.
    pub given: String,
    /// What is there; `nothing` where nothing is.
    pub found: String,
}

/// Where `live` lacks or changes something of `config`: at most `most` places.
pub fn differences(config: &Value, live: &Value, most: usize) -> Vec<Difference> {
    let mut walk = Walk {
        path: Vec::new(),
        found: Vec::new(),
        most,
    };
    walk.compare(config, Some(live));
    walk.found
}

struct Walk {
    path: Vec<String>,
    found: Vec<Difference>,
    most: usize,
}

impl Walk {
    fn compare(&mut self, config: &Value, live: Option<&Value>) {
        if self.found.len() >= self.most {
            return;
        }
        if self.path.len() > DEPTH_MAX {
            return self.differs(config, live);
        }
        match (config, live) {
            (Value::Object(config), Some(Value::Object(live))) => {
                for (key, value) in config {
                    // `status` is not applied and null means absent.
                    let status = self.path.is_empty() && key == "status";
                    if status || value.is_null() {
                        continue;
                    }
                    self.path.push(format!(".{key}"));
                    self.compare(value, live.get(key));
                    self.path.pop();
                }
            }
            (Value::Array(config), Some(Value::Array(live))) if config.len() == live.len() => {
                for (index, (value, found)) in config.iter().zip(live).enumerate() {
                    self.path.push(format!("[{index}]"));
                    self.compare(value, Some(found));
                    self.path.pop();
                }
            }
            (Value::Number(config), Some(Value::Number(live)))
                if config.as_f64() == live.as_f64() => {}
            (config, Some(live)) if config == live => {}
            (config, Some(live)) if self.same_amount(config, live) => {}
            (config, live) if is_empty(config) && live.is_none_or(is_empty) => {}
            (config, live) => self.differs(config, live),
        }
    }

    /// Whether both are the same amount of a resource, which an API server writes in its own way.
    fn same_amount(&self, config: &Value, live: &Value) -> bool {
        let amounts = |step: &String| AMOUNTS.contains(&step.as_str());
        let same = || {
            let given = quantity::read(config);
            given.is_some() && given == quantity::read(live)
        };
        self.path.iter().any(amounts) && same()
    }

    fn differs(&mut self, config: &Value, live: Option<&Value>) {
        self.found.push(Difference {
            path: self.path.concat(),
            given: shown(config),
            found: live.map_or_else(|| "nothing".to_owned(), shown),
        });
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    let short: String = text.chars().take(VALUE_CHARS_MAX - 1).collect();
    format!("{short}…")
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
        let first = differences(&config, &live, 1);
        assert_eq!(first.first().map(|d| d.path.as_str()), expected);
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

    #[test]
    fn amounts_are_compared_however_they_are_written() {
        let of = |cpu: Value, memory: &str| json!({"resources": {"limits": {"cpu": cpu, "memory": memory}}});
        check(of(json!("1000m"), "1024Mi"), of(json!("1"), "1Gi"), None);
        check(of(json!(2), "1Gi"), of(json!("2"), "1Gi"), None);
        let place = Some(".resources.limits.cpu");
        check(of(json!("1001m"), "1Gi"), of(json!("1"), "1Gi"), place);
        check(of(json!("none"), "1Gi"), of(json!("1"), "1Gi"), place);
        let note = |text: &str| json!({"data": {"note": text}});
        check(note("1000m"), note("1"), Some(".data.note"));
    }

    #[test]
    fn every_place_is_told_with_both_values() {
        let config = json!({"spec": {"a": 1, "b": "x".repeat(90), "c": [1, 2], "d": {"e": true}}});
        let live = json!({"spec": {"a": 2, "b": "y", "c": [1], "d": {}}});
        let told: Vec<String> = differences(&config, &live, 9)
            .into_iter()
            .map(|d| format!("{} {} {}", d.path, d.given.chars().count(), d.found))
            .collect();
        assert_eq!(
            told,
            [
                ".spec.a 1 2",
                ".spec.b 60 \"y\"",
                ".spec.c 5 [1]",
                ".spec.d.e 4 nothing"
            ]
        );
        assert_eq!(differences(&config, &live, 2).len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn nothing_differs_from_itself_with_additions(map in proptest::collection::btree_map("[a-c]{1,2}", 0..5i64, 0..6)) {
            let config = json!({"spec": map});
            let mut live = config.clone();
            live["spec"]["added"] = json!(1);
            proptest::prop_assert_eq!(differences(&config, &live, 9), vec![]);
        }
    }
}
