//! Who owns which fields of an object, as its managed fields say.
//!
//! They are read only to tell this agent's own from all others'.

use serde_json::{Map, Value};

use crate::plan::content::FIELD_MANAGER;

/// What stands for the place itself, among what is in it.
const ITSELF: &str = ".";

/// Who owns a place and what is in it: the place's nodes in managed fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Owned<'v> {
    ours: Vec<&'v Value>,
    others: Vec<&'v Value>,
}

/// How the elements of a list are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    /// By these of their fields.
    Named(Vec<String>),
    /// They are plain values, each there once.
    Values,
    /// Not at all: the list is owned as one.
    Whole,
}

impl<'v> Owned<'v> {
    /// Of the whole object.
    pub(super) fn of(live: &'v Value) -> Self {
        let mut owned = Self::default();
        let entries = live.pointer("/metadata/managedFields");
        for entry in entries.and_then(Value::as_array).into_iter().flatten() {
            let Some(fields) = entry.get("fieldsV1") else {
                continue;
            };
            if entry.get("manager").and_then(Value::as_str) == Some(FIELD_MANAGER) {
                owned.ours.push(fields);
            } else {
                owned.others.push(fields);
            }
        }
        owned
    }

    /// Whether another manager owns this very place.
    pub(super) fn by_other(&self) -> bool {
        self.others
            .iter()
            .any(|node| is_end(node) || node.get(ITSELF).is_some())
    }

    /// Whether the place is owned as one, whatever is in it.
    pub(super) fn is_whole(&self) -> bool {
        let mut nodes = self.nodes().peekable();
        nodes.peek().is_some() && nodes.all(is_end)
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let name = format!("f:{name}");
        self.step(|node| node.get(&name))
    }

    /// The element `live` of a list whose elements are told apart by fields.
    pub(super) fn element(&self, live: &Value) -> Self {
        self.step(|node| {
            let mut nodes = node.as_object()?.iter();
            let named = nodes.find(|(name, _)| {
                let fields = key(name);
                fields.is_some_and(|fields| fields.iter().all(|(f, v)| live.get(f) == Some(v)))
            });
            named.map(|(_, node)| node)
        })
    }

    /// The element `live` of a list of plain values.
    pub(super) fn value(&self, live: &Value) -> Self {
        let name = format!("v:{live}");
        self.step(|node| node.get(&name))
    }

    /// How the elements of the list `given` are told apart.
    pub(super) fn elements(&self, given: &[Value]) -> Elements {
        let names = self.nodes().filter_map(Value::as_object);
        for name in names.flat_map(Map::keys) {
            if let Some(fields) = key(name) {
                return Elements::Named(fields.into_iter().map(|(field, _)| field).collect());
            }
            if name.starts_with("v:") {
                return Elements::Values;
            }
        }
        if !self.is_whole() && given.iter().all(|element| element.get("name").is_some()) {
            return Elements::Named(vec!["name".to_owned()]);
        }
        Elements::Whole
    }

    fn nodes(&self) -> impl Iterator<Item = &'v Value> {
        self.ours.iter().chain(&self.others).copied()
    }

    fn step(&self, child: impl Fn(&'v Value) -> Option<&'v Value>) -> Self {
        Self {
            ours: self.ours.iter().copied().filter_map(&child).collect(),
            others: self.others.iter().copied().filter_map(&child).collect(),
        }
    }
}

/// Whether `given` and `there` are the same element; what a name is made of may be left out where it has
/// a default, but not all of it.
pub(super) fn is_same(given: &Value, there: &Value, names: &[String]) -> bool {
    let mut named = names.iter().filter(|name| given.get(name).is_some());
    let some = named.clone().next().is_some();
    some && named.all(|name| given.get(name) == there.get(name))
}

/// The fields and values of the name of an element.
fn key(name: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(name.strip_prefix("k:")?).ok()
}

/// Whether a node has nothing in it.
fn is_end(node: &Value) -> bool {
    let Some(map) = node.as_object() else {
        return true;
    };
    map.keys().all(|name| name == ITSELF)
}
