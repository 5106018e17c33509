//! The schema of a custom kind, read from its CRD.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Number, Value};

/// How deep schemas may nest.
const DEPTH_MAX: usize = 100;

/// How large a compiled pattern may be, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Error {
    /// Where in the schema.
    pub path: String,
    /// What is wrong there.
    pub why: String,
}

/// The schema of a custom kind.
#[derive(Clone, Debug)]
pub struct Structural {
    /// The object.
    pub root: Node,
    /// Whether there are CEL rules anywhere.
    pub has_rules: bool,
    /// The schema as the CRD wrote it, for documentation.
    pub written: Value,
}

/// The schema of one value.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Type; `None` accepts any.
    pub kind: Option<Kind>,
    /// Whether null is a value.
    pub nullable: bool,
    /// Whether fields that are not declared stay.
    pub preserve_unknown: bool,
    /// Whether the value is a Kubernetes object of its own.
    pub embedded: bool,
    /// Declared fields.
    pub properties: BTreeMap<String, Self>,
    /// Schema of values under keys that are not declared.
    pub additional: Option<Box<Self>>,
    /// Schema of list items.
    pub items: Option<Box<Self>>,
    /// Fields that must be there.
    pub required: Vec<String>,
    /// What is filled in where the value is absent.
    pub default: Option<Value>,
    /// The only values allowed; empty allows all.
    pub allowed: Vec<Value>,
    /// What a text must match somewhere.
    pub pattern: Option<Regex>,
    /// Name of a format.
    pub format: Option<String>,
    /// Least value, and whether it is excluded itself.
    pub minimum: Option<(Number, bool)>,
    /// Greatest value, and whether it is excluded itself.
    pub maximum: Option<(Number, bool)>,
    /// What a number must be a multiple of.
    pub multiple_of: Option<Number>,
    /// Bounds of the length of a text, in characters.
    pub length: Bounds,
    /// Bounds of the number of items.
    pub item_count: Bounds,
    /// Bounds of the number of fields.
    pub field_count: Bounds,
    /// Whether no two items may be equal.
    pub unique_items: bool,
    /// How two lists are merged.
    pub list_type: Option<ListType>,
    /// Whether two maps are merged as one value.
    pub map_atomic: bool,
    /// All must accept the value.
    pub all_of: Vec<Self>,
    /// At least one must accept the value.
    pub any_of: Vec<Self>,
    /// Exactly one must accept the value.
    pub one_of: Vec<Self>,
    /// Must not accept the value.
    pub not: Option<Box<Self>>,
}

/// Bounds of a size, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least.
    pub min: Option<u64>,
    /// At most.
    pub max: Option<u64>,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
    /// A list.
    Array,
    /// A text.
    String,
    /// A whole number, with its width.
    Integer(Ints),
    /// Any number.
    Number,
    /// A boolean.
    Boolean,
    /// A whole number or a text.
    IntOrString,
}

/// The width of a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ints {
    /// 32 bits.
    Int32,
    /// 64 bits.
    Int64,
}

/// How two lists are merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// As one value.
    Atomic,
    /// As a set of scalars.
    Set,
    /// By these fields of the items.
    Map(Vec<String>),
}

impl Structural {
    /// Reads the `openAPIV3Schema` of a CRD's version.
    ///
    /// # Errors
    /// When it is no structural schema.
    pub fn parse(schema: &Value) -> Result<Self, Error> {
        let root = node(schema, "openAPIV3Schema", DEPTH_MAX, Role::Structure)?;
        if root.kind != Some(Kind::Object) {
            return Err(wrong("openAPIV3Schema.type", "must be object at the root"));
        }
        Ok(Self {
            root,
            has_rules: has_rules(schema),
            written: schema.clone(),
        })
    }
}

impl Kind {
    /// The name of the type in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer(_) => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::IntOrString => "integer,string",
        }
    }
}

fn wrong(path: &str, why: &str) -> Error {
    Error {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            map.contains_key("x-kubernetes-validations") || map.values().any(has_rules)
        }
        Value::Array(items) => items.iter().any(has_rules),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What a schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It says what a value is made of.
    Structure,
    /// It narrows down what another one says.
    Rule,
}

fn node(schema: &Value, path: &str, depth: usize, role: Role) -> Result<Node, Error> {
    let map = schema
        .as_object()
        .ok_or_else(|| wrong(path, "must be an object"))?;
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| wrong(path, "nests too deep"))?;
    let flag = |key: &str| map.get(key) == Some(&Value::Bool(true));
    let mut node = Node {
        kind: kind(map, path)?,
        nullable: flag("nullable"),
        preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
        embedded: flag("x-kubernetes-embedded-resource"),
        map_atomic: map.get("x-kubernetes-map-type") == Some(&"atomic".into()),
        list_type: list_type(map, path)?,
        default: map.get("default").filter(|d| !d.is_null()).cloned(),
        required: strings(map.get("required")),
        ..Node::default()
    };
    rules(map, path, &mut node)?;
    children(map, (path, depth, role), &mut node)?;
    match node.kind {
        None if role == Role::Structure && !node.preserve_unknown => {
            Err(wrong(path, "needs a type"))
        }
        Some(Kind::Array) if role == Role::Structure && node.items.is_none() => {
            Err(wrong(path, "needs items"))
        }
        _ => Ok(node),
    }
}

