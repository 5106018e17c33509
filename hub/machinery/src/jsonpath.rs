//! The part of kubectl's JSONPath that printer columns, scale paths and selectable fields use:
//! `.a.b`, `['a']`, `[0]`, `[*]`, `[?(@.type=="Ready")]`, with `\.` for a dot inside a name.
//!
//! No ranges, no functions, no recursive descent.

use serde_json::Value;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 1024;

/// Why a path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unrecognized JSONPath {path:?} at {rest:?}")]
pub struct Error {
    path: String,
    rest: String,
}

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    Filter {
        path: Vec<String>,
        equal: bool,
        value: Value,
    },
}

impl JsonPath {
    /// Reads a path, with or without the leading dot or the surrounding `{…}`.
    ///
    /// # Errors
    /// When it uses what is not supported.
    pub fn parse(path: &str) -> Result<Self, Error> {
        let fail = |rest: &str| Error {
            path: path.to_owned(),
            rest: rest.to_owned(),
        };
        if path.len() > PATH_BYTES_MAX {
            return Err(fail(""));
        }
        let inner = path.trim();
        let inner = inner
            .strip_prefix('{')
            .and_then(|p| p.strip_suffix('}'))
            .unwrap_or(inner);
        let mut rest = inner.strip_prefix('$').unwrap_or(inner);
        let mut steps = Vec::new();
        if !rest.is_empty() && !rest.starts_with(['.', '[']) {
            let (name, after) = name(rest);
            steps.push(Step::Field(name));
            rest = after;
        }
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or_else(|| fail(rest))?;
            steps.extend(step);
            rest = after;
        }
        Ok(Self(steps))
    }

    /// Everything that it finds in `root`, in order.
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![root];
        for step in &self.0 {
            found = found.into_iter().flat_map(|v| take(step, v)).collect();
        }
        found
    }

    /// The first thing that it finds.
    pub fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.find(root).into_iter().next()
    }

    /// The names of a path that consists of names only.
    pub fn fields(&self) -> Option<Vec<&str>> {
        self.0
            .iter()
            .map(|s| match s {
                Step::Field(name) => Some(name.as_str()),
                Step::Index(_) | Step::All | Step::Filter { .. } => None,
            })
            .collect()
    }
}

fn step(rest: &str) -> Option<(Option<Step>, &str)> {
    if let Some(after) = rest.strip_prefix('.') {
        if after.starts_with('[') || after.is_empty() {
            return Some((None, after));
        }
        let (name, after) = name(after);
        let step = if name == "*" {
            Step::All
        } else {
            Step::Field(name)
        };
        return Some((Some(step), after));
    }
    let body = rest.strip_prefix('[')?;
    if let Some(filter) = body.strip_prefix("?(") {
        let (filter, after) = filter.split_once(")]")?;
        return Some((Some(condition(filter)?), after));
    }
    let (index, after) = body.split_once(']')?;
    let index = index.trim();
    let quoted = index
        .strip_prefix('\'')
        .and_then(|i| i.strip_suffix('\''))
        .or_else(|| index.strip_prefix('"').and_then(|i| i.strip_suffix('"')));
    let step = match quoted {
        Some(name) => Step::Field(name.to_owned()),
        None if index == "*" => Step::All,
        None => Step::Index(index.parse().ok()?),
    };
    Some((Some(step), after))
}

/// A name up to the next unescaped dot or bracket, and what follows it.
fn name(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (out, text.get(i..).unwrap_or_default()),
            c => out.push(c),
        }
    }
    (out, "")
}

fn condition(filter: &str) -> Option<Step> {
    let (left, equal, right) = match (filter.split_once("=="), filter.split_once("!=")) {
        (Some((l, r)), _) => (l, true, r),
        (None, Some((l, r))) => (l, false, r),
        (None, None) => return None,
    };
    let path = left.trim().strip_prefix('@')?.trim_start_matches('.');
    let path = path.split('.').map(str::to_owned).collect();
    let right = right.trim();
    let quoted = right.strip_prefix('\'').and_then(|r| r.strip_suffix('\''));
    let value = match quoted {
        Some(text) => Value::String(text.to_owned()),
        None => serde_json::from_str(right).ok()?,
    };
    Some(Step::Filter { path, equal, value })
}

fn take<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Index(i) => {
            let Some(list) = value.as_array() else {
                return Vec::new();
            };
            let at = if *i < 0 {
                list.len().checked_add_signed(*i as isize)
            } else {
                Some(*i as usize)
            };
            at.and_then(|at| list.get(at)).into_iter().collect()
        }
        Step::All => match value {
            Value::Array(list) => list.iter().collect(),
            Value::Object(map) => map.values().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        },
        Step::Filter {
            path,
            equal,
            value: wanted,
        } => value
            .as_array()
            .into_iter()
            .flatten()
            .filter(|item| {
                let found = path.iter().try_fold(*item, |v, name| v.get(name));
                (found == Some(wanted)) == *equal
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds() {
        let root = json!({
            "a.b": 1,
            "spec": {"list": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
        });
        let check = |path: &str, expected: Value| {
            let found = JsonPath::parse(path)
                .unwrap()
                .find(&root)
                .into_iter()
                .cloned()
                .collect();
            assert_eq!(Value::Array(found), expected, "{path}");
        };
        check(".spec.list[0].type", json!(["Ready"]));
        check("{.spec.list[-1].type}", json!(["Other"]));
        check(".spec.list[*].status", json!(["True", "False"]));
        check(".spec.list[?(@.type==\"Ready\")].status", json!(["True"]));
        check(".spec.list[?(@.type=='Other')].status", json!(["False"]));
        check(".a\\.b", json!([1]));
        check("['a.b']", json!([1]));
        check(".missing.deep", json!([]));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for path in [".a[", ".a[x]", ".a[?(b)]", ".a[1:2]"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }
}
