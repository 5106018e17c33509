//! The converters between versions that the reference's tests use.

use serde_json::{Map, Value};

use crate::schema::{Schema, TypeId};

use super::super::{Convert, ConvertError, Typed};

/// One of the test converters, over the types of the versions.
pub(super) struct Converter {
    pub(super) kind: Kind,
    pub(super) schema: &'static Schema,
    /// Type by version.
    pub(super) types: Vec<(String, TypeId)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every version is the same.
    Same,
    /// Field names end in their version.
    Renaming,
    /// Field names repeat their first letter as often as the version says.
    Repeating,
    /// One version cannot be had without a field.
    Reliant,
}

impl Kind {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "*fixture.dummyConverter" => Self::Same,
            "merge_test.renamingConverter" => Self::Renaming,
            "merge_test.repeatingConverter" => Self::Repeating,
            "merge_test.reliantFieldsConverter" => Self::Reliant,
            other => panic!("converter {other} is not known"),
        }
    }
}

impl Converter {
    pub(super) fn ty(&self, version: &str) -> Option<TypeId> {
        let found = self.types.iter().find(|(v, _)| v == version);
        found
            .map(|(_, ty)| *ty)
            .or_else(|| self.schema.named(version))
    }

    fn version_of(&self, ty: TypeId) -> String {
        let found = self.schema.names().find(|(_, id)| *id == ty);
        found.map(|(name, _)| name.to_owned()).unwrap()
    }

    fn typed(&self, version: &str, value: Value) -> Result<Typed<'static>, ConvertError> {
        let ty = self
            .ty(version)
            .or_else(|| self.types.first().map(|(_, ty)| *ty));
        let ty = ty.ok_or(ConvertError::NoSuchVersion)?;
        Ok(Typed::owned(self.schema, ty, value))
    }
}

impl Convert<'static> for Converter {
    fn convert(
        &self,
        object: &Typed<'static>,
        version: &str,
    ) -> Result<Typed<'static>, ConvertError> {
        match self.kind {
            Kind::Same => Ok(object.clone()),
            Kind::Renaming => {
                let from = self.version_of(object.ty());
                self.typed(version, rename(object.value(), &from, version))
            }
            Kind::Repeating => {
                let number = version.strip_prefix('v').and_then(|n| n.parse().ok());
                let number = number.ok_or(ConvertError::NoSuchVersion)?;
                self.typed(version, repeat_top(object.value(), number))
            }
            Kind::Reliant => {
                if self.version_of(object.ty()) == version {
                    return Ok(object.clone());
                }
                let text = object.value().to_string();
                let (foo, bar) = ("field_foo_rely_on_bar", "required_field_bar");
                let text = match version {
                    "v1" if !text.contains(bar) => {
                        return Err(ConvertError::Failed("missing field bar".to_owned()));
                    }
                    "v1" => text.replace(bar, foo),
                    "v2" => text.replace(foo, bar),
                    _ => return Err(ConvertError::NoSuchVersion),
                };
                let value = serde_json::from_str(&text);
                let value = value.map_err(|e| ConvertError::Failed(e.to_string()))?;
                self.typed(version, value)
            }
        }
    }
}

fn rename(value: &Value, from: &str, to: &str) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let name = match name.strip_suffix(from) {
                    Some(stem) => format!("{stem}{to}"),
                    None => name.clone(),
                };
                (name, rename(value, from, to))
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => items.iter().map(|item| rename(item, from, to)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Keeps the first field's name, and renames everything inside it.
fn repeat_top(value: &Value, number: usize) -> Value {
    let Some((name, inside)) = value.as_object().and_then(|fields| fields.iter().next()) else {
        return value.clone();
    };
    let inside = match inside.as_object() {
        Some(fields) if !fields.is_empty() => repeat(inside, number),
        Some(_) | None => inside.clone(),
    };
    Value::Object(Map::from_iter([(name.clone(), inside)]))
}

fn repeat(value: &Value, number: usize) -> Value {
    let Some(fields) = value.as_object().filter(|fields| !fields.is_empty()) else {
        return Value::Null;
    };
    let field = |(name, value): (&String, &Value)| {
        let letter: String = name.chars().take(1).collect();
        (letter.repeat(number), repeat(value, number))
    };
    Value::Object(fields.iter().map(field).collect())
}
