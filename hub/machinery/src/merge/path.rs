//! Paths into objects, by field name, list key, set value or index.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::value::Datum;

/// One step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of a map.
    Field(Arc<str>),
    /// The item of a list whose fields have these values; sorted by name.
    Key(Arc<[(Arc<str>, Datum)]>),
    /// The item of a set that has this value.
    Value(Arc<Datum>),
    /// An item by its place.
    Index(usize),
}

/// Steps from an object to a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Element>);

impl Element {
    /// A field of a map.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// An item of a list by its key fields, in any order.
    #[must_use]
    pub fn key(mut fields: Vec<(Arc<str>, Datum)>) -> Self {
        fields.sort();
        Self::Key(fields.into())
    }

    /// An item of a set.
    #[must_use]
    pub fn value(value: Value) -> Self {
        Self::Value(Arc::new(Datum::new(value)))
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}

impl FromIterator<Element> for Path {
    fn from_iter<I: IntoIterator<Item = Element>>(elements: I) -> Self {
        Self(elements.into_iter().collect())
    }
}
