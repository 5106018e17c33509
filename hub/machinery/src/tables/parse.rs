//! Reads the text of the tables.

use std::collections::BTreeMap;

use super::{Error, Field, ListRule, Ref, Row, Shape, Tables, Type, TypeIx, Wire, schema};

struct Reader {
    by_name: BTreeMap<&'static str, TypeIx>,
}

pub(super) fn tables(text: &'static str) -> Result<Tables, Error> {
    let mut by_name = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("type ") {
            let name = rest.split(' ').next().unwrap_or_default();
            by_name.insert(name, TypeIx(by_name.len()));
        }
    }
    let reader = Reader { by_name };
    let (mut types, mut rows) = (Vec::<Type>::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let damaged = || Error::Line(at + 1);
        if let Some(rest) = line.strip_prefix("type ") {
            types.push(head(rest).ok_or_else(damaged)?);
        } else if let Some(rest) = line.strip_prefix("resource ") {
            rows.push(reader.row(rest)?.ok_or_else(damaged)?);
        } else if let Some(rest) = line.strip_prefix(' ') {
            let ty = types.last_mut().ok_or_else(damaged)?;
            reader.field(rest, ty)?.ok_or_else(damaged)?;
        } else if !line.starts_with('#') {
            return Err(damaged());
        }
    }
    let schema = schema::build(&types)?;
    Ok(Tables {
        types,
        by_name: reader.by_name,
        rows,
        schema: schema.into(),
    })
}

fn head(line: &'static str) -> Option<Type> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let shape = match words.next()? {
        "object" => Shape::Object,
        "time" => Shape::Time,
        "microtime" => Shape::MicroTime,
        "quantity" => Shape::Quantity,
        "intstr" => Shape::IntOrString,
        "fields" => Shape::Fields,
        "extension" => Shape::Extension,
        "json" => Shape::Json,
        "free" => Shape::Free,
        "strings" => Shape::Strings,
        "schema-or-array" => Shape::SchemaOrArray,
        "schema-or-bool" => Shape::SchemaOrBool,
        "schema-or-strings" => Shape::SchemaOrStrings,
        _ => return None,
    };
    Some(Type {
        name,
        shape,
        atomic: words.next() == Some("atomic"),
        fields: Vec::new(),
        inline: Vec::new(),
    })
}

impl Reader {
    fn row(&self, line: &'static str) -> Result<Option<Row>, Error> {
        let words: Vec<&'static str> = line.split(' ').collect();
        let [
            group,
            version,
            plural,
            singular,
            kind,
            scope,
            short,
            categories,
            subresources,
            verbs,
            ty,
        ] = words[..]
        else {
            return Ok(None);
        };
        let list = |word: &'static str| match word {
            "-" => Vec::new(),
            word => word.split(',').collect(),
        };
        Ok(Some(Row {
            group: if group == "-" { "" } else { group },
            version,
            plural,
            singular,
            kind,
            namespaced: scope == "namespaced",
            short_names: list(short),
            categories: list(categories),
            subresources: list(subresources),
            create_only: verbs == "create",
            ty: self.named(ty)?,
        }))
    }

    fn field(&self, line: &'static str, ty: &mut Type) -> Result<Option<()>, Error> {
        let mut words = line.split(' ');
        let (Some(name), Some(expression)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let mut field = Field {
            name,
            ty: self.expression(expression)?,
            required: false,
            list: None,
            map_atomic: None,
            patch: None,
            default: None,
            wire: None,
        };
        for word in words {
            if self.attribute(word, &mut field)?.is_none() {
                return Ok(None);
            }
        }
        match (name, &field.ty, &field.wire) {
            ("-", Ref::Type(of), Some(wire)) => ty.inline.push((wire.tag, *of)),
            ("-", _, _) => return Ok(None),
            _ => ty.fields.push(field),
        }
        Ok(Some(()))
    }

    fn attribute(&self, word: &'static str, field: &mut Field) -> Result<Option<()>, Error> {
        if let Some(tag) = word.strip_prefix('=') {
            let Ok(number) = tag.trim_end_matches('*').parse() else {
                return Ok(None);
            };
            field.wire = Some(Wire {
                tag: number,
                keeps_zero: tag.ends_with('*'),
                ty: None,
            });
            return Ok(Some(()));
        }
        match word.split_once('=') {
            None if word == "required" => field.required = true,
            None if word == "inline" => {}
            Some(("list", rule)) => field.list = Some(list_rule(rule)),
            Some(("map", kind)) => field.map_atomic = Some(kind == "atomic"),
            Some(("patch", rule)) => field.patch = rule.rsplit_once(':'),
            Some(("default", json)) => field.default = Some(json),
            Some(("wire", ty)) => {
                let ty = self.expression(ty)?;
                if let Some(wire) = &mut field.wire {
                    wire.ty = Some(ty);
                }
            }
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    fn expression(&self, text: &'static str) -> Result<Ref, Error> {
        if let Some(item) = text.strip_prefix("[]") {
            return Ok(Ref::List(Box::new(self.expression(item)?)));
        }
        if let Some(value) = text.strip_prefix("{}") {
            return Ok(Ref::Map(Box::new(self.expression(value)?)));
        }
        Ok(match text {
            "string" => Ref::String,
            "bytes" => Ref::Bytes,
            "int32" => Ref::Int32,
            "int64" => Ref::Int64,
            "number" => Ref::Number,
            "bool" => Ref::Bool,
            "any" => Ref::Any,
            "free" => Ref::Free,
            name => Ref::Type(self.named(name)?),
        })
    }

    fn named(&self, name: &str) -> Result<TypeIx, Error> {
        let found = self.by_name.get(name).copied();
        found.ok_or_else(|| Error::Unknown(name.to_owned()))
    }
}

fn list_rule(rule: &'static str) -> ListRule {
    match rule.split_once(':') {
        Some((_, keys)) => ListRule::Map(keys.split(',').collect()),
        None if rule == "set" => ListRule::Set,
        None => ListRule::Atomic,
    }
}
