//! What the hub leaves to whoever changes it on the member.
//!
//! A field that is left is given when the object is made. Later it is applied as it is found there, so
//! that applying the rest neither changes it nor takes it away; and as soon as another manager owns it,
//! it is left out, and belongs to that one alone. What has fields of its own is judged by each of them:
//! leaving out what only this agent owns would delete it.
//!
//! The pointer to the whole object says that the object is left as it is once it was given: what is
//! changed there is reported and not put right. New content is applied all the same.

use roadstead_protocol::wire::item::Meta;
use serde_json::{Map, Value};

use owned::{Elements, Owned};

mod owned;

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
        | Meta::AdoptIfEqual
        | Meta::Replaces(_) => None,
    });
    lists.flatten().map(String::as_str)
}

/// Makes of the fields of `config` that are left what they are in `live`, or leaves them out where they
/// are another's or gone. Where nothing is there yet, they stay as they are given.
pub fn settle(config: &mut Value, live: Option<&Value>, meta: &[Meta]) {
    let Some(live) = live else { return };
    let pointers: Vec<Vec<String>> = fields(meta).map(steps).collect();
    let left: Vec<&[String]> = pointers.iter().map(Vec::as_slice).collect();
    let left: Vec<&[String]> = left.into_iter().filter(|steps| !steps.is_empty()).collect();
    if left.is_empty() {
        return;
    }
    let place = Place {
        live: Some(live),
        owned: Owned::of(live),
    };
    if let Some(settled) = place.settled(config, &left) {
        *config = settled;
    }
}

fn steps(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1).take(STEPS_MAX);
    steps
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// What is left of those whose first step `leads` on, after that step.
fn below<'s>(left: &[&'s [String]], leads: impl Fn(&str) -> bool) -> Vec<&'s [String]> {
    let on = |steps: &&'s [String]| {
        let (first, rest) = steps.split_first()?;
        leads(first).then_some(rest)
    };
    left.iter().filter_map(on).collect()
}

/// A place in an object on the member.
struct Place<'v> {
    /// What is there.
    live: Option<&'v Value>,
    /// Who owns it, and what is in it.
    owned: Owned<'v>,
}

impl<'v> Place<'v> {
    /// What is to be given of `given`, of which `left` is left; `None` where it is left out.
    fn settled(&self, given: &Value, left: &[&[String]]) -> Option<Value> {
        if left.iter().any(|steps| steps.is_empty()) {
            return self.left(given);
        }
        match given {
            Value::Object(map) => {
                let fields = map.iter().filter_map(|(name, given)| {
                    let left = below(left, |step| step == name);
                    let value = if left.is_empty() {
                        given.clone()
                    } else {
                        self.field(name).settled(given, &left)?
                    };
                    Some((name.clone(), value))
                });
                Some(Value::Object(fields.collect()))
            }
            Value::Array(list) => {
                let elements = self.owned.elements(list);
                let settled = list.iter().enumerate().filter_map(|(index, given)| {
                    let left = below(left, |step| step.parse() == Ok(index));
                    if left.is_empty() {
                        return Some(given.clone());
                    }
                    if let Some(place) = self.element(given, &elements) {
                        return place.settled(given, &left);
                    }
                    // One that has no name is part of the list, and never left out on its own.
                    let there = self.live.and_then(Value::as_array);
                    let there = there.filter(|there| {
                        matches!(elements, Elements::Whole) && there.len() == list.len()
                    });
                    let Some(live) = there.and_then(|there| there.get(index)) else {
                        return Some(given.clone());
                    };
                    let place = Place {
                        live: Some(live),
                        owned: Owned::default(),
                    };
                    place.settled(given, &left).or_else(|| Some(live.clone()))
                });
                Some(Value::Array(settled.collect()))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Some(given.clone())
            }
        }
    }

    /// What is to be given of what is left, with all that is in it. What is gone stays so.
    fn left(&self, given: &Value) -> Option<Value> {
        match (given, self.live?) {
            (Value::Object(given), Value::Object(there)) if !self.owned.is_whole() => {
                self.left_fields(given, there)
            }
            (Value::Array(given), Value::Array(there)) => match self.owned.elements(given) {
                Elements::Whole => self.left_whole(),
                elements @ (Elements::Named(_) | Elements::Values) => {
                    self.left_elements(given, there, &elements)
                }
            },
            _ => self.left_whole(),
        }
    }

    fn left_whole(&self) -> Option<Value> {
        let live = self.live.filter(|_| !self.owned.by_other());
        live.cloned()
    }

    fn left_fields(&self, given: &Map<String, Value>, there: &Map<String, Value>) -> Option<Value> {
        let fields = given.iter().filter_map(|(name, given)| {
            let value = self.field(name).left(given)?;
            Some((name.clone(), value))
        });
        let fields: Map<String, Value> = fields.collect();
        let none = fields.is_empty() && !given.is_empty() && !there.is_empty();
        (!none).then_some(Value::Object(fields))
    }

    fn left_elements(
        &self,
        given: &[Value],
        there: &[Value],
        elements: &Elements,
    ) -> Option<Value> {
        let kept = given.iter().filter_map(|element| {
            let mut kept = self.element(element, elements)?.left(element)?;
            // An element without what names it is none.
            if let (Elements::Named(names), Value::Object(map)) = (elements, &mut kept) {
                for name in names {
                    let value = element.get(name).cloned();
                    map.extend(value.map(|value| (name.clone(), value)));
                }
            }
            Some(kept)
        });
        let kept: Vec<Value> = kept.collect();
        let none = kept.is_empty() && !given.is_empty() && !there.is_empty();
        (!none).then_some(Value::Array(kept))
    }

    fn field(&self, name: &str) -> Self {
        Self {
            live: self.live.and_then(|live| live.get(name)),
            owned: self.owned.field(name),
        }
    }

    /// Where `given` is in the list that is here, if its elements are told apart.
    fn element(&self, given: &Value, elements: &Elements) -> Option<Self> {
        let mut there = self.live?.as_array()?.iter();
        match elements {
            Elements::Named(names) => {
                let live = there.find(|there| owned::is_same(given, there, names))?;
                Some(Self {
                    live: Some(live),
                    owned: self.owned.element(live),
                })
            }
            Elements::Values => {
                let live = there.find(|there| *there == given)?;
                Some(Self {
                    live: Some(live),
                    owned: self.owned.value(live),
                })
            }
            Elements::Whole => None,
        }
    }
}

#[cfg(test)]
mod tests;
