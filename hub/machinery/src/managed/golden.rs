//! What a real API server answered to applies and patches, where the recordings are at hand.
//!
//! Each exchange starts from the object as the server last returned it, so that one difference
//! does not hide the next. Defaults are the server's: what it added is not compared, who owns
//! what is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::merge::equal;
use crate::patch;
use crate::resource::{Registry, Resource};

use super::{Error, Options, Reset, apply, object, settle, update};

/// The time of a request is that of the newest entry in the answer.
fn time_of(answered: &Value) -> Timestamp {
    let entries = object::managed_fields(Some(answered)).iter();
    let times = entries.filter_map(|entry| entry["time"].as_str()?.parse().ok());
    times.max().unwrap_or(Timestamp::UNIX_EPOCH)
}

fn folder() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let folder = root.join("shared/apiserver/golden");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// Where a request goes.
struct Target {
    resource: Arc<Resource>,
    /// Path without the subresource.
    key: String,
    subresource: String,
    query: BTreeMap<String, String>,
}

fn target(registry: &Registry, path: &str) -> Option<Target> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
    let (group, version, rest) = match &*parts {
        ["api", version, "namespaces", _, rest @ ..] => ("", *version, rest),
        ["apis", group, version, "namespaces", _, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, "", ""),
        [plural, name] => (plural, *name, ""),
        [plural, name, subresource] => (plural, *name, *subresource),
        _ => return None,
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Some(Target {
        resource: registry.lookup(group, version, plural)?.clone(),
        key: format!("{group}/{plural}/{name}"),
        subresource: subresource.to_owned(),
        query: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
    })
}

impl Target {
    fn reset(&self) -> Reset {
        match (&*self.subresource, self.resource.status) {
            ("status", _) => Reset::AllButStatus,
            (_, true) => Reset::Status,
            (_, false) => Reset::Nothing,
        }
    }

    fn api_version(&self) -> String {
        let resource = &self.resource;
        match &*resource.group {
            "" => resource.version.clone(),
            group => format!("{group}/{}", resource.version),
        }
    }
}

