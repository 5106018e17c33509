//! Order and equality of JSON values, where `1` and `1.0` are the same number.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Number, Value};

/// A JSON value that can be a key: numbers sort before strings, then booleans, lists, maps, null.
#[derive(Clone, Debug)]
pub struct Datum(Value);

impl Datum {
    /// Wraps `value`; whole floating-point numbers become integers.
    #[must_use]
    pub fn new(value: Value) -> Self {
        match value {
            Value::Number(n) => Self(Value::Number(whole(n))),
            other @ (Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => Self(other),
        }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl PartialEq for Datum {
    fn eq(&self, other: &Self) -> bool {
        compare(&self.0, &other.0) == Ordering::Equal
    }
}

impl Eq for Datum {}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Datum {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.0, f)
    }
}

/// Whether two values are the same.
#[must_use]
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |((ka, va), (kb, vb))| ka == kb && equal(va, vb);
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        (Value::Number(a), Value::Number(b)) => numbers(a, b) == Ordering::Equal,
        (a, b) => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let pairs = a.iter().zip(b).map(|(a, b)| compare(a, b));
            pairs
                .fold(Ordering::Equal, Ordering::then)
                .then(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let pair = |((ka, va), (kb, vb)): ((&String, &Value), (&String, &Value))| {
                ka.cmp(kb).then_with(|| compare(va, vb))
            };
            let pairs = a.iter().zip(b).map(pair);
            pairs
                .fold(Ordering::Equal, Ordering::then)
                .then(a.len().cmp(&b.len()))
        }
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

fn numbers(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        return a.cmp(&b);
    }
    let (a, b) = (a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0));
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

fn integer(n: &Number) -> Option<i128> {
    n.as_i64()
        .map(i128::from)
        .or_else(|| n.as_u64().map(i128::from))
}

/// Whole numbers up to 2^53 are exact in both forms.
fn whole(n: Number) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match n.as_f64() {
        Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() <= EXACT => {
            // In range by the guard, so the conversion is exact.
            #[expect(clippy::cast_possible_truncation, reason = "bounded by EXACT")]
            let whole = f as i64;
            Number::from(whole)
        }
        Some(_) | None => n,
    }
}

fn show(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(b) => write!(f, "{b}"),
        Value::Number(n) => write!(f, "{n}"),
        Value::String(s) => write!(f, "{s:?}"),
        Value::Array(items) => {
            f.write_str("[")?;
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    f.write_str(",")?;
                }
                show(item, f)?;
            }
            f.write_str("]")
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                write!(f, "{name}=")?;
                show(value, f)?;
            }
            Ok(())
        }
    }
}
