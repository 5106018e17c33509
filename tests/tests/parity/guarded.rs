//! Acting only over what was seen: an apply that makes an object or nothing, and updates and deletions
//! of one version. The agent relies on each of them.

use anyhow::{Result, ensure};
use roadstead_tests::api::Answer;
use serde_json::{Value, json};

use crate::script::{MAPS, Script, at, map};

/// No object has this version.
const NO_VERSION: &str = "1";

fn over(name: &str, version: &str, value: &str) -> Value {
    let mut object = map(name, json!({ "a": value }));
    object["metadata"]["resourceVersion"] = json!(version);
    object
}

fn conflicts(what: &str, answer: &Answer) -> Result<()> {
    let conflict = answer.code == 409 && answer.text("/reason") == "Conflict";
    ensure!(conflict, "{what}: {answer:?}");
    Ok(())
}

pub(crate) async fn applied(s: &mut Script) -> Result<()> {
    let path = at("guarded");
    let nothing = over("guarded", NO_VERSION, "1");
    let made = s.api.apply(&path, "roadstead", false, &nothing).await?;
    let fields = &[
        "/data",
        "/metadata/managedFields/0/manager",
        "/metadata/managedFields/0/operation",
        "/metadata/managedFields/0/fieldsV1",
        "/metadata/managedFields/1/manager",
    ];
    s.note("apply over nothing", &made, (201, fields))?;
    // Not even the same, and not even with force.
    for force in [false, true] {
        let again = s.api.apply(&path, "roadstead", force, &nothing).await?;
        s.note("apply over nothing where something is", &again, (409, &[]))?;
        conflicts("over nothing", &again)?;
    }
    let first = made.text("/metadata/resourceVersion").to_owned();
    let next = over("guarded", &first, "2");
    let updated = s.api.apply(&path, "roadstead", true, &next).await?;
    s.note("apply over this version", &updated, (200, fields))?;
    let late = over("guarded", &first, "3");
    let refused = s.api.apply(&path, "roadstead", true, &late).await?;
    s.note("apply over an older version", &refused, (409, &[]))?;
    conflicts("over an older version", &refused)?;
    let kept = s.api.get(&path).await?;
    ensure!(kept.body["data"] == json!({"a": "2"}), "{kept:?}");

    let theirs = s.api.create(MAPS, &map("theirs", json!({}))).await?;
    ensure!(theirs.code == 201, "{theirs:?}");
    let nothing = over("theirs", NO_VERSION, "1");
    let refused = s
        .api
        .apply(&at("theirs"), "roadstead", false, &nothing)
        .await?;
    s.note("apply over nothing beside others", &refused, (409, &[]))?;
    let kept = s.api.get(&at("theirs")).await?;
    ensure!(kept.body["data"].get("a").is_none(), "{kept:?}");
    Ok(())
}

pub(crate) async fn deleted(s: &mut Script) -> Result<()> {
    let path = at("going");
    let made = s.api.create(MAPS, &map("going", json!({}))).await?;
    let first = made.text("/metadata/resourceVersion").to_owned();
    let patch = json!({"data": {"b": "2"}});
    let changed = s.api.merge(&path, &patch).await?;
    let options = |version: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {
                "uid": made.text("/metadata/uid"),
                "resourceVersion": version,
            },
        })
    };
    let refused = s.api.delete(&path, Some(&options(&first))).await?;
    conflicts("delete of an older version", &refused)?;
    let version = changed.text("/metadata/resourceVersion").to_owned();
    let done = s.api.delete(&path, Some(&options(&version))).await?;
    s.note("delete of this version", &done, (200, &["/status"]))?;
    Ok(())
}
