//! From a structural schema to the types that merging works on.

use crate::schema::{
    self, Atom, Builder, Field, List, ListRel, Map, MapRel, Scalar, Schema, TypeId,
};
use crate::tables::Tables;
use crate::validate::{Kind, ListType, Node};

/// The types of a custom kind, and that of its objects.
pub(super) fn schema(root: &Node, tables: &Tables) -> Result<(Schema, TypeId), schema::Error> {
    let mut builder = Builder::new();
    let metadata = tables.import(&mut builder, "meta.v1.ObjectMeta");
    let mut made = Making { builder };
    let id = made.object(root, metadata);
    Ok((made.builder.build()?, id))
}

struct Making {
    builder: Builder,
}

impl Making {
    /// An object with version, kind and metadata.
    fn object(&mut self, node: &Node, metadata: TypeId) -> TypeId {
        let mut fields = self.fields(node);
        for name in ["apiVersion", "kind"] {
            let id = self.builder.add(Atom::scalar(Scalar::String));
            fields.push(Field::new(name, id));
        }
        fields.push(Field::new("metadata", metadata));
        let element = self.element(node);
        let map = Map::new(fields, element, relation(node));
        self.builder.add(Atom::map(map))
    }

    fn id(&mut self, node: &Node) -> TypeId {
        let atom = match node.kind {
            None => return TypeId::UNTYPED_DEDUCED,
            Some(Kind::String) => Atom::scalar(Scalar::String),
            Some(Kind::Integer(_)) => Atom::scalar(Scalar::Integer),
            Some(Kind::Number) => Atom::scalar(Scalar::Number),
            Some(Kind::Boolean) => Atom::scalar(Scalar::Boolean),
            Some(Kind::IntOrString) => Atom::scalar(Scalar::IntOrString),
            Some(Kind::Array) => self.list(node),
            Some(Kind::Object) if node.embedded => {
                return self.object(node, TypeId::UNTYPED_DEDUCED);
            }
            Some(Kind::Object) => {
                let fields = self.fields(node);
                let element = self.element(node);
                Atom::map(Map::new(fields, element, relation(node)))
            }
        };
        self.builder.add(atom)
    }

    fn fields(&mut self, node: &Node) -> Vec<Field> {
        let mut fields = Vec::new();
        for (name, child) in &node.properties {
            let mut field = Field::new(name.as_str(), self.id(child));
            if let Some(default) = &child.default {
                field = field.with_default(default.clone());
            }
            fields.push(field);
        }
        fields
    }

    fn element(&mut self, node: &Node) -> Option<TypeId> {
        match &node.additional {
            Some(additional) => Some(self.id(additional)),
            None => node.preserve_unknown.then_some(TypeId::UNTYPED_DEDUCED),
        }
    }

    fn list(&mut self, node: &Node) -> Atom {
        let element = match &node.items {
            Some(items) => self.id(items),
            None => TypeId::UNTYPED_ATOMIC,
        };
        let relation = match &node.list_type {
            Some(ListType::Set) => ListRel::Set,
            Some(ListType::Map(keys)) => ListRel::Map {
                keys: keys.iter().map(|k| k.as_str().into()).collect(),
            },
            Some(ListType::Atomic) | None => ListRel::Atomic,
        };
        Atom {
            list: Some(List { element, relation }),
            ..Atom::default()
        }
    }
}

fn relation(node: &Node) -> MapRel {
    if node.map_atomic {
        MapRel::Atomic
    } else {
        MapRel::Separable
    }
}
