//! The entries of `metadata.managedFields`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::merge::{Datum, FieldsError, Managers, Owned, Set};

/// What tells entries apart. As JSON it is the manager's id, and ids sort as Kubernetes sorts
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Id {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) manager: String,
    pub(super) operation: Operation,
    /// Of updates only: an applier has one entry over all versions.
    #[serde(
        default,
        rename = "apiVersion",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) api_version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) subresource: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// All entries of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Managed {
    pub(super) managers: Managers,
    /// When each manager last changed something, by id.
    pub(super) times: BTreeMap<String, Timestamp>,
}

/// Why entries cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("managed fields entry {0} is not an object")]
    NotAnObject(usize),
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    #[error("apiVersion must not be empty")]
    ApiVersion,
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    #[error("invalid fieldsType {1:?} in managed fields entry {0}")]
    FieldsType(usize, String),
    #[error("error decoding set: {0}")]
    Fields(FieldsError),
}

impl Id {
    pub(super) fn to_key(&self) -> String {
        let api_version = match self.operation {
            Operation::Apply => String::new(),
            Operation::Update => self.api_version.clone(),
        };
        let id = Self {
            api_version,
            ..self.clone()
        };
        // Strings and a plain enum: there is nothing in it that JSON cannot say.
        serde_json::to_string(&id).unwrap_or_default()
    }

    pub(super) fn from_key(key: &str) -> Option<Self> {
        serde_json::from_str(key).ok()
    }
}

impl Managed {
    /// The entries to start an update from: those that the request carries, unless there are none
    /// or they cannot be read; none at all where it resets them.
    pub(super) fn of_update(live: &[Value], given: Option<&[Value]>) -> Self {
        if let Some(given) = given {
            let reset = match given {
                [] => true,
                [only] => only.as_object().is_some_and(Map::is_empty),
                _ => false,
            };
            if reset {
                return Self::default();
            }
            if let Ok(given) = Self::decode(given)
                && !given.is_empty()
            {
                return given;
            }
        }
        Self::decode(live).unwrap_or_default()
    }

    pub(super) fn decode(entries: &[Value]) -> Result<Self, Error> {
        let mut managed = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            let entry = entry.as_object().ok_or(Error::NotAnObject(at))?;
            let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err(Error::Operation),
            };
            let id = Id {
                manager: text("manager").to_owned(),
                operation,
                api_version: text("apiVersion").to_owned(),
                subresource: text("subresource").to_owned(),
            };
            if id.api_version.is_empty() {
                return Err(Error::ApiVersion);
            }
            match text("fieldsType") {
                "FieldsV1" => {}
                "" => return Err(Error::NoFieldsType(at)),
                other => return Err(Error::FieldsType(at, other.to_owned())),
            }
            let fields = entry.get("fieldsV1").unwrap_or(&Value::Null);
            let owned = Owned {
                set: Set::from_json(fields).map_err(Error::Fields)?,
                version: id.api_version.clone(),
                applied: operation == Operation::Apply,
            };
            let key = id.to_key();
            if let Ok(time) = text("time").parse() {
                managed.times.insert(key.clone(), time);
            }
            managed.managers.0.insert(key, owned);
        }
        Ok(managed)
    }

    pub(super) fn encode(&self) -> Vec<Value> {
        let entry = |(key, owned): (&String, &Owned)| {
            let id = Id::from_key(key)?;
            let time = self.times.get(key);
            let order = (
                id.operation,
                self.seconds(key),
                id.manager.clone(),
                owned.version.clone(),
                id.subresource.clone(),
            );
            Some((order, to_json(&id, owned, time)))
        };
        let mut entries: Vec<_> = self.managers.0.iter().filter_map(entry).collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.into_iter().map(|(_, entry)| entry).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.managers.0.is_empty()
    }

    pub(super) fn touch(&mut self, id: &str, now: Timestamp) {
        let second = Timestamp::from_second(now.as_second());
        self.times.insert(id.to_owned(), second.unwrap_or(now));
    }

    /// 0 where there is no time.
    pub(super) fn seconds(&self, id: &str) -> i64 {
        self.times.get(id).map_or(0, |time| time.as_second())
    }
}

fn to_json(id: &Id, owned: &Owned, time: Option<&Timestamp>) -> Value {
    let mut entry = Map::new();
    let mut put = |field: &str, value: Value| entry.insert(field.to_owned(), value);
    put("apiVersion", json!(owned.version));
    put("fieldsType", json!("FieldsV1"));
    put("fieldsV1", owned.set.to_json());
    put("operation", json!(id.operation));
    if !id.manager.is_empty() {
        put("manager", json!(id.manager));
    }
    if let Some(time) = time {
        put("time", json!(time.to_string()));
    }
    if !id.subresource.is_empty() {
        put("subresource", json!(id.subresource));
    }
    Value::Object(entry)
}

/// Whether two lists of entries differ in nothing but times and order.
pub(super) fn same_but_for_times(a: &[Value], b: &[Value]) -> bool {
    let timeless = |entries: &[Value]| {
        let entry = |entry: &Value| {
            let mut entry = entry.clone();
            if let Value::Object(fields) = &mut entry {
                fields.remove("time");
            }
            Datum::new(entry)
        };
        let mut entries: Vec<_> = entries.iter().map(entry).collect();
        entries.sort();
        entries
    };
    a.len() == b.len() && timeless(a) == timeless(b)
}
