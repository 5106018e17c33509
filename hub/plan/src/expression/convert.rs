//! JSON as CEL's values, and back. Whole numbers are `int` wherever they fit, as people expect of
//! Kubernetes.

use std::sync::Arc;

use cel::Value as Cel;
use cel::objects::{Key, Map};
use serde_json::{Number, Value};

use super::{Error, RESULT_BYTES_MAX};

const WANTED: &str = "what JSON can say";

/// JSON as CEL sees it.
pub(super) fn value(json: &Value) -> Cel {
    match json {
        Value::Null => Cel::Null,
        Value::Bool(so) => Cel::Bool(*so),
        Value::Number(number) => self::number(number),
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(list) => Cel::List(Arc::new(list.iter().map(value).collect())),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(name, json)| (Key::from(name.as_str()), value(json)));
            Cel::Map(Map {
                map: Arc::new(entries.collect()),
            })
        }
    }
}

fn number(number: &Number) -> Cel {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => Cel::Int(whole),
        (None, Some(whole)) => Cel::UInt(whole),
        (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// A result as JSON.
///
/// # Errors
/// Where it is none, or too large.
pub(super) fn json(found: &Cel) -> Result<Value, Error> {
    let mut left = RESULT_BYTES_MAX;
    let json = part(found, &mut left)?;
    Ok(json)
}

fn part(found: &Cel, left: &mut usize) -> Result<Value, Error> {
    let wrong = || Error::Result {
        found: found.type_of().to_string(),
        wanted: WANTED,
    };
    let size = match found {
        Cel::String(text) => text.len(),
        _ => 0,
    };
    let too_large = || Error::Result {
        found: format!("more than {RESULT_BYTES_MAX} bytes"),
        wanted: "less",
    };
    *left = left.checked_sub(size + 8).ok_or_else(too_large)?;
    Ok(match found {
        Cel::Null => Value::Null,
        Cel::Bool(so) => Value::Bool(*so),
        Cel::Int(number) => Value::from(*number),
        Cel::UInt(number) => Value::from(*number),
        Cel::Float(number) => Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(wrong)?,
        Cel::String(text) => Value::String(text.to_string()),
        Cel::List(list) => {
            let parts = list.iter().map(|found| part(found, left));
            Value::Array(parts.collect::<Result<_, _>>()?)
        }
        Cel::Map(map) => {
            let mut entries: Vec<_> = map.map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let mut object = serde_json::Map::new();
            for (key, found) in entries {
                let Key::String(name) = key else {
                    return Err(wrong());
                };
                *left = left.checked_sub(name.len()).ok_or_else(too_large)?;
                object.insert(name.to_string(), part(found, left)?);
            }
            Value::Object(object)
        }
        Cel::Bytes(_) | Cel::Function(..) | Cel::Opaque(_) | Cel::Struct(_) => {
            return Err(wrong());
        }
    })
}
