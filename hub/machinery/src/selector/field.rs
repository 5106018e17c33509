//! Field selectors: a string of equalities on dotted paths.
//!
//! Which paths a kind supports is the caller's business.

use serde_json::Value;

use super::{Error, REQUIREMENTS_MAX, SELECTOR_BYTES_MAX};

/// Requirements on fields, all of which must hold: (path, whether equal, value).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(pub Vec<FieldRequirement>);

/// One requirement on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// The field's path, as in `metadata.name`.
    pub path: String,
    /// Whether it must be equal, or must differ.
    pub equal: bool,
    /// To what.
    pub value: String,
}

impl FieldSelector {
    /// Reads the string form (`a=b`, `a==b`, `a!=b`, joined by commas; `\` escapes `,`, `=` and `\`).
    ///
    /// # Errors
    /// When a part has no operator, or the text exceeds its bound.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > SELECTOR_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let mut out = Vec::new();
        for part in split_escaped(text) {
            if part.is_empty() {
                continue;
            }
            let (path, equal, value) = if let Some((p, v)) = part.split_once("!=") {
                (p, false, v)
            } else if let Some((p, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (p, true, v)
            } else {
                return Err(Error::Parse(format!(
                    "invalid selector: {text:?}; can't understand {part:?}"
                )));
            };
            out.push(FieldRequirement {
                path: path.trim().to_owned(),
                equal,
                value: unescape(value),
            });
        }
        if out.len() > REQUIREMENTS_MAX {
            return Err(Error::TooLarge);
        }
        Ok(Self(out))
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a Kubernetes object satisfies it. A missing field counts as empty.
    pub fn matches_object(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|r| (field(object, &r.path) == r.value) == r.equal)
    }

    /// The value that a field must have, where one requirement says so.
    pub fn exact(&self, path: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|r| r.equal && r.path == path)
            .map(|r| r.value.as_str())
    }
}

/// The text of the field at a dotted path; empty where there is none.
fn field(object: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(object, |v, name| v.get(name));
    match found {
        Some(Value::String(s)) => s.clone(),
        Some(Value::Null) | None => String::new(),
        Some(Value::Array(_) | Value::Object(_)) => String::new(),
        Some(v @ (Value::Bool(_) | Value::Number(_))) => v.to_string(),
    }
}

fn split_escaped(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == ',' && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = c == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn field_selectors() {
        let object = json!({"metadata": {"name": "a,b"}, "status": {"phase": "Running"}});
        let check = |text: &str, expected: bool| {
            assert_eq!(
                FieldSelector::parse(text).unwrap().matches_object(&object),
                expected,
                "{text}"
            );
        };
        check("metadata.name=a\\,b", true);
        check("status.phase!=Running", false);
        check("status.phase==Running,spec.nope=", true);
        assert!(FieldSelector::parse("metadata.name").is_err());
    }
}
