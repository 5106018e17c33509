//! From the tables to the schema that merging works on.

use std::collections::BTreeSet;

use super::{Field, ListRule, Ref, Shape, Type, TypeIx};
use crate::schema::{
    self, Atom, Builder, List, ListRel, Map, MapRel, Patch, Scalar, Schema, TypeId,
};

/// The schema of all types, each under its name in the tables.
pub(super) fn build(types: &[Type]) -> Result<Schema, schema::Error> {
    let mut builder = Builder::new();
    let mut made = Making::new(&mut builder, types);
    for ty in types {
        made.define(ty);
    }
    builder.build()
}

/// Adds the type called `name` to `builder`, with all that it refers to.
pub(super) fn import(types: &[Type], root: TypeIx, builder: &mut Builder) -> TypeId {
    let mut made = Making::new(builder, types);
    let mut wanted = vec![root];
    let mut seen = BTreeSet::new();
    while let Some(ix) = wanted.pop() {
        let Some(ty) = types.get(ix.0).filter(|_| seen.insert(ix)) else {
            continue;
        };
        made.define(ty);
        wanted.extend(ty.fields.iter().filter_map(|f| base(&f.ty)));
    }
    made.id(&Ref::Type(root))
}

fn base(ty: &Ref) -> Option<TypeIx> {
    match ty {
        Ref::Type(ix) => Some(*ix),
        Ref::List(inner) | Ref::Map(inner) => base(inner),
        Ref::String | Ref::Bytes | Ref::Int32 | Ref::Int64 | Ref::Number => None,
        Ref::Bool | Ref::Any | Ref::Free => None,
    }
}

struct Making<'b> {
    builder: &'b mut Builder,
    types: &'b [Type],
    scalars: Scalars,
}

#[derive(Clone, Copy)]
struct Scalars {
    string: TypeId,
    integer: TypeId,
    number: TypeId,
    boolean: TypeId,
}

impl Scalars {
    fn new(builder: &mut Builder) -> Self {
        let mut add = |scalar| builder.add(Atom::scalar(scalar));
        Self {
            string: add(Scalar::String),
            integer: add(Scalar::Integer),
            number: add(Scalar::Number),
            boolean: add(Scalar::Boolean),
        }
    }
}

impl<'b> Making<'b> {
    fn new(builder: &'b mut Builder, types: &'b [Type]) -> Self {
        let scalars = Scalars::new(builder);
        Self {
            builder,
            types,
            scalars,
        }
    }

    fn define(&mut self, ty: &Type) {
        let relation = if ty.atomic {
            MapRel::Atomic
        } else {
            MapRel::Separable
        };
        let atom = match ty.shape {
            Shape::Object => {
                let fields = ty.fields.iter().map(|f| self.field(f)).collect();
                Atom::map(Map::new(fields, None, relation))
            }
            Shape::Time | Shape::MicroTime | Shape::Quantity => Atom::scalar(Scalar::Untyped),
            Shape::IntOrString => Atom::scalar(Scalar::IntOrString),
            Shape::Free | Shape::Fields => Atom::map(Map::new(
                Vec::new(),
                Some(TypeId::UNTYPED_DEDUCED),
                relation,
            )),
            Shape::Strings => Atom::list(self.scalars.string, ListRel::Atomic),
            Shape::Extension => untyped(TypeId::UNTYPED_ATOMIC, MapRel::Atomic),
            Shape::Json | Shape::SchemaOrArray | Shape::SchemaOrBool | Shape::SchemaOrStrings => {
                untyped(TypeId::UNTYPED_DEDUCED, MapRel::Separable)
            }
        };
        self.builder.define(ty.name, atom);
    }

    fn field(&mut self, field: &Field) -> schema::Field {
        let id = if let Ref::List(item) = &field.ty {
            let element = self.id(item);
            self.builder.add(Atom::list(element, relation(field, item)))
        } else {
            self.id(&field.ty)
        };
        let id = match field.map_atomic {
            Some(atomic) => self.builder.with_atomicity(id, atomic),
            None => id,
        };
        let mut out = schema::Field::new(field.name, id);
        if let Some(default) = field.default.and_then(|d| serde_json::from_str(d).ok()) {
            out = out.with_default(default);
        }
        if let Some((strategies, key)) = field.patch {
            out = out.with_patch(Patch {
                merge: strategies.split(',').any(|s| s == "merge"),
                retain_keys: strategies.split(',').any(|s| s == "retainKeys"),
                merge_key: (!key.is_empty()).then(|| key.into()),
            });
        }
        out
    }

    fn id(&mut self, ty: &Ref) -> TypeId {
        match ty {
            Ref::String | Ref::Bytes => self.scalars.string,
            Ref::Int32 | Ref::Int64 => self.scalars.integer,
            Ref::Number => self.scalars.number,
            Ref::Bool => self.scalars.boolean,
            Ref::Any => TypeId::UNTYPED_DEDUCED,
            Ref::Free => {
                let any = Some(TypeId::UNTYPED_DEDUCED);
                let map = Map::new(Vec::new(), any, MapRel::Separable);
                self.builder.add(Atom::map(map))
            }
            Ref::Type(ix) => {
                let name = self.types.get(ix.0).map(|t| t.name);
                name.map_or(TypeId::UNTYPED_DEDUCED, |name| self.builder.declare(name))
            }
            Ref::List(item) => {
                let element = self.id(item);
                self.builder.add(Atom::list(element, ListRel::Atomic))
            }
            Ref::Map(value) => {
                let element = self.id(value);
                let map = Map::new(Vec::new(), Some(element), MapRel::Separable);
                self.builder.add(Atom::map(map))
            }
        }
    }
}

/// How two lists of a field are merged: as its list type says, else as its patch strategy does.
fn relation(field: &Field, item: &Ref) -> ListRel {
    match (&field.list, field.patch) {
        (Some(ListRule::Atomic), _) => ListRel::Atomic,
        (Some(ListRule::Set), _) => ListRel::Set,
        (Some(ListRule::Map(keys)), _) => ListRel::Map {
            keys: keys.iter().map(|&k| k.into()).collect(),
        },
        (None, Some((strategies, key))) if strategies.split(',').any(|s| s == "merge") => {
            match (key, item) {
                ("", Ref::Type(_)) => ListRel::Atomic,
                ("", _) => ListRel::Set,
                (key, _) => ListRel::Map {
                    keys: vec![key.into()],
                },
            }
        }
        (None, _) => ListRel::Atomic,
    }
}

fn untyped(values: TypeId, relation: MapRel) -> Atom {
    Atom {
        scalar: Some(Scalar::Untyped),
        list: Some(List {
            element: TypeId::UNTYPED_ATOMIC,
            relation: ListRel::Atomic,
        }),
        map: Some(Map::new(Vec::new(), Some(values), relation)),
    }
}
