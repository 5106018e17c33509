//! What one object adds to, removes from and changes in another.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::schema::{List, ListRel, Map, MapRel, Scalar, TypeId};

use super::typed::{Shape, Shapes, Trail, is_hollow, item_element, items, zip_fields};
use super::validate::check_scalar;
use super::{Element, Set, Typed, TypedError, equal};

/// The differences between two objects. No path is in more than one of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What only the first has.
    pub removed: Set,
    /// What both have, with different values.
    pub modified: Set,
    /// What only the second has.
    pub added: Set,
}

impl Typed<'_> {
    /// The differences from this value to `other`, which has the same type.
    ///
    /// # Errors
    /// When a value does not fit the type.
    pub fn compare(&self, other: &Typed<'_>) -> Result<Comparison, TypedError> {
        let mut walk = Walk {
            of: self,
            out: Comparison::default(),
            trail: Trail::default(),
        };
        walk.value(self.ty, Some(self.value()), Some(other.value()));
        walk.trail.finish()?;
        Ok(walk.out)
    }
}

struct Walk<'a> {
    of: &'a Typed<'a>,
    out: Comparison,
    trail: Trail,
}

/// Whether a value was treated as one thing, or piece by piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treated {
    Whole,
    Pieces,
}

impl Walk<'_> {
    fn value(&mut self, ty: TypeId, lhs: Option<&Value>, rhs: Option<&Value>) {
        let schema = self.of.schema;
        let atom = schema.get(ty);
        let (left, right) = (Shapes::of(atom, lhs), Shapes::of(atom, rhs));
        let treated = if rhs.is_none() {
            self.shape(left.pick(atom), lhs, rhs)
        } else if lhs.is_none() || left == right {
            self.shape(right.pick(atom), lhs, rhs)
        } else {
            self.shape(left.pick(atom), lhs, rhs);
            self.shape(right.pick(atom), lhs, rhs)
        };
        if treated == Treated::Pieces {
            if lhs.is_none() {
                self.out.added.insert(&self.trail.path);
            } else if rhs.is_none() {
                self.out.removed.insert(&self.trail.path);
            }
        }
    }

    fn shape(&mut self, shape: Shape<'_>, lhs: Option<&Value>, rhs: Option<&Value>) -> Treated {
        match shape {
            Shape::Map(map) => self.map(map, lhs, rhs),
            Shape::Scalar(scalar) => self.scalar(scalar, lhs, rhs),
            Shape::List(list) => self.list(list, lhs, rhs),
            Shape::Nothing => {
                self.trail
                    .issue("schema error: no type found matching: inlined type");
                Treated::Pieces
            }
        }
    }

    fn whole(&mut self, lhs: Option<&Value>, rhs: Option<&Value>) -> Treated {
        let path = &self.trail.path;
        match (lhs, rhs) {
            (None, _) => self.out.added.insert(path),
            (Some(_), None) => self.out.removed.insert(path),
            (Some(lhs), Some(rhs)) if !equal(lhs, rhs) => self.out.modified.insert(path),
            (Some(_), Some(_)) => {}
        }
        Treated::Whole
    }

    fn scalar(&mut self, scalar: Scalar, lhs: Option<&Value>, rhs: Option<&Value>) -> Treated {
        if let (Err(left), Err(right)) = (check_scalar(scalar, lhs), check_scalar(scalar, rhs)) {
            self.trail.issue(format!("lhs: {left}"));
            self.trail.issue(format!("rhs: {right}"));
            return Treated::Pieces;
        }
        self.whole(lhs, rhs)
    }

    fn map(&mut self, map: &Map, lhs: Option<&Value>, rhs: Option<&Value>) -> Treated {
        let hollow = is_hollow(lhs, false) && is_hollow(rhs, false);
        if map.relation == MapRel::Atomic || hollow {
            return self.whole(lhs, rhs);
        }
        for (name, left, right) in zip_fields(lhs, rhs) {
            self.trail.path.push(Element::field(name));
            match map.field_type(name) {
                Some(ty) => self.value(ty, left, right),
                None => self.trail.issue("field not declared in schema"),
            }
            self.trail.path.pop();
        }
        Treated::Pieces
    }

    fn list(&mut self, list: &List, lhs: Option<&Value>, rhs: Option<&Value>) -> Treated {
        let hollow = is_hollow(lhs, true) && is_hollow(rhs, true);
        if list.relation == ListRel::Atomic || hollow {
            return self.whole(lhs, rhs);
        }
        let mut groups: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for (element, item) in self.elements(list, items(lhs)) {
            groups.entry(element).or_default().0.push(item);
        }
        for (element, item) in self.elements(list, items(rhs)) {
            groups.entry(element).or_default().1.push(item);
        }
        for (element, (left, right)) in groups {
            self.trail.path.push(element);
            self.group(list.element, &left, &right);
            self.trail.path.pop();
        }
        Treated::Pieces
    }

    /// Items of one key: at most one on each side, unless there are duplicates, which are owned
    /// together.
    fn group(&mut self, ty: TypeId, left: &[&Value], right: &[&Value]) {
        match (left, right) {
            ([] | [_], [] | [_]) => self.value(ty, left.first().copied(), right.first().copied()),
            ([_, _, ..], [_, _, ..]) => {
                let pairs = left.iter().zip(right);
                if left.len() != right.len() || pairs.into_iter().any(|(l, r)| !equal(l, r)) {
                    self.out.modified.insert(&self.trail.path);
                }
            }
            ([_, _, ..], [] | [_]) => {
                if let Some(right) = right.first() {
                    self.value(ty, None, Some(right));
                }
                self.out.removed.insert(&self.trail.path);
            }
            ([] | [_], [_, _, ..]) => {
                if let Some(left) = left.first() {
                    self.value(ty, Some(left), None);
                }
                self.out.added.insert(&self.trail.path);
            }
        }
    }

    fn elements<'v>(&mut self, list: &List, items: &'v [Value]) -> Vec<(Element, &'v Value)> {
        let mut elements = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            match item_element(self.of.schema, list, item) {
                Ok(element) => elements.push((element, item)),
                Err(message) => self.trail.issue(format!("element {at}: {message}")),
            }
        }
        elements
    }
}
