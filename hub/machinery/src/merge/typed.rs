//! A value and its type.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use crate::schema::{Atom, List, ListRel, Map, Scalar, Schema, TypeId};

use super::{Datum, Element, Path};

pub(super) const NULL: &Value = &Value::Null;

/// A value of a type. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Typed<'a> {
    pub(super) schema: &'a Schema,
    pub(super) ty: TypeId,
    value: Held<'a>,
}

#[derive(Clone, Debug)]
enum Held<'a> {
    Borrowed(&'a Value),
    Shared(Arc<Value>),
}

/// Whether a list may have several items of the same key, as objects from before a schema said
/// otherwise may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// They are an error.
    Refused,
    /// They are left alone.
    Allowed,
}

/// What is wrong at a path of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The path, as in `.spec.replicas`; empty for the whole value.
    pub path: String,
    /// What is wrong, in Kubernetes' words.
    pub message: String,
}

/// Why a value does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedError(
    /// At least one.
    pub Vec<Issue>,
);

impl std::error::Error for TypedError {}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [issue] = &*self.0 {
            return issue.fmt(f);
        }
        f.write_str("errors:")?;
        self.0.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl<'a> Typed<'a> {
    /// `value`, which is not checked: what does not fit is treated as if it were not there.
    #[must_use]
    pub fn new(schema: &'a Schema, ty: TypeId, value: &'a Value) -> Self {
        let value = Held::Borrowed(value);
        Self { schema, ty, value }
    }

    /// As [`Self::new`], for a value that nobody else holds.
    #[must_use]
    pub fn owned(schema: &'a Schema, ty: TypeId, value: Value) -> Self {
        let value = Held::Shared(Arc::new(value));
        Self { schema, ty, value }
    }

    /// Another value of the same type.
    #[must_use]
    pub fn with(&self, value: Value) -> Self {
        Self::owned(self.schema, self.ty, value)
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value, copied only if it is held elsewhere.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self.value {
            Held::Borrowed(value) => value.clone(),
            Held::Shared(value) => Arc::unwrap_or_clone(value),
        }
    }

    /// The schema that the type is in.
    #[must_use]
    pub fn schema(&self) -> &'a Schema {
        self.schema
    }

    /// The type.
    #[must_use]
    pub fn ty(&self) -> TypeId {
        self.ty
    }
}

impl Deref for Held<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self {
            Self::Borrowed(value) => value,
            Self::Shared(value) => value,
        }
    }
}

/// Which of the shapes of a type a value can have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Shapes {
    map: bool,
    scalar: bool,
    list: bool,
}

/// The shape by which a value is treated.
pub(super) enum Shape<'s> {
    Map(&'s Map),
    Scalar(Scalar),
    List(&'s List),
    Nothing,
}

impl Shapes {
    /// The one shape that fits `value`, or all of the type if none does or the value is absent.
    pub(super) fn of(atom: &Atom, value: Option<&Value>) -> Self {
        let all = Self {
            map: atom.map.is_some(),
            scalar: atom.scalar.is_some(),
            list: atom.list.is_some(),
        };
        let only = |map, scalar, list| Self { map, scalar, list };
        match value {
            Some(Value::Number(_) | Value::String(_) | Value::Bool(_)) if all.scalar => {
                only(false, true, false)
            }
            Some(Value::Array(_)) if all.list => only(false, false, true),
            Some(Value::Object(_)) if all.map => only(true, false, false),
            Some(_) | None => all,
        }
    }

    pub(super) fn pick(self, atom: &Atom) -> Shape<'_> {
        if let Some(map) = atom.map.as_ref().filter(|_| self.map) {
            return Shape::Map(map);
        }
        if let Some(scalar) = atom.scalar.filter(|_| self.scalar) {
            return Shape::Scalar(scalar);
        }
        match atom.list.as_ref().filter(|_| self.list) {
            Some(list) => Shape::List(list),
            None => Shape::Nothing,
        }
    }
}

/// The element that leads to `item` of a set or a map-like list.
pub(super) fn item_element(schema: &Schema, list: &List, item: &Value) -> Result<Element, String> {
    match &list.relation {
        ListRel::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListRel::Set => match item {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => {
                Err("not supported: associative list with lists as elements".to_owned())
            }
            Value::Null => Err(
                "associative list without keys has an element that's an explicit null".to_owned(),
            ),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Ok(Element::value(item.clone()))
            }
        },
        ListRel::Map { keys } => keyed_element(schema, list, keys, item),
    }
}

fn keyed_element(
    schema: &Schema,
    list: &List,
    keys: &[Box<str>],
    item: &Value,
) -> Result<Element, String> {
    let item = match item {
        Value::Object(item) => item,
        Value::Null => {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err("associative list with keys may not have non-map elements".to_owned());
        }
    };
    let element = schema.get(list.element).map.as_ref();
    let mut fields = Vec::with_capacity(keys.len());
    for key in keys {
        let default = || element?.field(key)?.default.as_ref();
        if let Some(value) = item.get(&**key).or_else(default) {
            fields.push(((**key).into(), Datum::new(value.clone())));
        }
    }
    if fields.is_empty() {
        let quoted: Vec<_> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and \
             doesn't have default values for any key fields)",
            quoted.join(" ")
        ));
    }
    Ok(Element::key(fields))
}

/// What went wrong on a walk, and where the walk is.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) path: Vec<Element>,
    issues: Vec<Issue>,
}

impl Trail {
    pub(super) fn issue(&mut self, message: impl Into<String>) {
        let path = Path(self.path.clone()).to_string();
        let message = message.into();
        self.issues.push(Issue { path, message });
    }

    pub(super) fn finish(self) -> Result<(), TypedError> {
        if self.issues.is_empty() {
            return Ok(());
        }
        Err(TypedError(self.issues))
    }
}

/// The items of a list; none for anything else.
pub(super) fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The names that either map has, in order, with both values.
pub(super) fn zip_fields<'v>(
    lhs: Option<&'v Value>,
    rhs: Option<&'v Value>,
) -> Vec<(&'v String, Option<&'v Value>, Option<&'v Value>)> {
    let (lhs, rhs) = (fields(lhs), fields(rhs));
    let mut names: Vec<_> = lhs.into_iter().flat_map(serde_json::Map::keys).collect();
    names.extend(rhs.into_iter().flat_map(serde_json::Map::keys));
    names.sort();
    names.dedup();
    let with_values = |name: &'v String| (name, get(lhs, name), get(rhs, name));
    names.into_iter().map(with_values).collect()
}

fn fields(value: Option<&Value>) -> Option<&serde_json::Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn get<'v>(fields: Option<&'v serde_json::Map<String, Value>>, name: &str) -> Option<&'v Value> {
    fields.and_then(|fields| fields.get(name))
}

/// Whether there are no items or fields, or the value is something else altogether.
pub(super) fn is_hollow(value: Option<&Value>, list: bool) -> bool {
    if list {
        items(value).is_empty()
    } else {
        fields(value).is_none_or(serde_json::Map::is_empty)
    }
}
