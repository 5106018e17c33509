//! Facts about Kubernetes' built-in kinds: names, fields, types, list keys, merge keys, defaults
//! and protobuf tags.
//!
//! The text is written by `hub/machinery/generate` and names its source in its first lines. It is
//! read once per process. It holds no descriptions and no rules beyond the types, so built-in
//! objects are checked for their form and not for their sense: whether a Deployment can run is for
//! the cluster that runs it to say.

pub(crate) mod extras;
mod parse;
mod schema;
#[cfg(test)]
mod smd_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::schema::{Builder, Schema, TypeId};

/// Why the embedded tables cannot be read: a bug of the generator or of a hand that edited them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line does not have the form that the generator writes.
    #[error("failed to parse line {0}")]
    Line(usize),
    /// A field names a type that is not there.
    #[error("type {0:?} is not described")]
    Unknown(String),
    /// The types make no schema.
    #[error("failed to build the schema")]
    Schema(#[from] crate::schema::Error),
}

/// Everything that the tables say.
#[derive(Debug)]
pub struct Tables {
    types: Vec<Type>,
    by_name: BTreeMap<&'static str, TypeIx>,
    rows: Vec<Row>,
    schema: Arc<Schema>,
}

/// A type of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypeIx(usize);

/// One described type.
#[derive(Debug)]
pub struct Type {
    /// Short name, as in `apps.v1.Deployment`.
    pub name: &'static str,
    /// How its JSON looks.
    pub shape: Shape,
    /// Whether server-side apply takes the object as one value.
    pub atomic: bool,
    /// Fields with a JSON name, sorted by it.
    pub fields: Vec<Field>,
    /// Messages whose fields stand directly in this object's JSON: protobuf tag and type.
    pub inline: Vec<(u32, TypeIx)>,
}

/// How the JSON of a type looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An object with the described fields.
    Object,
    /// An RFC 3339 time in seconds.
    Time,
    /// An RFC 3339 time in microseconds.
    MicroTime,
    /// A quantity, as in `100m`; a number is accepted.
    Quantity,
    /// An integer or a string.
    IntOrString,
    /// A set of fields; JSON text in protobuf.
    Fields,
    /// An object of some other kind, owned as a whole; JSON text in protobuf.
    Extension,
    /// Any JSON; JSON text in protobuf.
    Json,
    /// An object with any fields.
    Free,
    /// A list of strings, which protobuf wraps in a message.
    Strings,
    /// A JSON schema, or a list of them.
    SchemaOrArray,
    /// A JSON schema, or a boolean.
    SchemaOrBool,
    /// A JSON schema, or a list of strings.
    SchemaOrStrings,
}

/// One field of a type.
#[derive(Debug)]
pub struct Field {
    /// JSON name.
    pub name: &'static str,
    /// Type of the value.
    pub ty: Ref,
    /// Whether OpenAPI calls it required.
    pub required: bool,
    /// How two lists are merged, if it was said.
    pub list: Option<ListRule>,
    /// How two maps are merged, if it was said for the field: whether as one value.
    pub map_atomic: Option<bool>,
    /// Patch strategies and merge key, as in `merge,retainKeys` and `name`.
    pub patch: Option<(&'static str, &'static str)>,
    /// Default, as JSON.
    pub default: Option<&'static str>,
    /// How protobuf carries it, if it does.
    pub wire: Option<Wire>,
}

/// How two lists are merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListRule {
    /// As one value.
    Atomic,
    /// As a set of scalars.
    Set,
    /// By these fields of the items.
    Map(Vec<&'static str>),
}

/// How protobuf carries a field.
#[derive(Debug)]
pub struct Wire {
    /// Field number.
    pub tag: u32,
    /// Whether a zero value on the wire means that the zero was written.
    pub keeps_zero: bool,
    /// Type on the wire where it differs from the field's.
    pub ty: Option<Ref>,
}

/// A type expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ref {
    /// Text.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Floating-point number.
    Number,
    /// Boolean.
    Bool,
    /// Any JSON.
    Any,
    /// Any object.
    Free,
    /// A described type.
    Type(TypeIx),
    /// A list.
    List(Box<Self>),
    /// A map with string keys.
    Map(Box<Self>),
}

/// One resource in one version.
#[derive(Debug)]
pub struct Row {
    /// API group; empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Name in URLs.
    pub plural: &'static str,
    /// Singular name.
    pub singular: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Short names.
    pub short_names: Vec<&'static str>,
    /// Categories.
    pub categories: Vec<&'static str>,
    /// Names of the subresources.
    pub subresources: Vec<&'static str>,
    /// Whether objects can only be created.
    pub create_only: bool,
    /// The object's type.
    pub ty: TypeIx,
}

const TEXT: &str = include_str!("kubernetes.txt");

/// The tables, read at the first call.
///
/// # Errors
/// When the embedded text is damaged.
pub fn get() -> Result<&'static Tables, Error> {
    static TABLES: OnceLock<Result<Tables, Error>> = OnceLock::new();
    TABLES
        .get_or_init(|| parse::tables(TEXT))
        .as_ref()
        .map_err(Clone::clone)
}

/// Changes with the text of the tables.
pub(crate) fn fingerprint() -> [u8; 32] {
    *blake3::hash(TEXT.as_bytes()).as_bytes()
}

impl Tables {
    /// The type called `name`.
    pub fn named(&self, name: &str) -> Option<TypeIx> {
        self.by_name.get(name).copied()
    }

    /// The type `ix`, which must be of these tables.
    pub fn ty(&self, ix: TypeIx) -> &Type {
        const NOTHING: &Type = &Type {
            name: "",
            shape: Shape::Free,
            atomic: false,
            fields: Vec::new(),
            inline: Vec::new(),
        };
        self.types.get(ix.0).unwrap_or(NOTHING)
    }

    /// The type of objects of that kind, also of kinds that are no resource, as `DeleteOptions`.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeIx> {
        if kind == "DeleteOptions" {
            return self.named("meta.v1.DeleteOptions");
        }
        let package = match group.split('.').next() {
            None | Some("") => "core",
            Some(first) => first,
        };
        self.named(&format!("{package}.{version}.{kind}"))
    }

    /// Every resource, in discovery order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Every type, by name.
    pub fn types(&self) -> impl Iterator<Item = (TypeIx, &Type)> {
        self.types.iter().enumerate().map(|(i, t)| (TypeIx(i), t))
    }

    /// Adds the type called `name`, and what it refers to, to a schema in the making. A name that
    /// is not there gives a type that accepts everything.
    pub fn import(&self, builder: &mut Builder, name: &str) -> TypeId {
        match self.named(name) {
            Some(ix) => schema::import(&self.types, ix, builder),
            None => TypeId::UNTYPED_DEDUCED,
        }
    }

    /// What server-side apply and patches need, with the types under their names.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }
}

impl Type {
    /// The field with that JSON name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|f| f.name.cmp(name)).ok()?;
        self.fields.get(at)
    }
}
