//! One object of a small kind, and the hands that write to it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::managed::{Applied, Error, Options, Reset, apply, update};
use crate::schema::{Schema, TypeId, smd};

pub(super) const V1: &str = "x.example.io/v1";

/// A kind with a struct, a set, a map-like list with a default key, an atomic map and a status.
fn schema() -> (Schema, TypeId) {
    let string = json!({"scalar": "string"});
    let strings =
        |relation: &str| json!({"list": {"elementType": string, "elementRelationship": relation}});
    let map =
        |relation: &str| json!({"map": {"elementType": string, "elementRelationship": relation}});
    let fields = |fields: &[(&str, Value)]| {
        let field = |(name, ty): &(&str, Value)| json!({"name": name, "type": ty});
        fields.iter().map(field).collect::<Value>()
    };
    let structure = |of: &[(&str, Value)]| json!({"map": {"fields": fields(of)}});
    let mut port = fields(&[
        ("port", json!({"scalar": "numeric"})),
        ("protocol", string.clone()),
        ("name", string.clone()),
    ]);
    port[1]["default"] = json!("TCP");
    let ports = json!({"list": {
        "elementType": {"map": {"fields": port}},
        "elementRelationship": "associative",
        "keys": ["port", "protocol"],
    }});
    let metadata = structure(&[
        ("name", string.clone()),
        ("namespace", string.clone()),
        ("uid", string.clone()),
        ("resourceVersion", string.clone()),
        ("labels", map("separable")),
        ("annotations", map("separable")),
        ("managedFields", json!({"namedType": "__untyped_atomic_"})),
    ]);
    let spec = structure(&[
        ("replicas", json!({"scalar": "numeric"})),
        ("region", string.clone()),
        ("tags", strings("associative")),
        ("args", strings("atomic")),
        ("limits", map("atomic")),
        ("ports", ports),
    ]);
    let status = structure(&[("replicas", json!({"scalar": "numeric"}))]);
    let object = structure(&[
        ("apiVersion", string.clone()),
        ("kind", string.clone()),
        ("metadata", metadata),
        ("spec", spec),
        ("status", status),
    ]);
    let mut ty = object;
    ty["name"] = json!("object");
    let schema = smd::load(&json!({"types": [ty]}));
    let ty = schema.named("object").unwrap();
    (schema, ty)
}

/// One object, and the hands that write to it.
pub(super) struct World {
    pub(super) schema: Schema,
    pub(super) ty: TypeId,
    pub(super) live: Option<Value>,
    pub(super) second: i64,
}

pub(super) fn options<'a>(manager: &'a str, force: bool, second: i64) -> Options<'a> {
    Options {
        manager,
        api_version: V1,
        subresource: "",
        now: Timestamp::from_millisecond(second * 1000 + 123).unwrap(),
        force,
        reset: Reset::Status,
    }
}

pub(super) fn config(spec: Value) -> Value {
    json!({"apiVersion": V1, "kind": "X", "metadata": {"name": "a"}, "spec": spec})
}

impl World {
    pub(super) fn new() -> Self {
        let (schema, ty) = schema();
        Self {
            schema,
            ty,
            live: None,
            second: 0,
        }
    }

    pub(super) fn try_apply(
        &mut self,
        manager: &str,
        force: bool,
        config: &Value,
    ) -> Result<Applied, Error> {
        self.second += 1;
        let options = options(manager, force, self.second);
        let applied = apply(&self.schema, self.ty, self.live.as_ref(), config, &options)?;
        self.live = Some(applied.object.clone());
        Ok(applied)
    }

    pub(super) fn apply(&mut self, manager: &str, spec: Value) -> Applied {
        self.try_apply(manager, false, &config(spec)).unwrap()
    }

    pub(super) fn update(&mut self, manager: &str, change: impl FnOnce(&mut Value)) {
        self.second += 1;
        let mut new = self.live.clone().unwrap_or_else(|| config(json!({})));
        change(&mut new);
        let options = options(manager, false, self.second);
        let live = self.live.as_ref();
        self.live = Some(update(&self.schema, self.ty, live, new, &options));
    }

    pub(super) fn spec(&self) -> &Value {
        &self.live.as_ref().unwrap()["spec"]
    }

    /// Manager, operation, second and fields of every entry, in order.
    pub(super) fn entries(&self) -> Vec<(String, String, Option<i64>, Value)> {
        let entries = self.live.as_ref().unwrap()["metadata"]["managedFields"].as_array();
        let entry = |entry: &Value| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let time: Option<Timestamp> = text("time").parse().ok();
            let fields = entry["fieldsV1"].clone();
            (
                text("manager"),
                text("operation"),
                time.map(Timestamp::as_second),
                fields,
            )
        };
        entries
            .map(|entries| entries.iter().map(entry).collect())
            .unwrap_or_default()
    }

    pub(super) fn managers(&self) -> Vec<String> {
        self.entries()
            .into_iter()
            .map(|(manager, ..)| manager)
            .collect()
    }

    pub(super) fn fields_of(&self, manager: &str) -> Value {
        let entry = self
            .entries()
            .into_iter()
            .find(|(name, ..)| name == manager);
        entry.map(|(.., fields)| fields).unwrap_or_default()
    }
}
