//! Sequences of applies and updates, step by step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::schema::Schema;

use super::super::owners::{Convert, Filter, Managers, Request, apply, update};
use super::super::{Duplicates, Error, Typed};
use super::converters::{Converter, Kind};
use super::{Schemas, same_value, set};

struct State {
    converter: Converter,
    filters: BTreeMap<String, Filter>,
    live: Option<Typed<'static>>,
    managers: Managers,
}

pub(super) fn run(schemas: &Schemas, case: &Value) -> Result<(), String> {
    let mut state = State {
        converter: converter(schemas, case),
        filters: filters(case),
        live: None,
        managers: Managers::default(),
    };
    for (at, operation) in case["ops"].as_array().unwrap().iter().enumerate() {
        if let Err(error) = state.step(schemas, operation) {
            let error = format!("failed operation {at}: {error}");
            return match case["testErr"].as_str() {
                Some(expected) if expected == error => Ok(()),
                _ => Err(error),
            };
        }
    }
    if let Some(expected) = case["testErr"].as_str() {
        return Err(format!("no error, expected {expected}"));
    }
    let live = state.live.as_ref().map_or(&Value::Null, Typed::value);
    same_value(&case["finalLive"], live)?;
    same_managers(&case["finalManaged"], &state.managers)
}

impl State {
    fn step(&mut self, schemas: &Schemas, operation: &Value) -> Result<(), String> {
        let what = operation["op"].as_str().unwrap();
        if what == "changeParser" {
            return self.change_schema(schemas.get(operation["schema"].as_str().unwrap()));
        }
        let version = operation["apiVersion"].as_str().unwrap();
        let ty = self.converter.ty(version).unwrap();
        let given = Typed::owned(self.converter.schema, ty, operation["value"].clone());
        let duplicates = match what {
            "update" => Duplicates::Allowed,
            _ => Duplicates::Refused,
        };
        given.validate(duplicates).map_err(|e| e.to_string())?;
        let live = self.live.take().unwrap_or_else(|| given.with(Value::Null));
        let live = self
            .converter
            .convert(&live, version)
            .map_err(|e| format!("{e:?}"))?;
        let given = if what == "extractApply" {
            self.extracted(&live, &given, operation)?
        } else {
            given
        };
        let filters = self.filters.clone();
        let request = Request {
            manager: operation["manager"].as_str().unwrap(),
            version,
            force: what != "apply",
            filters: &filters,
            converter: &self.converter,
        };
        if what == "update" {
            let managers = update(&live, &given, &self.managers, &request);
            self.managers = managers.map_err(|e| e.to_string())?;
            self.live = Some(given);
            return Ok(());
        }
        self.live = Some(live.clone());
        match apply(&live, &given, &self.managers, &request) {
            Ok(outcome) => {
                same_conflicts(&operation["conflicts"], &[])?;
                self.managers = outcome.managers;
                self.live = Some(outcome.object.unwrap_or(live));
                Ok(())
            }
            Err(Error::Conflicts(conflicts)) => {
                let pair = |c: &super::super::Conflict| (c.manager.clone(), c.path.to_string());
                let found: Vec<_> = conflicts.iter().map(pair).collect();
                same_conflicts(&operation["conflicts"], &found)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// What the manager applied before, with the given object laid over it.
    fn extracted(
        &self,
        live: &Typed<'static>,
        given: &Typed<'static>,
        operation: &Value,
    ) -> Result<Typed<'static>, String> {
        if live.value().is_null() {
            return Ok(given.clone());
        }
        let owned = self.managers.0.get(operation["manager"].as_str().unwrap());
        let fields = owned.map(|owned| owned.set.leaves()).unwrap_or_default();
        live.extract_items(&fields)
            .merge(given)
            .map_err(|e| e.to_string())
    }

    fn change_schema(&mut self, schema: &'static Schema) -> Result<(), String> {
        let old = self.converter.schema;
        let name_of = |ty| {
            old.names()
                .find(|(_, id)| *id == ty)
                .map(|(name, _)| name.to_owned())
        };
        if let Some(live) = self.live.take() {
            let ty = schema.named(&name_of(live.ty()).unwrap()).unwrap();
            let live = Typed::owned(schema, ty, live.into_value());
            live.validate(Duplicates::Refused)
                .map_err(|e| e.to_string())?;
            self.live = Some(live);
        }
        let moved =
            |(version, ty): &(String, _)| Some((version.clone(), schema.named(&name_of(*ty)?)?));
        self.converter.types = self.converter.types.iter().filter_map(moved).collect();
        self.converter.schema = schema;
        Ok(())
    }
}

fn converter(schemas: &Schemas, case: &Value) -> Converter {
    let types = case["types"].as_object().unwrap();
    let schema = schemas.get(types.values().next().unwrap()["schema"].as_str().unwrap());
    let ty = |(version, ty): (&String, &Value)| {
        let name = ty["type"].as_str().unwrap();
        (version.clone(), schema.named(name).unwrap())
    };
    Converter {
        kind: Kind::named(case["converter"].as_str().unwrap()),
        schema,
        types: types.iter().map(ty).collect(),
    }
}

/// The data gives sets of ignored fields; of filters it says only that there is one, and these
/// are the reference test's.
fn filters(case: &Value) -> BTreeMap<String, Filter> {
    let excluding =
        |version: &str, fields: Value| (version.to_owned(), Filter::Exclude(set(&fields)));
    if let Some(ignored) = case["ignoredFields"].as_object() {
        return ignored
            .iter()
            .map(|(v, fields)| excluding(v, fields.clone()))
            .collect();
    }
    if case["ignoreFilter"] != true {
        return BTreeMap::new();
    }
    let first = &case["ops"][0]["value"];
    if first.get("string").is_some() {
        return BTreeMap::from([excluding("v1", json!({"f:string": {}}))]);
    }
    if first.get("obj").is_some() {
        return BTreeMap::from([excluding("v1", json!({"f:obj": {}}))]);
    }
    let inside = |version: &str, field: &str| {
        excluding(version, json!({"f:mapOfMapsRecursive": {(field): {}}}))
    };
    if case["types"].get("v4").is_none() {
        return BTreeMap::from([inside("v2", "f:c")]);
    }
    let letters = [
        ("v1", "f:c"),
        ("v2", "f:cc"),
        ("v3", "f:ccc"),
        ("v4", "f:cccc"),
    ];
    letters
        .iter()
        .map(|(version, field)| inside(version, field))
        .collect()
}

fn same_conflicts(expected: &Value, found: &[(String, String)]) -> Result<(), String> {
    let pair = |c: &Value| {
        let text = |field: &str| c[field].as_str().unwrap().to_owned();
        (text("manager"), text("path"))
    };
    let expected = expected.as_array().map_or(&[][..], Vec::as_slice);
    let expected: BTreeSet<_> = expected.iter().map(pair).collect();
    let found: BTreeSet<_> = found.iter().cloned().collect();
    if expected == found {
        return Ok(());
    }
    Err(format!("conflicts {found:?}, expected {expected:?}"))
}

fn same_managers(expected: &Value, found: &Managers) -> Result<(), String> {
    let nothing = serde_json::Map::new();
    let expected = expected.as_object().unwrap_or(&nothing);
    let names = |m: &str| format!("managers differ at {m}: {found:?}, expected {expected:?}");
    if expected.len() != found.0.len() {
        return Err(names("their number"));
    }
    for (manager, owned) in expected {
        let Some(mine) = found.0.get(manager) else {
            return Err(names(manager));
        };
        let same = mine.set == set(&owned["set"])
            && mine.version == owned["apiVersion"].as_str().unwrap()
            && owned["applied"] == mine.applied;
        if !same {
            return Err(names(manager));
        }
    }
    Ok(())
}
