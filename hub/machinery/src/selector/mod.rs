//! Label and field selectors: parse, match, print.
//!
//! Two sources of label selectors: the string of a query (`a=b,c in (d,e),!f`) and the
//! `LabelSelector` of an object. Both become the same list of requirements, all of which must hold.

mod field;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use field::{FieldRequirement, FieldSelector};

/// Most requirements in one selector.
pub const REQUIREMENTS_MAX: usize = 256;
/// Longest selector string, in bytes.
pub const SELECTOR_BYTES_MAX: usize = 16 * 1024;

/// Why a selector cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text breaks the grammar.
    #[error("unable to parse requirement: {0}")]
    Parse(String),
    /// A key or value is no label key or value.
    #[error("{0}")]
    Label(String),
    /// An operator that does not exist, or has values where it may not, or none where it must.
    #[error("{0}")]
    Operator(String),
    /// Above its bound.
    #[error("selector has more than {REQUIREMENTS_MAX} requirements or {SELECTOR_BYTES_MAX} bytes")]
    TooLarge,
}

/// One requirement on labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What it must be.
    pub op: Op,
}

/// What a label must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// One of these.
    In(BTreeSet<String>),
    /// Absent, or none of these.
    NotIn(BTreeSet<String>),
    /// There.
    Exists,
    /// Not there.
    DoesNotExist,
    /// A number above this.
    GreaterThan(i64),
    /// A number below this.
    LessThan(i64),
}

impl Requirement {
    /// Whether `value`, the label's, satisfies it.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.op {
            Op::In(set) => value.is_some_and(|v| set.contains(v)),
            Op::NotIn(set) => value.is_none_or(|v| !set.contains(v)),
            Op::Exists => value.is_some(),
            Op::DoesNotExist => value.is_none(),
            Op::GreaterThan(bound) => number().is_some_and(|n| n > *bound),
            Op::LessThan(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
        let key = &self.key;
        match &self.op {
            Op::In(set) if set.len() == 1 => write!(f, "{key}={}", list(set)),
            Op::In(set) => write!(f, "{key} in ({})", list(set)),
            Op::NotIn(set) if set.len() == 1 => write!(f, "{key}!={}", list(set)),
            Op::NotIn(set) => write!(f, "{key} notin ({})", list(set)),
            Op::Exists => write!(f, "{key}"),
            Op::DoesNotExist => write!(f, "!{key}"),
            Op::GreaterThan(n) => write!(f, "{key}>{n}"),
            Op::LessThan(n) => write!(f, "{key}<{n}"),
        }
    }
}

/// Requirements on labels, all of which must hold. Empty: everything matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(pub Vec<Requirement>);

impl LabelSelector {
    /// Reads the string form.
    ///
    /// # Errors
    /// When it breaks the grammar, names no proper label, or exceeds its bound.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > SELECTOR_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let requirements = split(text)
            .into_iter()
            .map(requirement)
            .collect::<Result<Vec<_>, _>>()?;
        Self::bounded(requirements)
    }

    /// Reads the `LabelSelector` of an object (`matchLabels`, `matchExpressions`).
    ///
    /// # Errors
    /// When an operator is unknown or goes with the wrong number of values.
    pub fn from_value(value: &Value) -> Result<Self, Error> {
        let mut out = Vec::new();
        for (key, v) in value
            .get("matchLabels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let v = v.as_str().unwrap_or_default();
            out.push(Requirement {
                key: key.clone(),
                op: Op::In([v.to_owned()].into()),
            });
        }
        let expressions = value.get("matchExpressions").and_then(Value::as_array);
        for e in expressions.into_iter().flatten() {
            out.push(expression(e)?);
        }
        Self::bounded(out)
    }

    fn bounded(requirements: Vec<Requirement>) -> Result<Self, Error> {
        if requirements.len() > REQUIREMENTS_MAX {
            return Err(Error::TooLarge);
        }
        requirements.iter().try_for_each(check_labels)?;
        Ok(Self(requirements))
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether labels, looked up by key, satisfy it.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|r| r.matches(label(&r.key)))
    }

    /// Whether these labels satisfy it.
    pub fn matches_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches(|k| labels.get(k).map(String::as_str))
    }

    /// Whether the labels of a Kubernetes object satisfy it.
    pub fn matches_object(&self, object: &Value) -> bool {
        let labels = object.get("metadata").and_then(|m| m.get("labels"));
        self.matches(|k| labels.and_then(|l| l.get(k)).and_then(Value::as_str))
    }
}

impl std::fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

