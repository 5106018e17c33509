//! Strategic merge patch.
//!
//! Fields that the schema does not know are merged like any map, and their lists replaced.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::merge::Datum;
use crate::schema::{Patch, Schema, TypeId};

use super::Error;
use super::json::go_kind;
use super::order::{By, normalize};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ELEMENT_ORDER: &str = "$setElementOrder/";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList/";

pub(super) fn apply(
    schema: &Schema,
    ty: TypeId,
    object: &Value,
    patch: &Value,
) -> Result<Value, Error> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        let found = go_kind(patch);
        return Err(Error::Malformed(format!(
            "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        )));
    };
    let merged = Merge { schema }.map(object.clone(), patch, Some(ty))?;
    Ok(Value::Object(merged))
}

struct Merge<'s> {
    schema: &'s Schema,
}

/// What the schema says about a field.
struct Meta<'s> {
    /// Type of the field's value.
    ty: Option<TypeId>,
    /// Type of its items, if it is a list.
    item: Option<TypeId>,
    patch: Option<&'s Patch>,
}

impl Meta<'_> {
    fn merges(&self) -> bool {
        self.patch.is_some_and(|patch| patch.merge)
    }

    fn key(&self) -> Option<&str> {
        self.patch?.merge_key.as_deref()
    }
}

impl<'s> Merge<'s> {
    fn meta(&self, ty: Option<TypeId>, field: &str) -> Meta<'s> {
        let map = ty.and_then(|ty| self.schema.get(ty).map.as_ref());
        let field_type = map.and_then(|map| map.field_type(field));
        let list = field_type.and_then(|ty| self.schema.get(ty).list.as_ref());
        Meta {
            ty: field_type,
            item: list.map(|list| list.element),
            patch: map
                .and_then(|map| map.field(field))
                .map(|field| &field.patch),
        }
    }

    fn map(
        &self,
        mut object: Map<String, Value>,
        patch: &Map<String, Value>,
        ty: Option<TypeId>,
    ) -> Result<Map<String, Value>, Error> {
        if let Some(directive) = patch.get(DIRECTIVE) {
            return match directive.as_str() {
                Some("replace") => {
                    let mut patch = patch.clone();
                    patch.remove(DIRECTIVE);
                    Ok(patch)
                }
                Some("delete") => Ok(Map::new()),
                _ => Err(unknown_directive(directive, patch)),
            };
        }
        retain_keys(&mut object, patch)?;
        let ordered = self.ordered_lists(&mut object, patch, ty)?;
        for (name, value) in patch {
            let special = name == RETAIN_KEYS || name.starts_with(SET_ELEMENT_ORDER);
            if special || ordered.contains(name.as_str()) {
                continue;
            }
            if let Some(name) = name.strip_prefix(DELETE_FROM_PRIMITIVE_LIST) {
                delete_from(&mut object, name, value);
                continue;
            }
            let Some(old) = object.remove(name).filter(|_| !value.is_null()) else {
                if !value.is_null()
                    && let Some(new) = without_directives(value)
                {
                    object.insert(name.clone(), new);
                }
                continue;
            };
            if let Some(new) = self.field(old, value, &self.meta(ty, name))? {
                object.insert(name.clone(), new);
            }
        }
        Ok(object)
    }

    /// A field that both have.
    fn field(&self, old: Value, new: &Value, meta: &Meta<'_>) -> Result<Option<Value>, Error> {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                Ok(Some(Value::Object(self.map(old, new, meta.ty)?)))
            }
            (Value::Array(old), Value::Array(new)) if meta.merges() => {
                Ok(Some(Value::Array(self.list(old, new, meta)?)))
            }
            (Value::Array(_), Value::Array(_)) => Ok(Some(new.clone())),
            (_, new) => Ok(without_directives(new)),
        }
    }

    fn list(&self, old: Vec<Value>, new: &[Value], meta: &Meta<'_>) -> Result<Vec<Value>, Error> {
        if old.is_empty() && new.is_empty() {
            return Ok(old);
        }
        let by = By(meta.key());
        if !of_objects(&old, new)? {
            let mut merged = old.clone();
            merged.extend(new.iter().cloned());
            let mut seen = BTreeSet::new();
            merged.retain(|item| seen.insert(Datum::new(item.clone())));
            return Ok(normalize(merged, new, &old, By(None)));
        }
        let Some(key) = meta.key() else {
            return Err(Error::Malformed(
                "cannot merge lists without merge key".to_owned(),
            ));
        };
        let (old, new) = special_items(old, new, key)?;
        let mut merged = old.clone();
        let mut places = by.places(&merged);
        for item in &new {
            let Some(found) = by.key(item) else {
                return Err(no_merge_key(item, key));
            };
            let at = places.get(&found).copied();
            match (at.and_then(|at| merged.get_mut(at)), item) {
                (Some(Value::Object(old)), Value::Object(item)) => {
                    *old = self.map(std::mem::take(old), item, meta.item)?;
                }
                (_, item) => {
                    places.entry(found).or_insert(merged.len());
                    merged.extend(without_directives(item));
                }
            }
        }
        Ok(normalize(merged, &new, &old, by))
    }

    /// Merges the lists whose order the patch gives; answers which fields they are.
    fn ordered_lists<'p>(
        &self,
        object: &mut Map<String, Value>,
        patch: &'p Map<String, Value>,
        ty: Option<TypeId>,
    ) -> Result<BTreeSet<&'p str>, Error> {
        let mut done = BTreeSet::new();
        for (directive, order) in patch {
            let Some(name) = directive.strip_prefix(SET_ELEMENT_ORDER) else {
                continue;
            };
            let order = expect_list(order)?;
            let meta = self.meta(ty, name);
            let by = By(meta.key());
            let new = patch.get(name).map(expect_list).transpose()?;
            check_order(new.unwrap_or_default(), order, by)?;
            let old = match object.get(name) {
                Some(old) => Some(expect_list(old)?.to_vec()),
                None => None,
            };
            let serving = old.clone().unwrap_or_default();
            let merged = match (old, new) {
                (None, None) => continue,
                (Some(old), None) => old,
                (None, Some(new)) => new.iter().filter_map(without_directives).collect(),
                (Some(old), Some(new)) if meta.merges() => self.list(old, new, &meta)?,
                (Some(_), Some(new)) => new.to_vec(),
            };
            if let Some(key) = meta.key()
                && let Some(item) = merged.iter().find(|item| item.get(key).is_none())
            {
                return Err(no_merge_key(item, key));
            }
            let merged = normalize(merged, order, &serving, by);
            object.insert(name.to_owned(), Value::Array(merged));
            done.insert(name);
        }
        Ok(done)
    }
}

