//! Sets as `FieldsV1` JSON: `f:` fields, `k:` keys, `v:` values, `i:` indices, `.` for the field
//! itself.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Datum, Element, Set};

/// Why JSON is not a set of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A key is not a path element.
    #[error("failed to parse the path element {0:?}")]
    Element(String),
    /// Something else than an object stands where the fields inside a field should.
    #[error("failed to parse the fields in {0:?}: not an object")]
    NotAnObject(String),
}

impl Set {
    /// Reads a set. Elements of kinds that do not exist yet are left out.
    ///
    /// # Errors
    /// When a key is malformed, or a value is not an object.
    pub fn from_json(fields: &Value) -> Result<Self, Error> {
        if fields.is_null() {
            return Ok(Self::new());
        }
        let Value::Object(fields) = fields else {
            return Err(Error::NotAnObject(String::new()));
        };
        Ok(read(fields)?.0)
    }

    /// Writes a set.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.write())
    }

    fn write(&self) -> Map<String, Value> {
        let mut out = Map::new();
        for element in &self.members {
            out.insert(element.to_text(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            let mut inside = child.write();
            if self.members.contains(element) {
                inside.insert(".".to_owned(), Value::Object(Map::new()));
            }
            out.insert(element.to_text(), Value::Object(inside));
        }
        out
    }
}

impl Element {
    /// The element as a key of `FieldsV1` JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(fields) => {
                let pair =
                    |(name, value): &(Arc<str>, Datum)| (name.to_string(), value.value().clone());
                let fields: Map<String, Value> = fields.iter().map(pair).collect();
                format!("k:{}", Value::Object(fields))
            }
            Self::Value(value) => format!("v:{}", value.value()),
            Self::Index(at) => format!("i:{at}"),
        }
    }

    /// Reads a key of `FieldsV1` JSON; `None` for a kind of element that does not exist yet.
    ///
    /// # Errors
    /// When the text is not an element.
    pub fn from_text(text: &str) -> Result<Option<Self>, Error> {
        let malformed = || Error::Element(text.to_owned());
        let mut chars = text.chars();
        let (kind, colon, rest) = (chars.next(), chars.next(), chars.as_str());
        if colon != Some(':') {
            return Err(malformed());
        }
        match kind {
            Some('f') => Ok(Some(Self::field(rest))),
            Some('v') => {
                let value = serde_json::from_str(rest).map_err(|_| malformed())?;
                Ok(Some(Self::value(value)))
            }
            Some('k') => {
                let fields: Map<String, Value> =
                    serde_json::from_str(rest).map_err(|_| malformed())?;
                let pair = |(name, value): (String, Value)| (name.into(), Datum::new(value));
                Ok(Some(Self::key(fields.into_iter().map(pair).collect())))
            }
            Some('i') => Ok(Some(Self::Index(rest.parse().map_err(|_| malformed())?))),
            Some(_) | None => Ok(None),
        }
    }
}

/// The paths inside, and whether the field itself is meant.
fn read(fields: &Map<String, Value>) -> Result<(Set, bool), Error> {
    let (mut set, mut itself) = (Set::new(), false);
    for (key, inside) in fields {
        if key == "." {
            itself = true;
            continue;
        }
        let Some(element) = Element::from_text(key)? else {
            continue;
        };
        let Value::Object(inside) = inside else {
            return Err(Error::NotAnObject(key.clone()));
        };
        let (child, child_itself) = read(inside)?;
        if child_itself {
            set.members.insert(element.clone());
        }
        if !child.is_empty() {
            set.children.insert(element, child);
        }
    }
    let itself = itself || set.is_empty();
    Ok((set, itself))
}
