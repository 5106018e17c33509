//! Merging two objects: the second wins wherever both say something.

use serde_json::Value;

use crate::schema::{ListRel, Map, MapRel, Scalar, TypeId};

use super::list::Order;
use super::typed::{NULL, Shape, Shapes, Trail, is_hollow, item_element, items, zip_fields};
use super::validate::check_scalar;
use super::{Duplicates, Element, Typed, TypedError};

impl Typed<'_> {
    /// This value with `config`, of the same type, laid over it. Nothing is removed. Items of
    /// `config` keep their order, those it does not mention stay near their neighbours.
    ///
    /// # Errors
    /// When a value does not fit the type.
    pub fn merge(&self, config: &Typed<'_>) -> Result<Self, TypedError> {
        let mut walk = Walk {
            of: self,
            trail: Trail::default(),
        };
        let merged = walk.value(self.ty, Some(self.value()), Some(config.value()));
        walk.trail.finish()?;
        Ok(self.with(merged.unwrap_or(Value::Null)))
    }
}

struct Walk<'a> {
    of: &'a Typed<'a>,
    trail: Trail,
}

impl Walk<'_> {
    fn value(&mut self, ty: TypeId, lhs: Option<&Value>, rhs: Option<&Value>) -> Option<Value> {
        let schema = self.of.schema;
        let atom = schema.get(ty);
        // Where the two have different shapes, the second one's counts.
        let shapes = Shapes::of(atom, if rhs.is_some() { rhs } else { lhs });
        match shapes.pick(atom) {
            Shape::Map(map) => self.map(map, lhs, rhs),
            Shape::Scalar(scalar) => self.scalar(scalar, lhs, rhs),
            Shape::List(list) => self.list(list, lhs, rhs),
            Shape::Nothing => {
                self.trail
                    .issue("schema error: no type found matching: inlined type");
                None
            }
        }
    }

    fn scalar(
        &mut self,
        scalar: Scalar,
        lhs: Option<&Value>,
        rhs: Option<&Value>,
    ) -> Option<Value> {
        if let (Err(left), Err(right)) = (check_scalar(scalar, lhs), check_scalar(scalar, rhs)) {
            self.trail.issue(format!("lhs: {left}"));
            self.trail.issue(format!("rhs: {right}"));
            return None;
        }
        rhs.or(lhs).cloned()
    }

    fn map(&mut self, map: &Map, lhs: Option<&Value>, rhs: Option<&Value>) -> Option<Value> {
        let hollow = is_hollow(lhs, false) && is_hollow(rhs, false);
        if map.relation == MapRel::Atomic || hollow {
            return rhs.or(lhs).cloned();
        }
        let mut out = serde_json::Map::new();
        for (name, left, right) in zip_fields(lhs, rhs) {
            self.trail.path.push(Element::field(name));
            match map.field_type(name) {
                Some(ty) => {
                    if let Some(merged) = self.value(ty, left, right) {
                        out.insert(name.clone(), merged);
                    }
                }
                None => self.trail.issue("field not declared in schema"),
            }
            self.trail.path.pop();
        }
        (!out.is_empty()).then_some(Value::Object(out))
    }

    fn list(
        &mut self,
        list: &crate::schema::List,
        lhs: Option<&Value>,
        rhs: Option<&Value>,
    ) -> Option<Value> {
        let hollow = is_hollow(lhs, true) && is_hollow(rhs, true);
        if list.relation == ListRel::Atomic || hollow {
            return rhs.or(lhs).cloned();
        }
        let (left, right) = (items(lhs), items(rhs));
        let right_elements = self.elements(list, right, Duplicates::Refused)?;
        let left_elements = self.elements(list, left, Duplicates::Allowed)?;
        let mut out = Vec::with_capacity(left.len().max(right.len()));
        for step in Order::new(&left_elements, &right_elements) {
            let left_item = step.left.map(|at| match at {
                super::list::Left::At(at) => left.get(at).unwrap_or(NULL),
                super::list::Left::Repeated => NULL,
            });
            let right_item = step.right.and_then(|at| right.get(at));
            self.trail.path.push(step.element.clone());
            out.extend(self.value(list.element, left_item, right_item));
            self.trail.path.pop();
        }
        (!out.is_empty()).then_some(Value::Array(out))
    }

    fn elements(
        &mut self,
        list: &crate::schema::List,
        items: &[Value],
        duplicates: Duplicates,
    ) -> Option<Vec<Element>> {
        let mut seen = std::collections::BTreeSet::new();
        let mut elements = Vec::with_capacity(items.len());
        let mut sound = true;
        for (at, item) in items.iter().enumerate() {
            match item_element(self.of.schema, list, item) {
                Ok(element) => {
                    if !seen.insert(element.clone()) && duplicates == Duplicates::Refused {
                        self.trail
                            .issue(format!("duplicate entries for key {element}"));
                        sound = false;
                    }
                    elements.push(element);
                }
                Err(message) => {
                    self.trail.issue(format!("element {at}: {message}"));
                    sound = false;
                }
            }
        }
        sound.then_some(elements)
    }
}