/// Runs one exchange; `None` if it is about something else.
fn run(target: &Target, live: Option<&Value>, exchange: &Value) -> Option<Result<(), String>> {
    let (request, response) = (&exchange["req"], &exchange["resp"]);
    let body = match request["body"].as_str() {
        Some(text) => crate::crd::documents(text).ok()?.into_iter().next()?,
        None => request["body"].clone(),
    };
    let header = |name: &str| request["headers"][name].as_str().unwrap_or_default();
    let agent = header("User-Agent")
        .split('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let manager = target.query.get("fieldManager").cloned().unwrap_or(agent);
    let api_version = target.api_version();
    let options = Options {
        manager: &manager,
        api_version: &api_version,
        subresource: &target.subresource,
        now: time_of(&response["body"]),
        force: target
            .query
            .get("force")
            .is_some_and(|force| force == "true"),
        reset: target.reset(),
    };
    let (schema, ty) = (&target.resource.schema, target.resource.ty);
    let kind = header("Content-Type");
    if kind == "application/apply-patch+yaml" {
        if manager.is_empty() || body["apiVersion"] != *api_version {
            return None;
        }
        return match apply(schema, ty, live, &body, &options) {
            Ok(applied) => compare(live, &applied.object, response),
            Err(error) => Some(compare_error(&error, response)),
        };
    }
    if response["status"] != 200 && response["status"] != 201 {
        return None;
    }
    let answered = &response["body"];
    let patched = match kind {
        "application/merge-patch+json" => patch::merge(live?, &body).unwrap(),
        "application/strategic-merge-patch+json" => {
            patch::strategic(schema, ty, live?, &body).unwrap()
        }
        _ if request["method"] == "POST" || request["method"] == "PUT" => body.clone(),
        _ => return None,
    };
    let patched = options.reset.of(live, patched);
    // The server's own work: deletion, and kinds that it normalises.
    let deleted = |object: &Value| !object["metadata"]["deletionTimestamp"].is_null();
    let normalised = ["Event", "Secret"].contains(&&*target.resource.kind)
        || body.pointer("/metadata/ownerReferences").is_some();
    if live.is_some_and(|live| deleted(live) != deleted(answered)) || normalised {
        return None;
    }
    if let Err(difference) = lacks(&patched, answered, "") {
        return Some(Err(format!("patched: {difference}")));
    }
    // The server fills in defaults before it looks who changed what.
    let given = object::managed_fields_given(&patched).map(<[Value]>::to_vec);
    let mut new = object::without_managed_fields(answered);
    if let Some(given) = given {
        new["metadata"]["managedFields"] = Value::Array(given);
    }
    let updated = update(schema, ty, live, new, &options);
    compare(live, &updated, response)
}

fn compare(live: Option<&Value>, mine: &Value, response: &Value) -> Option<Result<(), String>> {
    let answered = &response["body"];
    if response["status"] != 200 && response["status"] != 201 {
        // Refused for what is not checked here.
        let refused = [404, 409, 422]
            .iter()
            .any(|status| response["status"] == *status);
        let why = answered["message"].as_str().unwrap_or_default();
        let elsewhere =
            (refused && !why.starts_with("Apply failed")) || why.contains("the name of");
        return (!elsewhere).then(|| Err(format!("no error, expected {why}")));
    }
    if let Err(difference) = lacks(mine, answered, "") {
        return Some(Err(difference));
    }
    // With the defaults that the server added, it may turn out that nothing changed.
    let mut defaulted = answered.clone();
    defaulted["metadata"]["managedFields"] = mine["metadata"]["managedFields"].clone();
    let settled = match live {
        Some(live) => settle(live, defaulted),
        None => defaulted,
    };
    let entries = |object: &Value| object::managed_fields(Some(object)).to_vec();
    let (mine, theirs) = (entries(&settled), entries(answered));
    if mine.len() == theirs.len() && mine.iter().zip(&theirs).all(|(a, b)| equal(a, b)) {
        return Some(Ok(()));
    }
    Some(Err(format!(
        "managed fields\n  {mine:?}\nexpected\n  {theirs:?}"
    )))
}

fn compare_error(error: &Error, response: &Value) -> Result<(), String> {
    let answered = &response["body"];
    if answered["message"] != *error.to_string() {
        return Err(format!("error {error:?}, expected {}", answered["message"]));
    }
    match error {
        Error::Conflicts { conflicts, .. } => {
            let cause = |c: &super::Conflict| json!({"reason": "FieldManagerConflict", "message": c.message, "field": c.field});
            let mine: Value = conflicts.iter().map(cause).collect();
            let same = answered["details"]["causes"] == mine && response["status"] == 409;
            same.then_some(()).ok_or_else(|| format!("causes {mine}"))
        }
        Error::BadRequest(_) if response["status"] == 400 => Ok(()),
        Error::Schema(_) if response["status"] == 500 => Ok(()),
        Error::BadRequest(_) | Error::Schema(_) => Err(format!("status {}", response["status"])),
    }
}

/// Whether everything in `mine` is in `theirs`, whatever that has beside it.
fn lacks(mine: &Value, theirs: &Value, path: &str) -> Result<(), String> {
    const SERVERS: [&str; 3] = [
        "/metadata/managedFields",
        "/metadata/resourceVersion",
        "/metadata/generation",
    ];
    let empty = mine.as_array().is_some_and(Vec::is_empty);
    if SERVERS.contains(&path) || mine.is_null() || (empty && theirs.is_null()) {
        return Ok(());
    }
    match (mine, theirs) {
        (Value::Object(mine), Value::Object(theirs)) => {
            let nothing = Value::Null;
            mine.iter().try_for_each(|(name, value)| {
                lacks(
                    value,
                    theirs.get(name).unwrap_or(&nothing),
                    &format!("{path}/{name}"),
                )
            })
        }
        (Value::Array(mine), Value::Array(theirs)) if mine.len() == theirs.len() => {
            let mut pairs = mine.iter().zip(theirs);
            pairs.try_for_each(|(mine, theirs)| lacks(mine, theirs, path))
        }
        (mine, theirs) if equal(mine, theirs) => Ok(()),
        (mine, theirs) => Err(format!("{path} is {mine}, expected {theirs}")),
    }
}

/// A scale is written to the object that it is of, and Kubernetes records no time for that.
fn scale(target: &Target, live: Value, replicas: &Value) -> Value {
    let api_version = target.api_version();
    let options = Options {
        manager: "",
        api_version: &api_version,
        subresource: "scale",
        now: Timestamp::UNIX_EPOCH,
        force: false,
        reset: Reset::Nothing,
    };
    let mut new = live.clone();
    new["spec"]["replicas"] = replicas.clone();
    let (schema, ty) = (&target.resource.schema, target.resource.ty);
    let mut scaled = update(schema, ty, Some(&live), new, &options);
    for entry in scaled["metadata"]["managedFields"].as_array_mut().unwrap() {
        if entry["subresource"] == "scale" {
            entry.as_object_mut().unwrap().remove("time");
        }
    }
    scaled
}

fn registry(crd: &str) -> Registry {
    let member = Registry::member().unwrap();
    member
        .with_crd(&serde_json::from_str(crd).unwrap())
        .unwrap()
}

/// The writes of one recording that differ, and how many were compared.
fn replay(registry: &Registry, lines: &str) -> (Vec<String>, usize) {
    let mut objects: BTreeMap<String, Value> = BTreeMap::new();
    let (mut checked, mut failures) = (0_usize, Vec::new());
    for line in lines.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let path = exchange["req"]["path"].as_str().unwrap();
        let Some(mut target) = target(registry, path) else {
            continue;
        };
        let answered = &exchange["resp"]["body"];
        if let Some(name) = answered["metadata"]["name"].as_str()
            && target.key.ends_with('/')
        {
            target.key.push_str(name);
        }
        if target.subresource == "scale" {
            if exchange["resp"]["status"] == 200
                && let Some(live) = objects.remove(&target.key)
            {
                let scaled = scale(&target, live, &answered["spec"]["replicas"]);
                objects.insert(target.key, scaled);
            }
            continue;
        }
        let live = objects.get(&target.key);
        if let Some(result) = run(&target, live, &exchange) {
            checked += 1;
            if let Err(failure) = result {
                failures.push(format!(
                    "{} ({}): {failure}",
                    exchange["i"], exchange["note"]
                ));
            }
        }
        if exchange["req"]["method"] == "DELETE" && answered["kind"] == "Status" {
            objects.remove(&target.key);
        } else if answered["metadata"]["name"].is_string() && !path.contains("dryRun") {
            objects.insert(target.key, answered.clone());
        }
    }
    (failures, checked)
}

