//! Messages to JSON, as the tables tell.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::Error;
use super::wire::{Fields, Raw};
use crate::tables::{Field, Ref, Shape, Tables, TypeIx};

pub(super) struct Decoder<'t> {
    pub(super) tables: &'t Tables,
}

type Object = Map<String, Value>;

impl Decoder<'_> {
    /// The message `bytes` of type `ix` as an object.
    pub(super) fn object(&self, ix: TypeIx, bytes: &[u8], depth: usize) -> Result<Object, Error> {
        let mut object = Object::new();
        self.fill(&mut object, ix, bytes, depth)?;
        Ok(object)
    }

    fn fill(&self, into: &mut Object, ix: TypeIx, bytes: &[u8], depth: usize) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or(Error::Depth)?;
        let ty = self.tables.ty(ix);
        let mut fields = Fields(bytes);
        while let Some((tag, raw)) = fields.next()? {
            if let Some((_, inner)) = ty.inline.iter().find(|(t, _)| *t == tag) {
                self.fill(into, *inner, raw.bytes(tag)?, depth)?;
                continue;
            }
            let carries = |f: &&Field| f.wire.as_ref().is_some_and(|w| w.tag == tag);
            if let Some(field) = ty.fields.iter().find(carries) {
                self.field(into, field, (tag, raw), depth)?;
            }
        }
        Ok(())
    }

    fn field(
        &self,
        into: &mut Object,
        field: &Field,
        (tag, raw): (u32, Raw<'_>),
        depth: usize,
    ) -> Result<(), Error> {
        let wire = field.wire.as_ref();
        let ty = wire.and_then(|w| w.ty.as_ref()).unwrap_or(&field.ty);
        match ty {
            Ref::List(item) => {
                let mut values = Vec::new();
                self.items(item, (tag, raw), depth, &mut values)?;
                let list = into
                    .entry(field.name)
                    .or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.extend(values);
                }
            }
            Ref::Map(value) => {
                let (key, value) = self.entry(value, raw.bytes(tag)?, depth)?;
                let map = into
                    .entry(field.name)
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(map) = map {
                    map.insert(key, value);
                }
            }
            Ref::String
            | Ref::Bytes
            | Ref::Int32
            | Ref::Int64
            | Ref::Number
            | Ref::Bool
            | Ref::Any
            | Ref::Free
            | Ref::Type(_) => {
                let Some(value) = self.single(ty, (tag, raw), depth)? else {
                    return Ok(());
                };
                if wire.is_some_and(|w| w.keeps_zero) || !is_zero(&value) {
                    into.insert(field.name.to_owned(), value);
                }
            }
        }
        Ok(())
    }

    /// The items that one occurrence of a repeated field holds: one, or many packed numbers.
    fn items(
        &self,
        item: &Ref,
        (tag, raw): (u32, Raw<'_>),
        depth: usize,
        out: &mut Vec<Value>,
    ) -> Result<(), Error> {
        let packs = matches!(item, Ref::Int32 | Ref::Int64 | Ref::Bool);
        if let (true, Raw::Bytes(bytes)) = (packs, raw) {
            let mut numbers = Fields(bytes);
            while !numbers.0.is_empty() {
                let number = Raw::Varint(numbers.varint()?);
                out.extend(self.single(item, (tag, number), depth)?);
            }
            return Ok(());
        }
        let value = self.single(item, (tag, raw), depth)?;
        out.push(value.unwrap_or(Value::Null));
        Ok(())
    }

    fn entry(&self, value: &Ref, bytes: &[u8], depth: usize) -> Result<(String, Value), Error> {
        let mut key = String::new();
        let mut found = None;
        let mut fields = Fields(bytes);
        while let Some((tag, raw)) = fields.next()? {
            match tag {
                1 => raw.text(tag)?.clone_into(&mut key),
                2 => found = self.single(value, (tag, raw), depth)?,
                _ => {}
            }
        }
        let found = found.unwrap_or_else(|| match value {
            Ref::String | Ref::Bytes => Value::String(String::new()),
            Ref::Int32 | Ref::Int64 | Ref::Number => Value::from(0),
            Ref::Bool => Value::Bool(false),
            Ref::Any | Ref::Free | Ref::Type(_) | Ref::List(_) | Ref::Map(_) => Value::Null,
        });
        Ok((key, found))
    }

    /// One value; `None` where the message says that there is none.
    fn single(
        &self,
        ty: &Ref,
        (tag, raw): (u32, Raw<'_>),
        depth: usize,
    ) -> Result<Option<Value>, Error> {
        Ok(Some(match ty {
            Ref::String => Value::from(raw.text(tag)?),
            Ref::Bytes => Value::from(STANDARD.encode(raw.bytes(tag)?)),
            Ref::Int32 | Ref::Int64 => Value::from(raw.integer(tag)?),
            Ref::Bool => Value::from(raw.integer(tag)? != 0),
            Ref::Number => {
                let number = Number::from_f64(raw.double(tag)?);
                Value::Number(number.ok_or(Error::Value("a number"))?)
            }
            Ref::Type(ix) => return self.message(*ix, raw.bytes(tag)?, depth),
            Ref::Any | Ref::Free => return json(raw.bytes(tag)?),
            Ref::List(_) | Ref::Map(_) => return Err(Error::Encoding(tag)),
        }))
    }

    fn message(&self, ix: TypeIx, bytes: &[u8], depth: usize) -> Result<Option<Value>, Error> {
        let depth = depth.checked_sub(1).ok_or(Error::Depth)?;
        match self.tables.ty(ix).shape {
            Shape::Object | Shape::Free => Ok(Some(Value::Object(self.object(ix, bytes, depth)?))),
            Shape::Time => time(bytes, "%Y-%m-%dT%H:%M:%SZ"),
            Shape::MicroTime => time(bytes, "%Y-%m-%dT%H:%M:%S.%6fZ"),
            Shape::Quantity => {
                let mut text = "0";
                each(bytes, |tag, raw| {
                    text = raw.text(tag)?;
                    Ok(())
                })?;
                Ok(Some(Value::from(text)))
            }
            Shape::IntOrString => int_or_string(bytes),
            Shape::Fields | Shape::Extension | Shape::Json => {
                let mut text = &[][..];
                each(bytes, |tag, raw| {
                    text = raw.bytes(tag)?;
                    Ok(())
                })?;
                json(text)
            }
            Shape::Strings => {
                let mut items = Vec::new();
                each(bytes, |tag, raw| {
                    items.push(Value::from(raw.text(tag)?));
                    Ok(())
                })?;
                Ok(Some(Value::Array(items)))
            }
            Shape::SchemaOrArray | Shape::SchemaOrBool | Shape::SchemaOrStrings => {
                self.schema_or(self.tables.ty(ix).shape, bytes, depth)
            }
        }
    }

    /// A JSON schema, or what else may stand in its place.
    fn schema_or(&self, shape: Shape, bytes: &[u8], depth: usize) -> Result<Option<Value>, Error> {
        let schema = self.tables.named("apiextensions.v1.JSONSchemaProps");
        let schema = schema.ok_or(Error::Value("a schema"))?;
        let of = |raw: Raw<'_>, tag| -> Result<Value, Error> {
            Ok(Value::Object(self.object(
                schema,
                raw.bytes(tag)?,
                depth,
            )?))
        };
        let (mut one, mut many, mut allows) = (None, Vec::new(), false);
        let mut fields = Fields(bytes);
        while let Some((tag, raw)) = fields.next()? {
            match (shape, tag) {
                (Shape::SchemaOrBool, 1) => allows = raw.integer(tag)? != 0,
                (Shape::SchemaOrBool, 2) => one = Some(of(raw, tag)?),
                (_, 1) => one = Some(of(raw, tag)?),
                (Shape::SchemaOrArray, 2) => many.push(of(raw, tag)?),
                (Shape::SchemaOrStrings, 2) => many.push(Value::from(raw.text(tag)?)),
                _ => {}
            }
        }
        let other = if shape == Shape::SchemaOrBool {
            Value::Bool(allows)
        } else {
            Value::Array(many)
        };
        Ok(Some(one.unwrap_or(other)))
    }
}

