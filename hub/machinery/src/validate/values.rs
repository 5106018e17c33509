//! Values of custom kinds against their schema, with the messages of Kubernetes' validator.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::formats;
use super::numbers;
use super::path::Path;
use super::structural::{Ints, Kind, ListType, Node};
use crate::status::{FieldError, FieldErrorKind};

/// How many faults are collected; what is wrong beyond them can wait.
const ERRORS_MAX: usize = 100;

/// Faults of the object `value`.
pub(super) fn object(node: &Node, value: &Value, errors: &mut Vec<FieldError>) {
    check(node, value, &Path::Root, errors);
}

fn check(node: &Node, value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if errors.len() >= ERRORS_MAX || (value.is_null() && node.nullable) {
        return;
    }
    if let Some(kind) = node.kind
        && !fits(kind, value)
    {
        errors.push(type_error(path, kind.name(), type_name(value)));
    }
    if !node.allowed.is_empty() && !node.allowed.contains(value) {
        errors.push(not_supported(path, value, &node.allowed));
    }
    match value {
        Value::String(text) => string(node, text, path, errors),
        Value::Number(n) => number(node, n, path, errors),
        Value::Array(items) => list(node, items, path, errors),
        Value::Object(map) => fields(node, map, path, errors),
        Value::Null | Value::Bool(_) => {}
    }
    combined(node, value, path, errors);
}

fn fits(kind: Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Object, Value::Object(_))
        | (Kind::Array, Value::Array(_))
        | (Kind::String | Kind::IntOrString, Value::String(_))
        | (Kind::Number, Value::Number(_))
        | (Kind::Boolean, Value::Bool(_)) => true,
        (Kind::Integer(Ints::Int32), Value::Number(n)) => {
            numbers::whole(n).is_some_and(|n| i32::try_from(n).is_ok())
        }
        (Kind::Integer(Ints::Int64) | Kind::IntOrString, Value::Number(n)) => {
            numbers::whole(n).is_some()
        }
        _ => false,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if numbers::whole(n).is_some() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn type_error(path: &Path<'_>, wanted: &str, found: &str) -> FieldError {
    let detail = format!("{found:?}: {path} in body must be of type {wanted}: {found:?}");
    FieldError::new(path.to_string(), FieldErrorKind::TypeInvalid, detail)
}

fn not_supported(path: &Path<'_>, value: &Value, allowed: &[Value]) -> FieldError {
    let quoted = allowed.iter().map(|a| match a.as_str() {
        Some(text) => format!("{text:?}"),
        None => format!("\"{a}\""),
    });
    let quoted: Vec<String> = quoted.collect();
    let detail = format!("{value}: supported values: {}", quoted.join(", "));
    FieldError::new(path.to_string(), FieldErrorKind::NotSupported, detail)
}

/// A value that breaks a rule, as in `spec.replicas in body should be …`.
fn invalid(path: &Path<'_>, value: &Value, rule: &str) -> FieldError {
    FieldError::invalid(path.to_string(), value, &format!("{path} in body {rule}"))
}

fn string(node: &Node, text: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let value = || Value::from(text);
    let length = text.chars().count() as u64;
    if let Some(max) = node.length.max.filter(|&max| length > max) {
        let detail = format!("may not be more than {max} bytes");
        let error = FieldError::new(path.to_string(), FieldErrorKind::TooLong, detail);
        errors.push(error);
    }
    if let Some(min) = node.length.min.filter(|&min| length < min) {
        let rule = format!("should be at least {min} chars long");
        errors.push(invalid(path, &value(), &rule));
    }
    if let Some(pattern) = node.pattern.as_ref().filter(|p| !p.is_match(text)) {
        let rule = format!("should match '{pattern}'");
        errors.push(invalid(path, &value(), &rule));
    }
    let format = node.format.as_deref();
    if let Some(format) = format.filter(|f| !formats::accepts(f, text)) {
        errors.push(FieldError::new(
            path.to_string(),
            FieldErrorKind::TypeInvalid,
            format!("{text:?}: {path} in body must be of type {format}: {text:?}"),
        ));
    }
}

fn number(node: &Node, n: &Number, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let value = || Value::Number(n.clone());
    if let Some((max, excluded)) = &node.maximum {
        let rule = match (numbers::compare(n, max), excluded) {
            (Some(Ordering::Greater), false) => Some("less than or equal to"),
            (Some(Ordering::Greater | Ordering::Equal), true) => Some("less than"),
            _ => None,
        };
        errors.extend(rule.map(|rule| {
            let rule = format!("should be {rule} {}", numbers::shown(max));
            invalid(path, &value(), &rule)
        }));
    }
    if let Some((min, excluded)) = &node.minimum {
        let rule = match (numbers::compare(n, min), excluded) {
            (Some(Ordering::Less), false) => Some("greater than or equal to"),
            (Some(Ordering::Less | Ordering::Equal), true) => Some("greater than"),
            _ => None,
        };
        errors.extend(rule.map(|rule| {
            let rule = format!("should be {rule} {}", numbers::shown(min));
            invalid(path, &value(), &rule)
        }));
    }
    if let Some(of) = node
        .multiple_of
        .as_ref()
        .filter(|of| !numbers::is_multiple(n, of))
    {
        let rule = format!("should be a multiple of {}", numbers::shown(of));
        errors.push(invalid(path, &value(), &rule));
    }
}

