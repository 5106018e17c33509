//! Types of the fields of built-in kinds, as Go's JSON decoder sees them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::Mismatch;
use super::names::is_quantity;
use super::path::Path;
use crate::tables::{Ref, Shape, Tables, TypeIx};

/// One pass over an object.
pub(super) struct Check<'t, 'u> {
    tables: &'t Tables,
    unknown: &'u mut Vec<String>,
}

/// The struct and path that a message names.
#[derive(Clone, Copy)]
struct At<'a> {
    owner: &'a str,
    path: &'a Path<'a>,
    /// Where the decoded value stands in the object; messages of Go's decoder do not know.
    shown: &'a Path<'a>,
}

impl<'t, 'u> Check<'t, 'u> {
    pub(super) fn new(tables: &'t Tables, unknown: &'u mut Vec<String>) -> Self {
        Self { tables, unknown }
    }

    /// Checks a whole object of type `ty`.
    pub(super) fn root(&mut self, ty: TypeIx, object: &mut Value) -> Result<(), Mismatch> {
        let at = At {
            owner: "",
            path: &Path::Root,
            shown: &Path::Root,
        };
        self.value(&Ref::Type(ty), object, at)
    }

    /// Checks the metadata of a custom object, which is decoded apart from the rest.
    pub(super) fn metadata(&mut self, ty: TypeIx, metadata: &mut Value) -> Result<(), Mismatch> {
        let shown = Path::Root.field("metadata");
        let at = At {
            owner: "ObjectMeta",
            path: &Path::Root,
            shown: &shown,
        };
        self.value(&Ref::Type(ty), metadata, at)
    }

