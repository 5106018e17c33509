//! JSON pointers, and changing a value at one.

use std::fmt;

use serde_json::{Map, Value};

/// Where in an object, as RFC 6901 says it; never the whole object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    parents: Vec<String>,
    last: String,
}

/// Why a pointer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not a pointer, or points at the whole object.
    #[error("{0:?} is not a JSON pointer to a part of an object, such as /spec/replicas")]
    Malformed(String),
    /// Nothing is there.
    #[error("there is nothing at {0}")]
    Missing(Pointer),
    /// A map or list was expected on the way.
    #[error("{0} leads through a value that is neither a map nor a list")]
    NotAContainer(Pointer),
    /// A list has no such place.
    #[error("{0} names a place that the list does not have")]
    Index(Pointer),
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parents
            .iter()
            .chain([&self.last])
            .try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

impl Pointer {
    /// Parses `/a/b/0`.
    ///
    /// # Errors
    /// When it does not begin with `/` or has a `~` that escapes nothing.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed(text.to_owned());
        let rest = text.strip_prefix('/').ok_or_else(malformed)?;
        let mut tokens = rest
            .split('/')
            .map(|token| unescape(token).ok_or_else(malformed))
            .collect::<Result<Vec<_>, _>>()?;
        let last = tokens.pop().ok_or_else(malformed)?;
        Ok(Self {
            parents: tokens,
            last,
        })
    }

    /// Puts `value` there, whatever was there before; maps that are missing on the way are made. In
    /// a list an index replaces, and `-` or the index after the last appends.
    ///
    /// # Errors
    /// When the way leads through something that is no map or list, or off a list's end.
    pub fn set(&self, root: &mut Value, value: Value) -> Result<(), Error> {
        let mut at = root;
        for token in &self.parents {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            at = match at {
                Value::Object(map) => map.entry(token.as_str()).or_insert(Value::Null),
                Value::Array(list) => self.element(list, token)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(Error::NotAContainer(self.clone()));
                }
            };
        }
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        match at {
            Value::Object(map) => {
                map.insert(self.last.clone(), value);
                Ok(())
            }
            Value::Array(list) => {
                let index = self.place(list, &self.last)?;
                match list.get_mut(index) {
                    Some(there) => *there = value,
                    None => list.push(value),
                }
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(Error::NotAContainer(self.clone()))
            }
        }
    }

    /// Adds `value` as JSON Patch does: sets in a map, inserts in a list. What leads there must be
    /// there.
    ///
    /// # Errors
    /// When it is not, or the list has no such place.
    pub fn add(&self, root: &mut Value, value: Value) -> Result<(), Error> {
        match self.parent(root)? {
            Value::Object(map) => {
                map.insert(self.last.clone(), value);
                Ok(())
            }
            Value::Array(list) => {
                let index = self.place(list, &self.last)?;
                list.insert(index, value);
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(Error::NotAContainer(self.clone()))
            }
        }
    }

    /// Replaces what is there.
    ///
    /// # Errors
    /// When nothing is.
    pub fn replace(&self, root: &mut Value, value: Value) -> Result<(), Error> {
        *self.get_mut(root)? = value;
        Ok(())
    }

    /// What is there, if anything is.
    pub fn get<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        let mut steps = self.parents.iter().chain([&self.last]);
        steps.try_fold(root, |at, token| match at {
            Value::Object(map) => map.get(token),
            Value::Array(list) => list.get(index(token)?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }

    /// What is there, to be changed.
    ///
    /// # Errors
    /// When nothing is.
    pub fn get_mut<'v>(&self, root: &'v mut Value) -> Result<&'v mut Value, Error> {
        let there = match self.parent(root)? {
            Value::Object(map) => map.get_mut(&self.last),
            Value::Array(list) => index(&self.last).and_then(|i| list.get_mut(i)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        there.ok_or_else(|| Error::Missing(self.clone()))
    }

    /// Takes away what is there, if anything is.
    pub fn remove(&self, root: &mut Value) {
        match self.parent(root) {
            Ok(Value::Object(map)) => {
                map.remove(&self.last);
            }
            Ok(Value::Array(list)) => {
                if let Some(i) = index(&self.last).filter(|i| *i < list.len()) {
                    list.remove(i);
                }
            }
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | Err(_) => {}
        }
    }

    fn parent<'v>(&self, root: &'v mut Value) -> Result<&'v mut Value, Error> {
        let mut at = root;
        for token in &self.parents {
            let next = match at {
                Value::Object(map) => map.get_mut(token),
                Value::Array(list) => index(token).and_then(|i| list.get_mut(i)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            };
            at = next.ok_or_else(|| Error::Missing(self.clone()))?;
        }
        Ok(at)
    }

    fn element<'v>(&self, list: &'v mut [Value], token: &str) -> Result<&'v mut Value, Error> {
        let at = index(token).and_then(|i| list.get_mut(i));
        at.ok_or_else(|| Error::Index(self.clone()))
    }

    /// Where `token` puts something in a list: an index up to its length.
    fn place(&self, list: &[Value], token: &str) -> Result<usize, Error> {
        if token == "-" {
            return Ok(list.len());
        }
        let place = index(token).filter(|i| *i <= list.len());
        place.ok_or_else(|| Error::Index(self.clone()))
    }
}

/// An array index without sign or leading zeros.
fn index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|b| b.is_ascii_digit());
    let leading = token.len() > 1 && token.starts_with('0');
    (plain && !leading).then(|| token.parse().ok()).flatten()
}

fn unescape(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        if c != '~' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            '0' => out.push('~'),
            '1' => out.push('/'),
            _ => return None,
        }
    }
    Some(out)
}