fn expression(e: &Value) -> Result<Requirement, Error> {
    let key = e
        .get("key")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let operator = e
        .get("operator")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let values: BTreeSet<String> = e
        .get("values")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect();
    let op = match (operator, values.is_empty()) {
        ("In", false) => Op::In(values),
        ("NotIn", false) => Op::NotIn(values),
        ("Exists", true) => Op::Exists,
        ("DoesNotExist", true) => Op::DoesNotExist,
        ("In" | "NotIn", true) => {
            let why = format!(
                "values: must be specified when `operator` is 'In' or 'NotIn' (key {key:?})"
            );
            return Err(Error::Operator(why));
        }
        ("Exists" | "DoesNotExist", false) => {
            let why = format!(
                "values: may not be specified when `operator` is 'Exists' or 'DoesNotExist' (key {key:?})"
            );
            return Err(Error::Operator(why));
        }
        _ => {
            return Err(Error::Operator(format!(
                "{operator:?} is not a valid label selector operator"
            )));
        }
    };
    Ok(Requirement { key, op })
}

/// Splits at commas that stand outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text.get(start..i).unwrap_or_default());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    let mut parts: Vec<&str> = parts.into_iter().map(str::trim).collect();
    if parts == [""] {
        parts.clear();
    }
    parts
}

fn requirement(text: &str) -> Result<Requirement, Error> {
    let parse = || Error::Parse(format!("found {text:?}, expected: a label requirement"));
    let one = |v: &str| [v.trim().to_owned()].into();
    let number = |v: &str| {
        let v = v.trim();
        v.parse::<i64>().map_err(|_| {
            Error::Label(format!("values[0][]: Invalid value: {v:?}: for 'Gt', 'Lt' operators, the value must be an integer"))
        })
    };
    let (key, op) = if let Some(key) = text.strip_prefix('!') {
        (key, Op::DoesNotExist)
    } else if let Some((key, set)) = set_operation(text, " notin") {
        (key, Op::NotIn(values(set).ok_or_else(parse)?))
    } else if let Some((key, set)) = set_operation(text, " in") {
        (key, Op::In(values(set).ok_or_else(parse)?))
    } else if let Some((key, v)) = text.split_once("!=") {
        (key, Op::NotIn(one(v)))
    } else if let Some((key, v)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Op::In(one(v)))
    } else if let Some((key, v)) = text.split_once('>') {
        (key, Op::GreaterThan(number(v)?))
    } else if let Some((key, v)) = text.split_once('<') {
        (key, Op::LessThan(number(v)?))
    } else {
        (text, Op::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(parse());
    }
    Ok(Requirement {
        key: key.to_owned(),
        op,
    })
}

/// `key WORD (…)` into key and what follows the word.
fn set_operation<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let (key, rest) = text.split_once(word)?;
    rest.trim_start()
        .starts_with('(')
        .then_some((key, rest.trim()))
}

fn values(set: &str) -> Option<BTreeSet<String>> {
    let inner = set.strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.split(',').map(|v| v.trim().to_owned()).collect())
}

fn check_labels(r: &Requirement) -> Result<(), Error> {
    let name = r.key.rsplit_once('/').map_or(r.key.as_str(), |(_, n)| n);
    if !is_label_name(name) {
        return Err(Error::Label(format!(
            "key: Invalid value: {:?}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            r.key
        )));
    }
    let bad = match &r.op {
        Op::In(set) | Op::NotIn(set) => set.iter().find(|v| !v.is_empty() && !is_label_name(v)),
        Op::Exists | Op::DoesNotExist | Op::GreaterThan(_) | Op::LessThan(_) => None,
    };
    match bad {
        Some(v) => Err(Error::Label(format!(
            "values[0][{}]: Invalid value: {v:?}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            r.key
        ))),
        None => Ok(()),
    }
}

/// Whether `name` is what a label's name or value may be: at most 63 bytes, alphanumeric at both
/// ends, with `-`, `_` and `.` inside.
pub fn is_label_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= 63
        && name.chars().all(inner)
        && end(name.chars().next())
        && end(name.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_selectors() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front", "n": "7"}}});
        let check = |text: &str, expected: bool| {
            let s = LabelSelector::parse(text).unwrap();
            assert_eq!(s.matches_object(&object), expected, "{text}");
        };
        check("", true);
        check("app=web", true);
        check("app==web,tier!=back", true);
        check("app in (web, db),tier notin (back)", true);
        check("other notin (x)", true);
        check("app,!missing", true);
        check("!app", false);
        check("n>6,n<8", true);
        check("n>7", false);
    }

    #[test]
    fn bad_label_selectors() {
        for text in ["a b", "=x", "a in (b", "a=$", ",", "n>x"] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prints_as_it_reads() {
        for text in [
            "a=b",
            "a!=b",
            "a in (b,c)",
            "a notin (b,c)",
            "a",
            "!a",
            "a>1",
            "a<1",
        ] {
            assert_eq!(LabelSelector::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn object_form() {
        let s = LabelSelector::from_value(&json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
        }))
        .unwrap();
        assert_eq!(s.to_string(), "app=web,tier in (a,b)");
        let bad = json!({"matchExpressions": [{"key": "tier", "operator": "Near"}]});
        assert!(LabelSelector::from_value(&bad).is_err());
    }
}
