//! The fields that an object has.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::schema::{List, ListRel, Map, MapRel, TypeId};

use super::typed::{Shape, Shapes, Trail, item_element};
use super::{Element, Set, Typed, TypedError};

impl Typed<'_> {
    /// Every leaf, every item of a set or map-like list, every entry of a map.
    ///
    /// # Errors
    /// When a value does not fit the type.
    pub fn to_set(&self) -> Result<Set, TypedError> {
        let mut walk = Walk {
            of: self,
            out: Set::new(),
            trail: Trail::default(),
        };
        walk.value(self.ty, self.value());
        walk.trail.finish()?;
        Ok(walk.out)
    }
}

struct Walk<'a> {
    of: &'a Typed<'a>,
    out: Set,
    trail: Trail,
}

impl Walk<'_> {
    fn value(&mut self, ty: TypeId, value: &Value) {
        let schema = self.of.schema;
        let atom = schema.get(ty);
        match Shapes::of(atom, Some(value)).pick(atom) {
            Shape::Map(map) => self.map(map, value),
            Shape::Scalar(_) => self.out.insert(&self.trail.path),
            Shape::List(list) => self.list(list, value),
            Shape::Nothing => {
                self.trail
                    .issue("schema error: no type found matching: inlined type");
            }
        }
    }

    fn map(&mut self, map: &Map, value: &Value) {
        if map.relation == MapRel::Atomic {
            self.out.insert(&self.trail.path);
            return;
        }
        let Value::Object(fields) = value else { return };
        for (name, value) in fields {
            self.trail.path.push(Element::field(name));
            match map.field_type(name) {
                Some(ty) => self.value(ty, value),
                None => self.trail.issue("field not declared in schema"),
            }
            let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
            if empty || map.field(name).is_none() {
                self.out.insert(&self.trail.path);
            }
            self.trail.path.pop();
        }
    }

    fn list(&mut self, list: &List, value: &Value) {
        if list.relation == ListRel::Atomic {
            self.out.insert(&self.trail.path);
            return;
        }
        let Value::Array(items) = value else { return };
        let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
        let mut elements = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            match item_element(self.of.schema, list, item) {
                Ok(element) => {
                    if !seen.insert(element.clone()) {
                        repeated.insert(element.clone());
                    }
                    elements.push((element, item));
                }
                Err(message) => self.trail.issue(format!("element {at}: {message}")),
            }
        }
        for (element, item) in elements {
            let alone = !repeated.contains(&element);
            self.trail.path.push(element);
            // Items that share a key are owned together, without what is inside them.
            if alone {
                self.value(list.element, item);
            }
            self.out.insert(&self.trail.path);
            self.trail.path.pop();
        }
    }
}
