//! What the merge code has to know about kinds: which lists are sets or maps, which maps are
//! atomic, which keys have defaults, how strategic merge patches treat a field.
//!
//! A [`Schema`] is an arena: types refer to one another by [`TypeId`], so they may be recursive.
//! It is filled through [`Builder`], from the generated tables or from a CRD. It holds no
//! validation rules (required, formats, bounds) and no documentation: those stand elsewhere.

mod build;
#[cfg(test)]
pub(crate) mod smd;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

pub use build::{Builder, Error};

/// A type of one [`Schema`]; meaningless with any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(u32);

impl TypeId {
    /// Free-form content whose lists and maps are each owned as a whole. In every schema.
    pub const UNTYPED_ATOMIC: Self = Self(0);
    /// Free-form content whose maps are merged field by field and whose lists are owned as a
    /// whole. In every schema.
    pub const UNTYPED_DEDUCED: Self = Self(1);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// The types of one or several kinds. Immutable once built.
#[derive(Clone, Debug)]
pub struct Schema {
    types: Vec<Atom>,
    names: BTreeMap<Box<str>, TypeId>,
}

/// The shapes that a value of a type may have. More than one only where content is free-form.
#[derive(Clone, Debug, Default)]
pub struct Atom {
    /// Set when the value may be a scalar.
    pub scalar: Option<Scalar>,
    /// Set when the value may be a list.
    pub list: Option<List>,
    /// Set when the value may be a map.
    pub map: Option<Map>,
}

/// The kinds of scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A string.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A whole number or a string.
    IntOrString,
    /// Any of these.
    Untyped,
}

/// A list.
#[derive(Clone, Debug)]
pub struct List {
    /// Type of every item.
    pub element: TypeId,
    /// How two lists are merged.
    pub relation: ListRel,
}

/// How the items of two lists correspond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListRel {
    /// Not at all: the list is owned and replaced as a whole.
    Atomic,
    /// By their value; items are scalars, each at most once.
    Set,
    /// By the values of these fields of the items, at least one.
    Map {
        /// Names of the key fields, in the schema's order.
        keys: Vec<Box<str>>,
    },
}

/// A struct, a map, or both.
#[derive(Clone, Debug)]
pub struct Map {
    fields: Vec<Field>,
    /// Type of the values of undeclared fields; `None` when only declared fields may occur.
    pub element: Option<TypeId>,
    /// How two maps are merged.
    pub relation: MapRel,
}

/// How two maps are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapRel {
    /// Field by field.
    Separable,
    /// The map is owned and replaced as a whole.
    Atomic,
}

/// A declared field of a map.
#[derive(Clone, Debug)]
pub struct Field {
    /// Name in JSON.
    pub name: Box<str>,
    /// Type of the value.
    pub ty: TypeId,
    /// Default, used where the field is a key of a list's items and is left out.
    pub default: Option<Value>,
    /// How a strategic merge patch treats the field.
    pub patch: Patch,
}

/// How a strategic merge patch treats a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Whether a list is merged instead of replaced (`merge`).
    pub merge: bool,
    /// Whether the patch lists the fields that stay (`retainKeys`).
    pub retain_keys: bool,
    /// The field that tells the items of a merged list apart; `None` for lists of scalars.
    pub merge_key: Option<Box<str>>,
}

impl Schema {
    /// A schema without types of its own.
    #[must_use]
    pub fn untyped() -> Self {
        Builder::new().build_untyped()
    }

    /// The type `id`; a type that no schema has accepts nothing.
    #[must_use]
    pub fn get(&self, id: TypeId) -> &Atom {
        const NOTHING: &Atom = &Atom {
            scalar: None,
            list: None,
            map: None,
        };
        self.types.get(id.index()).unwrap_or(NOTHING)
    }

    /// The type that was named `name`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<TypeId> {
        self.names.get(name).copied()
    }

    /// The named types, by name.
    pub fn names(&self) -> impl Iterator<Item = (&str, TypeId)> {
        self.names.iter().map(|(name, id)| (&**name, *id))
    }

    /// The type of `field` inside a value of type `id`: the declared one, else the element type.
    #[must_use]
    pub fn field(&self, id: TypeId, field: &str) -> Option<TypeId> {
        self.get(id).map.as_ref()?.field_type(field)
    }

    /// How many types there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are only the untyped ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.len() <= 2
    }
}

impl Atom {
    /// A type of scalars.
    #[must_use]
    pub fn scalar(scalar: Scalar) -> Self {
        Self {
            scalar: Some(scalar),
            ..Self::default()
        }
    }

    /// A type of lists.
    #[must_use]
    pub fn list(element: TypeId, relation: ListRel) -> Self {
        Self {
            list: Some(List { element, relation }),
            ..Self::default()
        }
    }

    /// A type of structs: only these fields, merged field by field.
    #[must_use]
    pub fn fields(fields: Vec<Field>) -> Self {
        Self::map(Map::new(fields, None, MapRel::Separable))
    }

    /// A type of maps.
    #[must_use]
    pub fn map(map: Map) -> Self {
        Self {
            map: Some(map),
            ..Self::default()
        }
    }
}

impl Map {
    /// A map of declared `fields`, and of others of type `element` if there is one. Of several
    /// fields of one name the last counts.
    #[must_use]
    pub fn new(mut fields: Vec<Field>, element: Option<TypeId>, relation: MapRel) -> Self {
        fields.reverse();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        fields.dedup_by(|later, kept| later.name == kept.name);
        Self {
            fields,
            element,
            relation,
        }
    }

    /// The declared fields, by name.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The declared field `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|f| (*f.name).cmp(name)).ok()?;
        self.fields.get(at)
    }

    /// The type of field `name`: the declared one, else the element type.
    #[must_use]
    pub fn field_type(&self, name: &str) -> Option<TypeId> {
        self.field(name).map(|f| f.ty).or(self.element)
    }
}

impl Field {
    /// A field without default and with the usual treatment by patches.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, ty: TypeId) -> Self {
        Self {
            name: name.into(),
            ty,
            default: None,
            patch: Patch::default(),
        }
    }

    /// With a default, for key fields.
    #[must_use]
    pub fn with_default(mut self, default: Value) -> Self {
        self.default = Some(default);
        self
    }

    /// With a treatment by strategic merge patches.
    #[must_use]
    pub fn with_patch(mut self, patch: Patch) -> Self {
        self.patch = patch;
        self
    }
}
