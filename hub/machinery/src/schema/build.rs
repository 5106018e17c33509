//! Filling a [`Schema`].
//!
//! Names may be used before they are defined; [`Builder::build`] reports those that never are.

use std::collections::BTreeMap;

use super::{Atom, List, ListRel, Map, MapRel, Scalar, Schema, TypeId};

/// Why a schema cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A type was declared and used, but never defined.
    #[error("type {0:?} is not defined")]
    Undefined(String),
    /// A type is an alias of itself.
    #[error("type {0} refers only to itself")]
    Circular(u32),
}

/// A schema in the making.
#[derive(Clone, Debug)]
pub struct Builder {
    types: Vec<Def>,
    names: BTreeMap<Box<str>, TypeId>,
}

#[derive(Clone, Debug)]
enum Def {
    Declared,
    Atom(Atom),
    Alias {
        target: TypeId,
        atomic: Option<bool>,
    },
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// With the untyped types only.
    #[must_use]
    pub fn new() -> Self {
        Self {
            types: vec![
                Def::Atom(untyped(TypeId::UNTYPED_ATOMIC, MapRel::Atomic)),
                Def::Atom(untyped(TypeId::UNTYPED_DEDUCED, MapRel::Separable)),
            ],
            names: BTreeMap::new(),
        }
    }

    /// With all types of `schema`, whose ids stay valid.
    #[must_use]
    pub fn from_schema(schema: &Schema) -> Self {
        Self {
            types: schema.types.iter().cloned().map(Def::Atom).collect(),
            names: schema.names.clone(),
        }
    }

    /// Adds a type without a name.
    pub fn add(&mut self, atom: Atom) -> TypeId {
        self.push(Def::Atom(atom))
    }

    /// Adds a type that is not known yet: [`Self::set`] it before building.
    pub fn reserve(&mut self) -> TypeId {
        self.push(Def::Declared)
    }

    /// The type of that name, now or later defined with [`Self::define`].
    pub fn declare(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.names.get(name) {
            return *id;
        }
        let id = self.push(Def::Declared);
        self.names.insert(name.into(), id);
        id
    }

    /// Defines the type of that name, replacing an earlier definition.
    pub fn define(&mut self, name: &str, atom: Atom) -> TypeId {
        let id = self.declare(name);
        self.set(id, atom);
        id
    }

    /// Defines or redefines type `id`; ids of other builders are ignored.
    pub fn set(&mut self, id: TypeId, atom: Atom) {
        if let Some(def) = self.types.get_mut(id.index()) {
            *def = Def::Atom(atom);
        }
    }

    /// Makes type `id` mean `target`.
    pub fn set_alias(&mut self, id: TypeId, target: TypeId) {
        if let Some(def) = self.types.get_mut(id.index()) {
            *def = Def::Alias {
                target,
                atomic: None,
            };
        }
    }

    /// Adds a type like `target`, whose maps and lists are atomic, or (lists become sets or keep
    /// their keys) are not.
    pub fn with_atomicity(&mut self, target: TypeId, atomic: bool) -> TypeId {
        self.push(Def::Alias {
            target,
            atomic: Some(atomic),
        })
    }

    /// The schema.
    ///
    /// # Errors
    /// When a declared type is not defined, or an alias leads back to itself.
    pub fn build(self) -> Result<Schema, Error> {
        let mut types = Vec::with_capacity(self.types.len());
        for at in 0..self.types.len() {
            types.push(self.resolve(at)?);
        }
        Ok(Schema {
            types,
            names: self.names,
        })
    }

    pub(super) fn build_untyped(self) -> Schema {
        let types = self.types.into_iter().map(|def| match def {
            Def::Atom(atom) => atom,
            Def::Declared | Def::Alias { .. } => Atom::default(),
        });
        Schema {
            types: types.collect(),
            names: self.names,
        }
    }

    fn push(&mut self, def: Def) -> TypeId {
        // Ids are u32: four thousand million types do not fit into memory.
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        self.types.push(def);
        id
    }

    fn resolve(&self, start: usize) -> Result<Atom, Error> {
        let (mut at, mut wanted) = (start, None);
        for _ in 0..=self.types.len() {
            match self.types.get(at) {
                None | Some(Def::Declared) => return Err(Error::Undefined(self.name_of(at))),
                Some(Def::Atom(atom)) => return Ok(override_atomicity(atom.clone(), wanted)),
                Some(Def::Alias { target, atomic }) => {
                    wanted = wanted.or(*atomic);
                    at = target.index();
                }
            }
        }
        Err(Error::Circular(u32::try_from(start).unwrap_or(u32::MAX)))
    }

    fn name_of(&self, at: usize) -> String {
        let named = self.names.iter().find(|(_, id)| id.index() == at);
        named.map_or_else(|| format!("#{at}"), |(name, _)| name.to_string())
    }
}

fn untyped(id: TypeId, relation: MapRel) -> Atom {
    Atom {
        scalar: Some(Scalar::Untyped),
        list: Some(List {
            element: TypeId::UNTYPED_ATOMIC,
            relation: ListRel::Atomic,
        }),
        map: Some(Map::new(Vec::new(), Some(id), relation)),
    }
}

fn override_atomicity(mut atom: Atom, atomic: Option<bool>) -> Atom {
    let Some(atomic) = atomic else { return atom };
    if let Some(map) = &mut atom.map {
        map.relation = if atomic {
            MapRel::Atomic
        } else {
            MapRel::Separable
        };
    }
    if let Some(list) = &mut atom.list {
        if atomic {
            list.relation = ListRel::Atomic;
        } else if list.relation == ListRel::Atomic {
            list.relation = ListRel::Set;
        }
    }
    atom
}
