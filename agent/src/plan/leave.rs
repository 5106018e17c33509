//! What the hub leaves to whoever changes it on the member.
//!
//! A field that is left is given when the object is made. Later it is applied as it is found there, so
//! that applying the rest neither changes it nor takes it away; and as soon as another manager owns it,
//! it is left out, and belongs to that one alone.
//!
//! The pointer to the whole object says that the object is left as it is once it was given: what is
//! changed there is reported and not put right. New content is applied all the same.

use roadstead_protocol::wire::item::Meta;
use serde_json::{Value, json};

use super::content::FIELD_MANAGER;

/// Deepest JSON pointer that is followed, in steps.
const STEPS_MAX: usize = 64;
/// What names the object, or holds what does: never left.
const NEVER: &[&str] = &["/apiVersion", "/kind", "/metadata"];

/// The fields that are left.
pub fn fields(meta: &[Meta]) -> impl Iterator<Item = &str> {
    all(meta).filter(|pointer| !pointer.is_empty() && !NEVER.contains(pointer))
}

/// Whether what is changed on the member is only reported.
pub fn reports_only(meta: &[Meta]) -> bool {
    all(meta).any(str::is_empty)
}

fn all(meta: &[Meta]) -> impl Iterator<Item = &str> {
    let lists = meta.iter().filter_map(|meta| match meta {
        Meta::IgnoreFields(pointers) => Some(pointers),
        Meta::Release
        | Meta::Propagation(_)
        | Meta::ActAs { .. }
        | Meta::Overwrite
        | Meta::Replaces(_) => None,
    });
    lists.flatten().map(String::as_str)
}

/// Makes of the fields of `config` that are left what they are in `live`, or leaves them out where they
/// are another's or gone. Where nothing is there yet, they stay as they are given.
pub fn settle(config: &mut Value, live: Option<&Value>, meta: &[Meta]) {
    let Some(live) = live else { return };
    for pointer in fields(meta) {
        let steps = steps(pointer);
        let (found, place) = find(config, live, &steps);
        let found = match found {
            Found::NotGiven | Found::NoElement => continue,
            Found::Is(_) if owned_by_other(live, &place) => None,
            Found::Is(value) => Some(value.clone()),
            Found::Gone => None,
        };
        put(config, &steps, found);
    }
}

fn steps(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1).take(STEPS_MAX);
    steps
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// What is on the member of a field.
enum Found<'v> {
    /// The content does not give it.
    NotGiven,
    /// The content gives it for an element of a list that is not there.
    NoElement,
    /// It is not there.
    Gone,
    /// It is this.
    Is(&'v Value),
}

/// Where the steps lead in `live`, with elements of lists that have a name found by it, and how
/// managed fields name the place.
fn find<'v>(config: &Value, live: &'v Value, steps: &[String]) -> (Found<'v>, Vec<String>) {
    let (mut given, mut there) = (config, Some(live));
    let mut place = Vec::new();
    for step in steps {
        let next = match given {
            Value::Object(map) => {
                place.push(format!("f:{step}"));
                there = there.and_then(|there| there.get(step));
                map.get(step)
            }
            Value::Array(list) => {
                let index = step.parse::<usize>().ok();
                let element = index.and_then(|index| list.get(index));
                let Some((index, element)) = index.zip(element) else {
                    return (Found::NotGiven, place);
                };
                let others = there.and_then(Value::as_array).map(Vec::as_slice);
                there = match element.get("name") {
                    Some(name) => {
                        place.push(format!("k:{}", json!({ "name": name })));
                        let mut others = others.unwrap_or_default().iter();
                        others.find(|other| other.get("name") == Some(name))
                    }
                    None => others
                        .filter(|others| others.len() == list.len())
                        .and_then(|others| others.get(index)),
                };
                if there.is_none() {
                    return (Found::NoElement, place);
                }
                Some(element)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        let Some(next) = next else {
            return (Found::NotGiven, place);
        };
        given = next;
    }
    (there.map_or(Found::Gone, Found::Is), place)
}

/// Whether another manager than this agent owns the place.
fn owned_by_other(live: &Value, place: &[String]) -> bool {
    let entries = live.pointer("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array).into_iter().flatten();
    let others = entries.filter(|entry| {
        let manager = entry.get("manager").and_then(Value::as_str);
        manager != Some(FIELD_MANAGER)
    });
    let mut fields = others.filter_map(|entry| entry.get("fieldsV1"));
    fields.any(|fields| {
        let end = place.iter().try_fold(fields, |at, step| at.get(step));
        end.is_some()
    })
}

/// Puts `value` where the steps lead, or takes away what is there.
fn put(config: &mut Value, steps: &[String], value: Option<Value>) {
    let Some((last, parents)) = steps.split_last() else {
        return;
    };
    let parent = parents.iter().try_fold(config, |at, step| match at {
        Value::Object(map) => map.get_mut(step),
        Value::Array(list) => step.parse::<usize>().ok().and_then(|i| list.get_mut(i)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    });
    match (parent, value) {
        (Some(Value::Object(map)), Some(value)) => {
            map.insert(last.clone(), value);
        }
        (Some(Value::Object(map)), None) => {
            map.remove(last);
        }
        (Some(Value::Array(list)), Some(value)) => {
            let at = last.parse::<usize>().ok();
            if let Some(there) = at.and_then(|i| list.get_mut(i)) {
                *there = value;
            }
        }
        (Some(Value::Array(list)), None) => {
            if let Some(at) = last.parse::<usize>().ok().filter(|i| *i < list.len()) {
                list.remove(at);
            }
        }
        (Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None, _) => {}
    }
}

#[cfg(test)]
mod tests;