fn list(node: &Node, items: &[Value], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let count = items.len() as u64;
    if let Some(max) = node.item_count.max.filter(|&max| count > max) {
        errors.push(too_many(path, count, max));
    }
    if let Some(min) = node.item_count.min.filter(|&min| count < min) {
        let rule = format!("should have at least {min} items");
        errors.push(invalid(path, &Value::from(count), &rule));
    }
    if let Some(item) = &node.items {
        for (at, value) in items.iter().enumerate() {
            check(item, value, &path.index(at), errors);
        }
    }
    match &node.list_type {
        Some(ListType::Set) => duplicates(items, path, errors, Clone::clone),
        Some(ListType::Map(keys)) => duplicates(items, path, errors, |item| {
            let key = |name: &String| Some((name.clone(), item.get(name)?.clone()));
            Value::Object(keys.iter().filter_map(key).collect())
        }),
        Some(ListType::Atomic) | None => {
            if node.unique_items && has_duplicates(items) {
                errors.push(invalid(
                    path,
                    &Value::from(count),
                    "shouldn't contain duplicates",
                ));
            }
        }
    }
}

fn too_many(path: &Path<'_>, found: u64, max: u64) -> FieldError {
    let detail = format!("{found}: must have at most {max} items");
    FieldError::new(path.to_string(), FieldErrorKind::TooMany, detail)
}

/// Reports items whose key an earlier one has.
fn duplicates(
    items: &[Value],
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
    key: impl Fn(&Value) -> Value,
) {
    let mut seen = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let key = key(item).to_string();
        if !seen.contains(&key) {
            seen.insert(key);
            continue;
        }
        let field = path.index(at).to_string();
        errors.push(FieldError::new(field, FieldErrorKind::Duplicate, key));
    }
}

fn has_duplicates(items: &[Value]) -> bool {
    let distinct: BTreeSet<String> = items.iter().map(Value::to_string).collect();
    distinct.len() < items.len()
}

fn fields(node: &Node, map: &Map<String, Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let count = map.len() as u64;
    if let Some(max) = node.field_count.max.filter(|&max| count > max) {
        errors.push(too_many(path, count, max));
    }
    if let Some(min) = node.field_count.min.filter(|&min| count < min) {
        let rule = format!("should have at least {min} properties");
        errors.push(invalid(path, &Value::from(count), &rule));
    }
    for name in node.required.iter().filter(|name| !map.contains_key(*name)) {
        errors.push(FieldError::required(path.field(name).to_string(), ""));
    }
    if node.embedded {
        for name in ["apiVersion", "kind"] {
            if map
                .get(name)
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
            {
                let field = path.field(name).to_string();
                errors.push(FieldError::required(field, "must not be empty"));
            }
        }
    }
    for (name, value) in map {
        if let Some(child) = node.properties.get(name).or(node.additional.as_deref()) {
            check(child, value, &path.field(name), errors);
        }
    }
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn combined(node: &Node, value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let accepts = |node: &Node| {
        let mut found = Vec::new();
        check(node, value, path, &mut found);
        found.is_empty()
    };
    let mut fault = |rule: String| {
        let shown = Value::String(String::new());
        errors.push(FieldError::invalid(path.to_string(), &shown, &rule));
    };
    if !node.any_of.is_empty() && !node.any_of.iter().any(accepts) {
        fault(format!(
            "\"{path}\" must validate at least one schema (anyOf)"
        ));
    }
    if !node.one_of.is_empty() {
        let found = node.one_of.iter().filter(|n| accepts(n)).count();
        let rule = format!("\"{path}\" must validate one and only one schema (oneOf)");
        match found {
            0 => fault(format!("{rule}. Found none valid")),
            1 => {}
            many => fault(format!("{rule}. Found {many} valid alternatives")),
        }
    }
    if node.not.as_deref().is_some_and(accepts) {
        fault(format!("\"{path}\" must not validate the schema (not)"));
    }
    if !node.all_of.is_empty() {
        if !node.all_of.iter().all(accepts) {
            fault(format!("\"{path}\" must validate all the schemas (allOf)"));
        }
        for child in &node.all_of {
            check(child, value, path, errors);
        }
    }
}
