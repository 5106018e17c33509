//! JSON that remembers which fields were there twice.
//!
//! The last of them wins, as everywhere; whether that is an error is for the caller to say.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Most duplicates that are remembered.
const DUPLICATES_MAX: usize = 100;

/// The value of `bytes` and the paths of the fields that were there twice, as in `spec.a[0].b`.
///
/// # Errors
/// When the bytes are no JSON, or go deeper than serde_json allows.
pub(super) fn parse(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let duplicates = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed {
        path: String::new(),
        duplicates: &duplicates,
    };
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, duplicates.into_inner()))
}

/// Where in the document a value stands.
struct Seed<'a> {
    path: String,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, list.len());
            let item = Seed {
                path,
                duplicates: self.duplicates,
            };
            match seq.next_element_seed(item)? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = if self.path.is_empty() {
                key.clone()
            } else {
                format!("{}.{key}", self.path)
            };
            let value = access.next_value_seed(Seed {
                path: path.clone(),
                duplicates: self.duplicates,
            })?;
            if map.insert(key, value).is_some() {
                let mut duplicates = self.duplicates.borrow_mut();
                if duplicates.len() < DUPLICATES_MAX && !duplicates.contains(&path) {
                    duplicates.push(path);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_named_by_their_path() {
        let check = |text: &str, expected: &[&str]| {
            let (value, duplicates) = parse(text.as_bytes()).expect(text);
            assert_eq!(duplicates, expected, "{text}");
            assert_eq!(
                value,
                serde_json::from_str::<Value>(text).expect(text),
                "{text}"
            );
        };
        check(r#"{"a": [1, 2.5, -3, true, null, "x"]}"#, &[]);
        check(
            r#"{"spec": {"region": "eu", "region": "us"}}"#,
            &["spec.region"],
        );
        check(r#"{"a": [{"b": 1, "b": 2, "b": 3}], "c": 1}"#, &["a[0].b"]);
        assert!(parse(b"{bad").is_err());
        assert!(parse(b"{} {}").is_err());
    }
}