#[test]
fn recorded_writes_are_owned_as_the_real_server_says() {
    let Some(folder) = folder() else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let registry = registry(&read("crd.json"));
    let mut total = 0;
    for name in ["03-crud.jsonl", "05-ssa.jsonl"] {
        let (failures, checked) = replay(&registry, &read(name));
        println!(
            "{name}: {} of {checked} as expected",
            checked - failures.len()
        );
        assert!(failures.is_empty(), "{name}:\n{}", failures.join("\n"));
        total += checked;
    }
    assert!(total >= 50, "only {total} of the exchanges were about this");
}

#[test]
fn the_recordings_are_read_as_they_are_meant() {
    let registry = Registry::member().unwrap();
    let path = "/apis/apps/v1/namespaces/g/deployments/d/status?fieldManager=m&force=true";
    let target = target(&registry, path).unwrap();
    assert_eq!(target.key, "apps/deployments/d");
    assert_eq!(target.api_version(), "apps/v1");
    assert_eq!(target.reset(), Reset::AllButStatus);
    assert_eq!(target.query.get("force").map(String::as_str), Some("true"));
    assert!(
        lacks(
            &json!({"a": [1], "b": null}),
            &json!({"a": [1], "c": 2}),
            ""
        )
        .is_ok()
    );
    assert!(lacks(&json!({"a": [1]}), &json!({"a": [1, 2]}), "").is_err());
}