fn kind(map: &Map<String, Value>, path: &str) -> Result<Option<Kind>, Error> {
    if map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return Ok(Some(Kind::IntOrString));
    }
    let format = map.get("format").and_then(Value::as_str);
    let Some(kind) = map
        .get("type")
        .and_then(Value::as_str)
        .filter(|t| !t.is_empty())
    else {
        return Ok(None);
    };
    Ok(Some(match kind {
        "object" => Kind::Object,
        "array" => Kind::Array,
        "string" => Kind::String,
        "integer" if format == Some("int32") => Kind::Integer(Ints::Int32),
        "integer" => Kind::Integer(Ints::Int64),
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        other => return Err(wrong(path, &format!("unknown type {other:?}"))),
    }))
}

fn list_type(map: &Map<String, Value>, path: &str) -> Result<Option<ListType>, Error> {
    Ok(
        match map.get("x-kubernetes-list-type").and_then(Value::as_str) {
            None => None,
            Some("atomic") => Some(ListType::Atomic),
            Some("set") => Some(ListType::Set),
            Some("map") => {
                let keys = strings(map.get("x-kubernetes-list-map-keys"));
                if keys.is_empty() {
                    return Err(wrong(
                        path,
                        "a list of type map needs x-kubernetes-list-map-keys",
                    ));
                }
                Some(ListType::Map(keys))
            }
            Some(other) => return Err(wrong(path, &format!("unknown list type {other:?}"))),
        },
    )
}

fn rules(map: &Map<String, Value>, path: &str, node: &mut Node) -> Result<(), Error> {
    let number = |key: &str| match map.get(key) {
        Some(Value::Number(n)) => Some(n.clone()),
        _ => None,
    };
    let flag = |key: &str| map.get(key) == Some(&Value::Bool(true));
    let bounds = |min: &str, max: &str| Bounds {
        min: map.get(min).and_then(Value::as_u64),
        max: map.get(max).and_then(Value::as_u64),
    };
    node.minimum = number("minimum").map(|n| (n, flag("exclusiveMinimum")));
    node.maximum = number("maximum").map(|n| (n, flag("exclusiveMaximum")));
    node.multiple_of = number("multipleOf");
    node.length = bounds("minLength", "maxLength");
    node.item_count = bounds("minItems", "maxItems");
    node.field_count = bounds("minProperties", "maxProperties");
    node.unique_items = flag("uniqueItems");
    node.format = map.get("format").and_then(Value::as_str).map(str::to_owned);
    if let Some(Value::Array(allowed)) = map.get("enum") {
        node.allowed.clone_from(allowed);
    }
    if let Some(pattern) = map.get("pattern").and_then(Value::as_str) {
        let built = regex::RegexBuilder::new(pattern)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        let built = built.map_err(|e| wrong(path, &format!("bad pattern {pattern:?}: {e}")))?;
        node.pattern = Some(built);
    }
    Ok(())
}

fn children(
    map: &Map<String, Value>,
    (path, depth, role): (&str, usize, Role),
    into: &mut Node,
) -> Result<(), Error> {
    if let Some(Value::Object(properties)) = map.get("properties") {
        for (name, schema) in properties {
            let child = node(schema, &format!("{path}.properties[{name}]"), depth, role)?;
            into.properties.insert(name.clone(), child);
        }
    }
    let one = |key: &str, role| match map.get(key) {
        Some(schema @ Value::Object(_)) => {
            let child = node(schema, &format!("{path}.{key}"), depth, role)?;
            Ok(Some(Box::new(child)))
        }
        _ => Ok(None),
    };
    into.items = one("items", role)?;
    into.not = one("not", Role::Rule)?;
    into.additional = match map.get("additionalProperties") {
        Some(Value::Bool(true)) => Some(Box::new(Node {
            preserve_unknown: true,
            ..Node::default()
        })),
        _ => one("additionalProperties", role)?,
    };
    let many = |key: &str| -> Result<Vec<Node>, Error> {
        let listed = map.get(key).and_then(Value::as_array);
        let schemas = listed.into_iter().flatten().enumerate();
        let each = schemas.map(|(i, s)| node(s, &format!("{path}.{key}[{i}]"), depth, Role::Rule));
        each.collect()
    };
    into.all_of = many("allOf")?;
    // An int-or-string may repeat its two types in anyOf; that says nothing new.
    into.any_of = if into.kind == Some(Kind::IntOrString) {
        Vec::new()
    } else {
        many("anyOf")?
    };
    into.one_of = many("oneOf")?;
    Ok(())
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|v| Some(v.as_str()?.to_owned())).collect()
}
