//! Objects without some fields, or with only some.

use serde_json::Value;

use crate::schema::{List, ListRel, Map, MapRel, Schema, TypeId};

use super::typed::{Shape, Shapes, item_element};
use super::{Element, Set, Typed};

impl Typed<'_> {
    /// The value without `fields`; null if nothing is left. Fields inside atomic ones stay.
    #[must_use]
    pub fn remove_items(&self, fields: &Set) -> Self {
        let walk = Walk {
            schema: self.schema,
            what: What::Remove,
        };
        self.with(walk.value(self.ty, self.value(), fields))
    }

    /// The value with only `fields`, and null if there is none of them.
    #[must_use]
    pub fn extract_items(&self, fields: &Set) -> Self {
        let walk = Walk {
            schema: self.schema,
            what: What::Extract,
        };
        self.with(walk.value(self.ty, self.value(), fields))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Remove,
    Extract,
}

struct Walk<'s> {
    schema: &'s Schema,
    what: What,
}

impl Walk<'_> {
    fn value(&self, ty: TypeId, value: &Value, fields: &Set) -> Value {
        let atom = self.schema.get(ty);
        match Shapes::of(atom, Some(value)).pick(atom) {
            Shape::Map(map) => self.map(map, value, fields),
            Shape::Scalar(_) => value.clone(),
            Shape::List(list) => self.list(list, value, fields),
            Shape::Nothing => Value::Null,
        }
    }

    /// What becomes of a value that is owned as a whole, or empty, when only part of it is meant.
    fn whole(&self, value: &Value) -> Value {
        match self.what {
            What::Extract => value.clone(),
            What::Remove => Value::Null,
        }
    }

    fn map(&self, map: &Map, value: &Value, fields: &Set) -> Value {
        let Value::Object(entries) = value else {
            return Value::Null;
        };
        if entries.is_empty() || map.relation == MapRel::Atomic {
            return self.whole(value);
        }
        let mut out = serde_json::Map::new();
        for (name, value) in entries {
            let element = Element::field(name);
            // Undeclared fields have no inside that could be taken apart.
            let inner = |fields| match map.field_type(name) {
                Some(ty) => self.value(ty, value, fields),
                None => value.clone(),
            };
            if fields.members.contains(&element) {
                if self.what == What::Extract {
                    out.insert(name.clone(), inner(fields));
                }
                continue;
            }
            let kept = match (fields.inside(&element), self.what) {
                (Some(inside), _) => inner(inside),
                (None, What::Remove) => value.clone(),
                (None, What::Extract) => continue,
            };
            out.insert(name.clone(), kept);
        }
        if out.is_empty() {
            Value::Null
        } else {
            Value::Object(out)
        }
    }

    fn list(&self, list: &List, value: &Value, fields: &Set) -> Value {
        let Value::Array(items) = value else {
            return Value::Null;
        };
        if items.is_empty() || list.relation == ListRel::Atomic {
            return self.whole(value);
        }
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            let element = item_element(self.schema, list, item).ok();
            let named = element.as_ref().is_some_and(|e| fields.members.contains(e));
            let inside = element.as_ref().and_then(|e| fields.inside(e));
            let kept = match (self.what, named, inside) {
                (What::Remove, true, _) | (What::Extract, false, None) => continue,
                (_, _, Some(inside)) => self.value(list.element, item, inside),
                (_, _, None) => item.clone(),
            };
            out.push(kept);
        }
        if out.is_empty() {
            Value::Null
        } else {
            Value::Array(out)
        }
    }
}
