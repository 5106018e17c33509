//! Sets of fields after a schema has changed.
//!
//! What has become atomic is owned as a whole by whoever owned a part of it. What was atomic and
//! is so no more needs nothing: it is treated as if it had never been.

use crate::schema::{List, ListRel, Map, MapRel, Scalar, TypeId};

use super::typed::{Shape, Shapes, Trail};
use super::{Element, Set, Typed, TypedError};

impl Typed<'_> {
    /// `fields` as the value's schema has them; `None` if nothing changes.
    ///
    /// # Errors
    /// When the schema has a type without any shape.
    pub fn reconcile(&self, fields: &Set) -> Result<Option<Set>, TypedError> {
        let mut walk = Walk {
            of: self,
            whole: Set::new(),
            trail: Trail::default(),
        };
        walk.fields(self.ty, Some(fields), Member::Partly);
        walk.trail.finish()?;
        if walk.whole.is_empty() {
            return Ok(None);
        }
        Ok(Some(fields.without(&walk.whole).union(&walk.whole)))
    }
}

struct Walk<'a> {
    of: &'a Typed<'a>,
    whole: Set,
    trail: Trail,
}

/// How a field is in the set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    /// Itself, with nothing inside it.
    Wholly,
    /// With something inside it.
    Partly,
}

impl Walk<'_> {
    fn fields(&mut self, ty: TypeId, fields: Option<&Set>, member: Member) {
        let schema = self.of.schema;
        let atom = schema.get(ty);
        match Shapes::of(atom, None).pick(atom) {
            Shape::Map(map) => self.map(map, fields, member),
            Shape::Scalar(_) => {}
            Shape::List(list) => self.list(list, fields, member),
            Shape::Nothing => {
                self.trail
                    .issue("schema error: no type found matching: inlined type");
            }
        }
    }

    fn map(&mut self, map: &Map, fields: Option<&Set>, member: Member) {
        if self.is_free_form(map) {
            return;
        }
        if member == Member::Partly && map.relation == MapRel::Atomic {
            if fields.is_some_and(|fields| !fields.is_empty()) {
                self.whole.insert(&self.trail.path);
            }
            return;
        }
        self.inside(fields, |element| match element {
            Element::Field(name) => map.field_type(name),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => map.element,
        });
    }

    fn list(&mut self, list: &List, fields: Option<&Set>, member: Member) {
        if member == Member::Partly && list.relation == ListRel::Atomic {
            self.whole.insert(&self.trail.path);
            return;
        }
        self.inside(fields, |_| Some(list.element));
    }

    fn inside(&mut self, fields: Option<&Set>, ty: impl Fn(&Element) -> Option<TypeId>) {
        let Some(fields) = fields else { return };
        let only_members = fields
            .members
            .iter()
            .filter(|e| !fields.children.contains_key(e));
        let members = only_members.map(|element| (element, None, Member::Wholly));
        let children = fields.children.iter();
        let children = children.map(|(element, child)| (element, Some(child), Member::Partly));
        for (element, child, member) in members.chain(children) {
            if let Some(ty) = ty(element) {
                self.trail.path.push(element.clone());
                self.fields(ty, child, member);
                self.trail.path.pop();
            }
        }
    }

    /// Content without declared fields says nothing about what is atomic.
    fn is_free_form(&self, map: &Map) -> bool {
        let untyped = |ty: TypeId| {
            let scalar = self.of.schema.get(ty).scalar;
            ty == TypeId::UNTYPED_DEDUCED
                || (scalar == Some(Scalar::Untyped) && ty != TypeId::UNTYPED_ATOMIC)
        };
        map.fields().is_empty() && map.element.is_some_and(untyped)
    }
}