fn each<'a>(
    bytes: &'a [u8],
    mut visit: impl FnMut(u32, Raw<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut fields = Fields(bytes);
    while let Some((tag, raw)) = fields.next()? {
        if tag == 1 {
            visit(tag, raw)?;
        }
    }
    Ok(())
}

/// An empty message is Go's zero time, which JSON leaves out.
fn time(bytes: &[u8], format: &str) -> Result<Option<Value>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanos) = (0, 0);
    let mut fields = Fields(bytes);
    while let Some((tag, raw)) = fields.next()? {
        match tag {
            1 => seconds = raw.integer(tag)?,
            2 => nanos = raw.integer(tag)?,
            _ => {}
        }
    }
    let nanos = i32::try_from(nanos).map_err(|_| Error::Value("a time"))?;
    let time = jiff::Timestamp::new(seconds, nanos).map_err(|_| Error::Value("a time"))?;
    Ok(Some(Value::from(time.strftime(format).to_string())))
}

fn int_or_string(bytes: &[u8]) -> Result<Option<Value>, Error> {
    let (mut kind, mut number, mut text) = (0, 0, "");
    let mut fields = Fields(bytes);
    while let Some((tag, raw)) = fields.next()? {
        match tag {
            1 => kind = raw.integer(tag)?,
            2 => number = raw.integer(tag)?,
            3 => text = raw.text(tag)?,
            _ => {}
        }
    }
    Ok(Some(if kind == 0 {
        Value::from(number)
    } else {
        Value::from(text)
    }))
}

fn json(text: &[u8]) -> Result<Option<Value>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let value = serde_json::from_slice(text);
    value.map(Some).map_err(|_| Error::Value("embedded JSON"))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
