//! Whether a value fits its type, with the messages that Kubernetes gives.
//!
//! This is about shapes only: required fields, formats and bounds are somebody else's.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::schema::{List, ListRel, Map, Scalar, TypeId};

use super::typed::{Shape, Shapes, Trail, item_element};
use super::{Duplicates, Element, Typed, TypedError};

impl Typed<'_> {
    /// Checks the value against the type.
    ///
    /// # Errors
    /// With every place where the value does not fit.
    pub fn validate(&self, duplicates: Duplicates) -> Result<(), TypedError> {
        let mut walk = Walk {
            of: self,
            duplicates,
            trail: Trail::default(),
        };
        walk.value(self.ty, self.value());
        walk.trail.finish()
    }
}

struct Walk<'a> {
    of: &'a Typed<'a>,
    duplicates: Duplicates,
    trail: Trail,
}

impl Walk<'_> {
    fn value(&mut self, ty: TypeId, value: &Value) {
        let schema = self.of.schema;
        let atom = schema.get(ty);
        match Shapes::of(atom, Some(value)).pick(atom) {
            Shape::Map(map) => self.map(map, value),
            Shape::Scalar(scalar) => {
                if let Err(message) = check_scalar(scalar, Some(value)) {
                    self.trail.issue(message);
                }
            }
            Shape::List(list) => self.list(list, value),
            Shape::Nothing => {
                self.trail
                    .issue("schema error: no type found matching: inlined type");
            }
        }
    }

    fn map(&mut self, map: &Map, value: &Value) {
        let Value::Object(fields) = value else {
            if !value.is_null() {
                self.trail
                    .issue(format!("expected map, got &{{{}}}", plain(value)));
            }
            return;
        };
        for (name, value) in fields {
            self.trail.path.push(Element::field(name));
            let ty = map.field_type(name);
            match ty {
                Some(ty) => self.value(ty, value),
                None => self.trail.issue("field not declared in schema"),
            }
            self.trail.path.pop();
            if ty.is_none() {
                // As Kubernetes, which names one such field and no other.
                return;
            }
        }
    }

    fn list(&mut self, list: &List, value: &Value) {
        let Value::Array(items) = value else {
            if !value.is_null() {
                self.trail
                    .issue(format!("expected list, got &{{{}}}", plain(value)));
            }
            return;
        };
        let mut seen = BTreeSet::new();
        for (at, item) in items.iter().enumerate() {
            let element = match list.relation {
                ListRel::Atomic => Element::Index(at),
                ListRel::Set | ListRel::Map { .. } => {
                    let element = match item_element(self.of.schema, list, item) {
                        Ok(element) => element,
                        Err(message) => {
                            self.trail.issue(format!("element {at}: {message}"));
                            return;
                        }
                    };
                    let new = seen.insert(element.clone());
                    if !new && self.duplicates == Duplicates::Refused {
                        self.trail
                            .issue(format!("duplicate entries for key {element}"));
                    }
                    element
                }
            };
            self.trail.path.push(element);
            self.value(list.element, item);
            self.trail.path.pop();
        }
    }
}

/// Whether `value` is a scalar of that kind; null and nothing at all are.
pub(super) fn check_scalar(scalar: Scalar, value: Option<&Value>) -> Result<(), String> {
    let Some(value) = value else { return Ok(()) };
    if value.is_null() {
        return Ok(());
    }
    match scalar {
        Scalar::Integer | Scalar::Number if !value.is_number() => {
            let found = go_type(value);
            Err(format!("expected numeric (int or float), got {found}"))
        }
        Scalar::String if !value.is_string() => {
            let found = quoted(value);
            Err(format!(
                "expected string, got &value.valueUnstructured{{Value:{found}}}"
            ))
        }
        Scalar::Boolean if !value.is_boolean() => {
            Err(format!("expected boolean, got &{{{}}}", plain(value)))
        }
        Scalar::Untyped | Scalar::IntOrString if value.is_array() || value.is_object() => {
            Err(format!("expected any scalar, got &{{{}}}", plain(value)))
        }
        Scalar::Integer
        | Scalar::Number
        | Scalar::String
        | Scalar::Boolean
        | Scalar::Untyped
        | Scalar::IntOrString => Ok(()),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// As Go's `%v`.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(k, v)| format!("{k}:{}", plain(v)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// As Go's `%#v`.
fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => format!("{s:?}"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(quoted).collect();
            format!("{}{{{}}}", go_type(value), items.join(", "))
        }
        Value::Object(fields) => {
            let pair = |(k, v): (&String, &Value)| format!("{k:?}:{}", quoted(v));
            let fields: Vec<_> = fields.iter().map(pair).collect();
            format!("{}{{{}}}", go_type(value), fields.join(", "))
        }
    }
}