/// Drops what the patch does not want to keep.
fn retain_keys(object: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), Error> {
    let malformed = || Error::Malformed("invalid patch format of retainKeys".to_owned());
    let Some(retained) = patch.get(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(retained) = retained else {
        return Err(malformed());
    };
    let retained: BTreeSet<_> = retained.iter().filter_map(Value::as_str).collect();
    for (name, value) in patch {
        let directive = name.starts_with('$');
        if !directive && !value.is_null() && !retained.contains(name.as_str()) {
            return Err(malformed());
        }
    }
    object.retain(|name, _| retained.contains(name.as_str()));
    Ok(())
}

/// Carries out the items that are orders: deletes from the old list, or replaces it.
fn special_items(
    mut old: Vec<Value>,
    new: &[Value],
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let (mut plain, mut deleted, mut replace) = (Vec::new(), BTreeSet::new(), false);
    for item in new {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item.clone());
            continue;
        };
        match (directive.as_str(), item.get(key)) {
            (Some("delete"), Some(value)) => {
                deleted.insert(Datum::new(value.clone()));
            }
            (Some("delete"), None) => return Err(no_merge_key(item, key)),
            (Some("replace"), _) => replace = true,
            (Some("merge"), _) => {
                let text = "merging lists cannot yet be specified in the patch";
                return Err(Error::Malformed(text.to_owned()));
            }
            _ => {
                let nothing = Map::new();
                let item = item.as_object().unwrap_or(&nothing);
                return Err(unknown_directive(directive, item));
            }
        }
    }
    if replace {
        let plain = plain.iter().filter_map(without_directives).collect();
        return Ok((plain, Vec::new()));
    }
    let by = By(Some(key));
    old.retain(|item| by.key(item).is_none_or(|value| !deleted.contains(&value)));
    Ok((old, plain))
}

fn delete_from(object: &mut Map<String, Value>, name: &str, unwanted: &Value) {
    if unwanted.is_null() {
        object.remove(name);
        return;
    }
    if let (Some(Value::Array(items)), Value::Array(unwanted)) = (object.get_mut(name), unwanted) {
        let unwanted: BTreeSet<_> = unwanted.iter().cloned().map(Datum::new).collect();
        items.retain(|item| !unwanted.contains(&Datum::new(item.clone())));
    }
}

/// The items of the patch have to be in the order that it gives.
fn check_order(patch: &[Value], order: &[Value], by: By<'_>) -> Result<(), Error> {
    if order.is_empty() {
        return Ok(());
    }
    let kept = patch.iter().filter(|item| item.get(DIRECTIVE).is_none());
    let mut order = order.iter().map(|item| by.key(item));
    for item in kept {
        let wanted = by.key(item);
        if !order.any(|other| other == wanted) {
            return Err(Error::Malformed(format!(
                "the order of the patch's list doesn't match {SET_ELEMENT_ORDER}, or has no place \
                 for {item}"
            )));
        }
    }
    Ok(())
}

/// Whether the items are objects, which they all are or none of them.
fn of_objects(old: &[Value], new: &[Value]) -> Result<bool, Error> {
    let mut kinds = old.iter().chain(new).map(go_kind);
    let first = kinds.next().unwrap_or("null");
    if first == "array" {
        return Err(Error::Malformed(
            "lists of lists are not supported".to_owned(),
        ));
    }
    if kinds.any(|kind| kind != first) {
        return Err(Error::Malformed(
            "list element types are not identical".to_owned(),
        ));
    }
    Ok(first == "object")
}

/// A value that is new to the object, without nulls and directives; `None` if it is itself an
/// order to delete.
fn without_directives(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter(|(name, value)| !value.is_null() && !is_order(name));
            let field =
                |(name, value): (&String, &Value)| Some((name.clone(), without_directives(value)?));
            Some(Value::Object(kept.filter_map(field).collect()))
        }
        Value::Array(items) => Some(items.iter().filter_map(without_directives).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.clone()),
    }
}

fn is_order(name: &str) -> bool {
    name == RETAIN_KEYS
        || name.starts_with(SET_ELEMENT_ORDER)
        || name.starts_with(DELETE_FROM_PRIMITIVE_LIST)
}

fn expect_list(value: &Value) -> Result<&[Value], Error> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            let found = go_kind(value);
            Err(Error::Malformed(format!(
                "expected a list, but received a {found}"
            )))
        }
    }
}

fn no_merge_key(item: &Value, key: &str) -> Error {
    Error::Malformed(format!(
        "map: {item} does not contain declared merge key: {key}"
    ))
}

fn unknown_directive(directive: &Value, map: &Map<String, Value>) -> Error {
    let names: Vec<_> = map.keys().map(String::as_str).collect();
    let names = names.join(" ");
    Error::Malformed(format!(
        "unknown patch type: {directive} in a map with {names}"
    ))
}
