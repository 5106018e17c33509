//! The cases of the structured-merge-diff project, where they are at hand: each has a schema,
//! inputs, and what its reference implementation made of them.

mod cases;
mod converters;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::schema::{Schema, smd};

use super::{Duplicates, Set, Typed, TypedError, equal};

/// The folder with the data, unless it is not there.
fn folder() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let folder = root.join("shared/apiserver/structured-merge-diff");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn lines(name: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(folder()?.join(name)).unwrap();
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

/// The schemas by id. They live as long as the test run.
#[derive(Default)]
struct Schemas(RefCell<BTreeMap<String, &'static Schema>>);

impl Schemas {
    fn get(&self, id: &str) -> &'static Schema {
        let load = || {
            let path = folder().unwrap().join(format!("schemas/{id}.json"));
            let text = std::fs::read_to_string(path).unwrap();
            let schema = smd::load(&serde_json::from_str(&text).unwrap());
            &*Box::leak(Box::new(schema))
        };
        self.0
            .borrow_mut()
            .entry(id.to_owned())
            .or_insert_with(load)
    }
}

fn set(value: &Value) -> Set {
    Set::from_json(value).unwrap()
}

/// What the reference said is wrong, with the Go types that YAML gives and JSON does not.
fn same_error(expected: &Value, found: Option<&TypedError>) -> Result<(), String> {
    let found = found.map(ToString::to_string);
    let expected = expected.as_str().map(|text| {
        let text = text.replace("map[interface {}]interface {}", "map[string]interface {}");
        sorted(&text)
    });
    if expected == found.as_deref().map(sorted) {
        return Ok(());
    }
    Err(format!("error {found:?}, expected {expected:?}"))
}

/// Fields of a Go map come in any order.
fn sorted(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn same_set(expected: &Value, found: &Set) -> Result<(), String> {
    if set(expected) == *found {
        return Ok(());
    }
    Err(format!("fields {}, expected {expected}", found.to_json()))
}

fn same_value(expected: &Value, found: &Value) -> Result<(), String> {
    if equal(expected, found) {
        return Ok(());
    }
    Err(format!("value {found}, expected {expected}"))
}

fn check_operation(schemas: &Schemas, case: &Value) -> Result<(), String> {
    let schema = schemas.get(case["schema"].as_str().unwrap());
    let name = case["type"].as_str().unwrap();
    let ty = schema
        .named(name)
        .ok_or_else(|| format!("type {name} is not in the schema"))?;
    let typed = |field: &str| Typed::new(schema, ty, &case[field]);
    let no_error = |result: Result<(), TypedError>| same_error(&case["err"], result.err().as_ref());
    match case["op"].as_str().unwrap() {
        "validate" => {
            let allowed = case["allowDuplicates"] == true;
            let duplicates = if allowed {
                Duplicates::Allowed
            } else {
                Duplicates::Refused
            };
            no_error(typed("value").validate(duplicates))
        }
        "merge" => {
            let merged = typed("lhs").merge(&typed("rhs"));
            match merged {
                Ok(merged) => same_value(&case["out"], merged.value()),
                Err(error) => no_error(Err(error)),
            }
        }
        "compare" => {
            let found = typed("lhs")
                .compare(&typed("rhs"))
                .map_err(|e| e.to_string())?;
            same_set(&case["added"], &found.added)?;
            same_set(&case["modified"], &found.modified)?;
            same_set(&case["removed"], &found.removed)
        }
        "toFieldSet" => same_set(
            &case["set"],
            &typed("value").to_set().map_err(|e| e.to_string())?,
        ),
        "removeItems" => {
            let out = typed("value").remove_items(&set(&case["items"]));
            same_value(&case["out"], out.value())
        }
        "extractItems" => {
            let out = typed("value").extract_items(&set(&case["items"]));
            same_value(&case["out"], out.value())
        }
        "reconcile" => {
            let found = typed("value").reconcile(&set(&case["set"]));
            match found.map_err(|e| e.to_string())? {
                Some(found) => same_set(&case["out"], &found),
                None if case["out"].is_null() => Ok(()),
                None => Err(format!("nothing, expected {}", case["out"])),
            }
        }
        other => Err(format!("operation {other} is not known")),
    }
}

fn report(what: &str, total: usize, failures: &[String]) {
    println!("{what}: {} of {total} as expected", total - failures.len());
    let shown: Vec<_> = failures.iter().take(15).cloned().collect();
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        shown.join("\n")
    );
}

#[test]
fn operations_on_typed_values_do_what_the_reference_does() {
    let Some(operations) = lines("typed.jsonl") else {
        return;
    };
    let schemas = Schemas::default();
    let check = |(at, case): (usize, &Value)| {
        let result = check_operation(&schemas, case);
        result
            .err()
            .map(|e| format!("line {} ({}): {e}", at + 1, case["op"]))
    };
    let failures: Vec<_> = operations.iter().enumerate().filter_map(check).collect();
    report("typed operations", operations.len(), &failures);
}

#[test]
fn sequences_of_writes_end_as_in_the_reference() {
    let Some(all) = lines("merge.jsonl") else {
        return;
    };
    let schemas = Schemas::default();
    let check = |(at, case): (usize, &Value)| {
        let result = cases::run(&schemas, case);
        result
            .err()
            .map(|e| format!("line {} ({}): {e}", at + 1, case["from"]))
    };
    let failures: Vec<_> = all.iter().enumerate().filter_map(check).collect();
    report("sequences", all.len(), &failures);
}