    fn value(&mut self, ty: &Ref, value: &mut Value, at: At<'_>) -> Result<(), Mismatch> {
        let fits = match (ty, &mut *value) {
            (_, Value::Null) | (Ref::Any, _) | (Ref::Free, Value::Object(_)) => true,
            (Ref::String, Value::String(_)) | (Ref::Bool, Value::Bool(_)) => true,
            (Ref::Number, Value::Number(_)) => true,
            (Ref::Bytes, Value::String(text)) => return base64(text),
            (Ref::Int32, Value::Number(n)) => {
                super::numbers::whole(n).is_some_and(|n| i32::try_from(n).is_ok())
            }
            (Ref::Int64, Value::Number(n)) => super::numbers::whole(n).is_some(),
            (Ref::List(item), Value::Array(items)) => return self.list(item, items, at),
            (Ref::Map(item), Value::Object(map)) => {
                for (key, value) in map {
                    zero(item, value);
                    let (path, shown) = (at.path.field(key), at.shown.field(key));
                    self.value(
                        item,
                        value,
                        At {
                            path: &path,
                            shown: &shown,
                            ..at
                        },
                    )?;
                }
                true
            }
            (Ref::Type(ix), _) => return self.shaped(*ix, value, at),
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(self.mismatch(ty, value, at))
    }

    fn list(&mut self, item: &Ref, items: &mut [Value], at: At<'_>) -> Result<(), Mismatch> {
        for (index, value) in items.iter_mut().enumerate() {
            zero(item, value);
            let shown = at.shown.index(index);
            // Go's decoder names the list, not the item.
            self.value(
                item,
                value,
                At {
                    shown: &shown,
                    ..at
                },
            )?;
        }
        Ok(())
    }

    fn shaped(&mut self, ix: TypeIx, value: &mut Value, at: At<'_>) -> Result<(), Mismatch> {
        let shape = self.tables.ty(ix).shape;
        let fits = match (shape, &mut *value) {
            (Shape::Object, Value::Object(map)) => return self.fields(ix, map, at),
            (Shape::Time | Shape::MicroTime, Value::String(text)) => return time(text),
            (Shape::Quantity, Value::String(text)) => return quantity(text),
            (Shape::Quantity, Value::Number(_))
            | (Shape::IntOrString, Value::String(_))
            | (Shape::Fields | Shape::Extension | Shape::Json, _)
            | (Shape::Free, Value::Object(_))
            | (Shape::Strings, Value::Array(_)) => true,
            (Shape::IntOrString, Value::Number(n)) => super::numbers::whole(n).is_some(),
            (Shape::SchemaOrBool, Value::Bool(_)) => true,
            (Shape::SchemaOrArray | Shape::SchemaOrStrings, Value::Array(_)) => true,
            (
                Shape::SchemaOrArray | Shape::SchemaOrBool | Shape::SchemaOrStrings,
                Value::Object(_),
            ) => match self.tables.named("apiextensions.v1.JSONSchemaProps") {
                Some(schema) => return self.shaped(schema, value, at),
                None => true,
            },
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(self.mismatch(&Ref::Type(ix), value, at))
    }

    fn fields(
        &mut self,
        ix: TypeIx,
        map: &mut Map<String, Value>,
        at: At<'_>,
    ) -> Result<(), Mismatch> {
        let ty = self.tables.ty(ix);
        map.retain(|name, value| match ty.field(name) {
            None => {
                self.unknown.push(at.shown.field(name).to_string());
                false
            }
            Some(_) => !value.is_null(),
        });
        let owner = ty.name.rsplit('.').next().unwrap_or_default();
        for (name, value) in map {
            let Some(field) = ty.field(name) else {
                continue;
            };
            let (path, shown) = (at.path.field(name), at.shown.field(name));
            let at = At {
                owner,
                path: &path,
                shown: &shown,
            };
            self.value(&field.ty, value, at)?;
        }
        Ok(())
    }

    fn mismatch(&self, ty: &Ref, value: &Value, at: At<'_>) -> Mismatch {
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(n) if matches!(ty, Ref::Int32 | Ref::Int64) => format!("number {n}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let wanted = self.go_type(ty);
        let At { owner, path, .. } = at;
        if owner.is_empty() {
            return Mismatch(format!(
                "json: cannot unmarshal {found} into Go value of type {wanted}"
            ));
        }
        Mismatch(format!(
            "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"
        ))
    }

    fn go_type(&self, ty: &Ref) -> String {
        match ty {
            Ref::String => "string".to_owned(),
            Ref::Bytes => "[]uint8".to_owned(),
            Ref::Int32 => "int32".to_owned(),
            Ref::Int64 => "int64".to_owned(),
            Ref::Number => "float64".to_owned(),
            Ref::Bool => "bool".to_owned(),
            Ref::Any => "interface {}".to_owned(),
            Ref::Free => "map[string]interface {}".to_owned(),
            Ref::List(item) => format!("[]{}", self.go_type(item)),
            Ref::Map(item) => format!("map[string]{}", self.go_type(item)),
            Ref::Type(ix) => {
                // `apps.v1.DeploymentSpec` is `v1.DeploymentSpec` in Go.
                let name = self.tables.ty(*ix).name;
                let short = name.split_once('.').filter(|(_, rest)| rest.contains('.'));
                short.map_or(name, |(_, rest)| rest).to_owned()
            }
        }
    }
}

/// A null text inside a list or map is an empty one to Go.
fn zero(ty: &Ref, value: &mut Value) {
    if *ty == Ref::String && value.is_null() {
        *value = Value::String(String::new());
    }
}

fn base64(text: &str) -> Result<(), Mismatch> {
    let compact: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    match STANDARD.decode(&compact) {
        Ok(_) => Ok(()),
        Err(base64::DecodeError::InvalidByte(at, _)) => {
            Err(Mismatch(format!("illegal base64 data at input byte {at}")))
        }
        Err(_) => {
            let at = compact.len() / 4 * 4;
            Err(Mismatch(format!("illegal base64 data at input byte {at}")))
        }
    }
}

fn time(text: &str) -> Result<(), Mismatch> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    if parsed.is_ok() || text.is_empty() {
        return Ok(());
    }
    Err(Mismatch(format!(
        "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?}"
    )))
}

fn quantity(text: &str) -> Result<(), Mismatch> {
    if is_quantity(text) {
        return Ok(());
    }
    Err(Mismatch(
        "quantities must match the regular expression \
         '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            .to_owned(),
    ))
}
